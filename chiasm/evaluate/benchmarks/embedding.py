"""The data of benchmarks of models that compare: image-text retrieval, pages for questions, and zero-shot classes.

What is read here says which belong together; `compared` says how they are ranked and summed up.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.rows import Bad, Layout, Row, Unusable, rows_of
from chiasm.prompt.messages import Image

_PARQUET = ("data/{split}-*.parquet", "{split}-*.parquet", "{split}*.parquet")
KARPATHY = Layout(_PARQUET, repo="yerevann/coco-karpathy")
FLICKR = Layout(_PARQUET, repo="lmms-lab/flickr30k")
PAGES = Layout(_PARQUET, repo="vidore/docvqa_test_subsampled")
CUTS = (1, 5, 10)


@dataclass(frozen=True)
class Pairs:
    """Pictures and their captions: text t describes picture `image_of[t]`; `bad` are the rows that have neither."""

    pictures: tuple[Image, ...]
    texts: tuple[str, ...]
    image_of: tuple[int, ...]
    bad: tuple[Bad, ...] = ()


def pairs(folder: Path, split: str = "test", captions: int | None = 5, limit: int | None = None) -> Pairs:
    """COCO by Karpathy's split (pictures beside, in COCO's folders) or Flickr30k, with the first so many captions of each."""
    pictures: list[Image] = []
    texts: list[str] = []
    image_of: list[int] = []
    bad: list[Bad] = []
    for row in islice(_rows(folder, split), limit):
        try:
            several = row.texts("sentences") if "sentences" in row.values else row.texts("caption")
            picture = row.picture() if "image" in row.values else _beside(row)
        except Unusable as why:
            bad.append(Bad(row.where, str(why)))
            continue
        image_of += [len(pictures)] * len(several[:captions])
        texts += several[:captions]
        pictures.append(picture)
    return Pairs(tuple(pictures), tuple(texts), tuple(image_of), tuple(bad))


def _rows(folder: Path, split: str) -> Iterator[Row]:
    patterns = [pattern.format(split=split) for pattern in _PARQUET]
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    if not files:
        raise UserError(f"{folder} holds no parquet of the split {split}: {', '.join(patterns)} was expected")
    return (row for file in files for row in rows_of(file, folder))


def _beside(row: Row) -> Image:
    file = row.folder / (row.get("filepath") or "val2014") / row.text("filename")
    if not file.is_file():
        raise Unusable(f"the picture {file} is not there")
    return Image(file)


@dataclass(frozen=True)
class Pages:
    """Questions and pages: question q is answered by page `page_of[q]`."""

    pictures: tuple[Image, ...]
    names: tuple[str, ...]
    questions: tuple[str, ...]
    page_of: tuple[str, ...]
    bad: tuple[Bad, ...] = ()


def pages(folder: Path, split: str = "test", limit: int | None = None) -> Pages:
    """ViDoRe's first edition: a row is a page with its question; some pages have none and only distract."""
    pictures: dict[str, Image] = {}
    asked: list[tuple[str, str]] = []
    bad: list[Bad] = []
    for row in islice(_rows(folder, split), limit):
        try:
            name = row.text("image_filename")
            if name not in pictures:
                pictures[name] = row.picture()
            if row["query"]:
                asked.append((row.text("query"), name))
        except Unusable as why:
            bad.append(Bad(row.where, str(why)))
    questions, page_of = zip(*asked, strict=True) if asked else ((), ())
    return Pages(tuple(pictures.values()), tuple(pictures), questions, page_of, tuple(bad))


@dataclass(frozen=True)
class Classes:
    """A zero-shot data set in CLIP benchmark's layout: names, templates with {c} for a name, and shards of pictures."""

    names: tuple[str, ...]
    templates: tuple[str, ...]
    shards: tuple[Path, ...]

    def prompts(self) -> list[list[str]]:
        """Every class in every template."""
        return [[template.replace("{c}", name) for template in self.templates] for name in self.names]

    def pictures(self) -> Iterator[tuple[Image, int]]:
        """Pictures with the number of their class, shard by shard."""
        for shard in self.shards:
            with tarfile.open(shard) as tar:
                found: dict[str, dict[str, bytes]] = {}
                for member in tar:
                    stem, _, kind = member.name.rpartition(".")
                    opened = tar.extractfile(member)
                    if opened is None:
                        continue
                    found.setdefault(stem, {})["cls" if kind == "cls" else "picture"] = opened.read()
                    if len(found[stem]) == 2:
                        whole = found.pop(stem)
                        yield Image(whole["picture"]), int(whole["cls"])


def classes(folder: Path, split: str = "test") -> Classes:
    """Raises `UserError` where a file of the layout is missing."""
    names, templates = folder / "classnames.txt", folder / "zeroshot_classification_templates.txt"
    shards = tuple(sorted((folder / split).glob("*.tar")))
    for file in (names, templates):
        if not file.is_file():
            raise UserError(f"{file} is not there: a folder of zero-shot classes holds it")
    if not shards:
        raise UserError(f"{folder / split} holds no .tar of pictures")
    return Classes(_lines(names), _lines(templates), shards)


def _lines(file: Path) -> tuple[str, ...]:
    return tuple(line for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
