"""COCO captions, and CHAIR: what a description names that is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from chiasm.evaluate.benchmarks.asking import shown
from chiasm.evaluate.benchmarks.figures import Figure, bootstrap, mean, open_mean
from chiasm.evaluate.benchmarks.rows import Layout, Row, Unusable, hub, rows_of
from chiasm.evaluate.benchmarks.task import FewShot, Judged, Part, Record, Task
from chiasm.evaluate.scorers import captions, chair, jars, ptb
from chiasm.evaluate.scorers.grams import Corpus

ONE_SENTENCE = "Provide a one-sentence caption for the provided image."
BRIEFLY = "Describe the image briefly."
IN_DETAIL = "Please describe this image in detail."

_NUMBER = re.compile(r"(\d+)(?:\.\w+)?$")


def _saying(words: str) -> Callable[[Row], tuple[Part, ...]]:
    return lambda row: shown(row, words)


def _image_id(name: str) -> str:
    """The last number of a file's name."""
    found = _NUMBER.search(name)
    if not found:
        raise Unusable(f"{name!r} holds no number of a picture")
    return str(int(found[1]))


def _judge(gold: Mapping[str, Any], reply: str) -> Judged:
    """The caption itself, and its ROUGE-L, which is the one score that needs no other caption."""
    said, *true = ptb.tokenize([reply, *gold["references"]], exact=False)
    return Judged(reply.strip() or None, captions.rouge_l(Corpus([said], [true])).corpus)


def _sums(exact: bool) -> Callable[[Sequence[Record]], tuple[Figure, ...]]:
    """Corpus scores; their errors are of the mean over pictures, for BLEU those of its own per-picture scores."""

    def sums(records: Sequence[Record]) -> tuple[Figure, ...]:
        texts = ptb.tokenize([text for one in records for text in (one.reply, *one.gold["references"])], exact)
        lines = iter(texts)
        said, true = [], []
        for record in records:
            said.append(next(lines))
            true.append([next(lines) for _ in record.gold["references"]])
        corpus = Corpus(said, true)
        scored = {"CIDEr": captions.cider(corpus), "ROUGE-L": captions.rouge_l(corpus)}
        scored |= {f"BLEU-{n}": one for n, one in enumerate(captions.bleu(corpus), 1)}
        if exact:
            scored["METEOR"] = jars.meteor([corpus])[0]
        return tuple(_figure(name if exact else f"{name}, near tokens", one) for name, one in scored.items())

    return sums


def _figure(name: str, scored: captions.Scored) -> Figure:
    spread = open_mean(name, scored.each)
    shift = scored.corpus - spread.value
    return Figure(name, scored.corpus, spread.stderr, spread.low + shift, spread.high + shift, spread.n)


def caption_sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """With exact tokens and METEOR where Java and pycocoevalcap are; else by the near rules, which the names say, alone."""
    return _sums(jars.found())(records)


def _karpathy(row: Row) -> Iterator[Row]:
    """Pictures lie beside, in folders as COCO has them."""
    values = {"image": f"{row.get('filepath') or 'val2014'}/{row['filename']}", "answer": row["sentences"]}
    yield Row({**row.values, **values, "question_id": row["filename"]}, row.folder, row.where)


@cache
def _references(folder: Path, split: str) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in rows_of(folder / f"annotations/captions_{split}.json", folder, "annotations"):
        found.setdefault(row["image_id"], []).append(row["caption"])
    return found


@cache
def _instances(folder: Path, split: str) -> Mapping[int, list[str]]:
    read = json.loads((folder / f"annotations/instances_{split}.json").read_text(encoding="utf-8"))
    names = {kind["id"]: kind["name"] for kind in read["categories"]}
    found: dict[int, list[str]] = {}
    for one in read["annotations"]:
        found.setdefault(one["image_id"], []).append(names[one["category_id"]])
    return {image: sorted(set(kinds)) for image, kinds in found.items()}


def _gold(row: Row) -> Mapping[str, Any]:
    references = row.texts("answer")
    if not references:
        raise Unusable("there is no caption to hold it to")
    return {"references": references}


def _split(row: Row) -> str:
    return row.where.removeprefix("captions_").partition(".json")[0]


def _coco(row: Row) -> Iterator[Row]:
    """COCO's own annotations: one row a picture that has captions; pictures in a folder named after the split."""
    split = _split(row)
    references = _references(row.folder, split).get(row["id"], [])
    if references:
        values = {"image": f"{split}/{row['file_name']}", "answer": references, "question_id": row["file_name"]}
        yield Row({**row.values, **values}, row.folder, row.where)


def _chair_gold(row: Row) -> Mapping[str, Any]:
    there = _instances(row.folder, _split(row)).get(row["id"], [])
    return {"instances": there, "references": row.texts("answer")}


def _judge_chair(gold: Mapping[str, Any], reply: str) -> Judged:
    """The share of mentions that are true; which are not is what was parsed."""
    checked = chair.check(reply, gold["instances"], gold["references"])
    return Judged({"named": checked.mentioned.kinds, "true": sorted(checked.true)}, 1 - checked.chair_i)


def _chair_counts(record: Record) -> tuple[int, int, int, int]:
    """Mentions that are false, all mentions, kinds that were named of those that are there, and all of these."""
    named, true = record.judged.parsed["named"], record.judged.parsed["true"]
    return sum(kind not in true for kind in named), len(named), len(set(named) & set(true)), len(true)


def _chair_sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """CHAIRi (of mentions), CHAIRs (of captions) and recall: the first two are better when they are small."""
    counts = list(map(_chair_counts, records))
    of_mentions, recall = bootstrap(
        counts,
        {"CHAIRi": lambda false, named, found, true: false / named, "recall": lambda false, named, found, true: found / true},
    )
    return of_mentions, mean("CHAIRs", [float(false > 0) for false, *_ in counts]), recall


def _annotated(split: str) -> Layout:
    """COCO's own files: the list of pictures is read, and captions are joined to it."""
    return Layout(("annotations/captions_{split}.json",), _coco, key="images", split=split)


def _task(name: str, title: str, splits: tuple[str, ...], layouts: tuple[Layout, ...], few: FewShot | None = None) -> Task:
    return Task(
        name=name,
        title=title,
        paper="1504.00325",
        splits=splits,
        layouts=layouts,
        id=lambda row: _image_id(row.text("question_id")),
        prompts={"lmms-eval": _saying(ONE_SENTENCE), "lmms-eval Karpathy": _saying(BRIEFLY)},
        gold=_gold,
        judges={"pycocoevalcap": _judge},
        sums=caption_sums,
        max_tokens=64,
        note="papers report these times 100",
        few=few,
    )


TASKS = (
    _task(
        "coco-karpathy",
        "COCO captions, Karpathy's test",
        ("test",),
        (hub("yerevann/coco-karpathy", rows=_karpathy),),
        FewShot(lambda gold: gold["references"][0]),
    ),
    _task("coco-2017", "COCO captions 2017", ("val",), (hub("lmms-lab/COCO-Caption2017"), _annotated("val2017"))),
    Task(
        name="chair",
        title="CHAIR",
        paper="1809.02156",
        splits=("val2014",),
        layouts=(_annotated("val2014"),),
        id=lambda row: _image_id(row.text("question_id")),
        prompts={"lmms-eval": _saying(IN_DETAIL)},
        gold=_chair_gold,
        judges={"Maxlinn/CHAIR": _judge_chair},
        sums=_chair_sums,
        max_tokens=512,
        note="smaller is better",
    ),
)
