"""Benchmarks whose vectors are compared: the same figures as from a table of all scores, kept vectors, failures by name."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmark_folders import files, hub
from PIL import Image

from chiasm.assistant import Assistant, Verb
from chiasm.cli import main
from chiasm.errors import BadPicture, Unsupported, UserError
from chiasm.evaluate.benchmarks import embedding
from chiasm.evaluate.benchmarks.figures import mean
from chiasm.evaluate.runs import comparing, run
from chiasm.evaluate.runs.report import notes
from chiasm.evaluate.runs.run import Wanted
from chiasm.evaluate.runs.store import RECORDS, Store
from chiasm.evaluate.scorers import retrieval
from chiasm.pixels.open import open_picture

COLOURS = {"red": (250, 9, 9), "green": (9, 250, 9), "blue": (9, 9, 250), "grey": (120, 120, 120)}


class Colours(Assistant):
    """A text's vector is the colour that it names, a picture's the one that it shows; as several vectors where `many`."""

    name = "colours"

    def __init__(self, many: bool = False, dies_after: int | None = None) -> None:
        self.many, self.left, self.embedded = many, dies_after, 0

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"embed"})

    def embed(self, items: Sequence[object]) -> Any:
        if self.left is not None and self.embedded >= self.left:
            raise KeyboardInterrupt
        found = [self._one(item) for item in items]
        self.embedded += len(items)
        return [one[None].repeat(2, 1) for one in found] if self.many else torch.stack(found)

    @staticmethod
    def _one(item: object) -> torch.Tensor:
        if isinstance(item, str):
            shown: Any = next((value for name, value in COLOURS.items() if name in item), (1, 1, 1))
        else:
            shown = open_picture(item).pixels[0, 0]  # type: ignore[arg-type]
        return torch.nn.functional.normalize(torch.tensor(np.array(shown, np.float32)), dim=0)


def shown(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), COLOURS[colour]).save(file, "PNG")
    return file.getvalue()


def captions(folder: Path) -> Path:
    """Four pictures with two captions each; two captions are of another colour."""
    said = {
        "red": ["a red one", "red"],
        "green": ["green", "it is blue"],
        "blue": ["blue", "a blue one"],
        "grey": ["red?", "grey"],
    }
    hub("data/test-0.parquet", [{"image": {"bytes": shown(c), "path": None}, "caption": s} for c, s in said.items()])(folder)
    return folder


def compared(model: Assistant, name: str, folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Any:
    monkeypatch.setattr(run, "named", lambda *_: model)
    (made,) = run.evaluated(model.name, Wanted((name,), folder, **changes), out)
    return made


@pytest.mark.parametrize("many", [False, True])
def test_captions_and_pictures_as_from_all_scores(many: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, model = captions(tmp_path / "data"), Colours(many)
    made = compared(model, "flickr30k-retrieval", folder, tmp_path / "out", monkeypatch, batch=3)
    pairs = embedding.pairs(folder)
    vectors = [
        torch.stack([Colours._one(item) for item in side]) for side in (pairs.texts, [p.picture for p in pairs.pictures])
    ]
    ranks = retrieval.image_text_ranks((vectors[1] @ vectors[0].T).numpy(), pairs.image_of)
    sides = [(kind, cut, ranks_of) for kind, ranks_of in (("text", ranks.text), ("image", ranks.image)) for cut in (1, 5, 10)]
    expected = tuple(mean(f"{kind} R@{cut}", [float(rank < cut) for rank in ranks_of]) for kind, cut, ranks_of in sides)
    assert made.figures == expected and made.headline.name == "text R@1" and made.headline.value < 1
    assert notes([made]) == ["flickr30k-retrieval by the rules of BLIP itm_eval: for models that make vectors (`embed`)"]
    samples = list(Store(tmp_path / "out" / "flickr30k-retrieval").samples())
    assert [sample.id for sample in samples][:5] == ["image 0", "image 1", "image 2", "image 3", "text 0"]
    assert samples[4].prompt == "a red one" and json.loads(str(samples[4].answer))["best"][0] == "0"
    assert main(["score", str(tmp_path / "out")]) == 0


def test_a_run_goes_on_with_the_vectors_that_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, whole = captions(tmp_path / "data"), Colours()
    compared(whole, "coco-retrieval", folder, tmp_path / "whole", monkeypatch, batch=2)
    dies, goes_on = Colours(dies_after=6), Colours()
    with pytest.raises(KeyboardInterrupt):
        compared(dies, "coco-retrieval", folder, tmp_path / "cut", monkeypatch, batch=2)
    compared(goes_on, "coco-retrieval", folder, tmp_path / "cut", monkeypatch, batch=2)
    assert dies.embedded + goes_on.embedded == whole.embedded == 12
    one, other = ((tmp_path / name / "coco-retrieval" / RECORDS).read_bytes() for name in ("whole", "cut"))
    assert one == other


def test_pages_for_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"query": q, "image": {"bytes": shown(c), "path": None}, "image_filename": c}
            for q, c in (("which is red?", "red"), ("the blue one?", "green"), (None, "blue"))]  # fmt: skip
    hub("data/test-0.parquet", rows)(tmp_path / "vidore")
    made = compared(Colours(many=True), "vidore", tmp_path, tmp_path / "out", monkeypatch)
    named = {figure.name: figure.value for figure in made.figures}
    assert named["R@1"] == 0.5 and 0.5 < named["nDCG@5"] < 1


def zero_shot(folder: Path, broken: bool = False) -> Path:
    files({"classnames.txt": "red\ngreen\n", "zeroshot_classification_templates.txt": "a {c} thing\n{c}\n"})(folder)
    (folder / "test").mkdir()
    kept = [("a", shown("red"), b"0"), ("b", shown("green"), b"1"), ("c", b"no picture" if broken else shown("green"), b"0")]
    with tarfile.open(folder / "test" / "0.tar", "w") as tar:
        for stem, picture, number in kept:
            for name, content in ((f"{stem}.png", picture), (f"{stem}.cls", number)):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return folder


def test_classes_by_the_mean_of_their_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = compared(Colours(), "zero-shot", zero_shot(tmp_path / "z"), tmp_path / "out", monkeypatch)
    named = {figure.name: figure.value for figure in made.figures}
    assert named == {"top-1": pytest.approx(2 / 3), "top-5": 1, "mean per class": 0.75} and made.headline.n == 3


def test_a_broken_picture_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = compared(Colours(), "zero-shot", zero_shot(tmp_path / "z", broken=True), tmp_path / "out", monkeypatch)
    assert made.failed == 1 and made.failures[0][0] == "image 2" and made.headline.value == pytest.approx(2 / 3)
    with pytest.raises(BadPicture):
        Colours().embed([b"no picture"])


def test_rows_without_a_picture_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    rows = [{"filename": name, "filepath": "val2014", "sentences": ["red"]} for name in ("a.png", "gone.png")]
    hub("data/test-0.parquet", rows)(folder)
    files({"val2014/a.png": shown("red")})(folder)
    made = compared(Colours(), "coco-retrieval", folder, tmp_path / "out", monkeypatch)
    assert made.headline.n == 1 and [where for where, _ in made.unusable] == ["test-0.parquet, row 1"]


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, model = captions(tmp_path / "data"), Colours()
    kept: list[Path] = []

    def full(file: Path, vectors: object, keep: Any = comparing._keep) -> None:
        if len(kept) == 2:
            raise OSError(28, "No space left on device")
        kept.append(file)
        keep(file, vectors)

    with monkeypatch.context() as patched:
        patched.setattr(comparing, "_keep", full)
        with pytest.raises(UserError, match=r"No space left .*start the same run again"):
            compared(model, "coco-retrieval", folder, tmp_path / "out", monkeypatch, batch=2)
    again = Colours()
    compared(again, "coco-retrieval", folder, tmp_path / "out", monkeypatch, batch=2)
    assert again.embedded == 12 - 2 * len(kept)


class Writes(Colours):
    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"generate"})


def test_mistakes_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = captions(tmp_path / "data")
    with pytest.raises(Unsupported, match="embed"):
        compared(Writes(), "coco-retrieval", folder, tmp_path / "out", monkeypatch)
    with pytest.raises(UserError, match="leave --shots and --prompts out"):
        compared(Colours(), "coco-retrieval", folder, tmp_path / "out", monkeypatch, prompts=("a",))
    with pytest.raises(UserError, match="no parquet of the split dev"):
        compared(Colours(), "coco-retrieval", folder, tmp_path / "out", monkeypatch, split="dev")
    with pytest.raises(UserError, match=r"classnames\.txt is not there"):
        compared(Colours(), "zero-shot", folder, tmp_path / "out", monkeypatch)
    zero_shot(tmp_path / "z")
    (tmp_path / "z" / "classnames.txt").write_text("red\n")
    with pytest.raises(UserError, match=r"of class 1, and classnames\.txt names 1"):
        compared(Colours(), "zero-shot", tmp_path / "z", tmp_path / "out", monkeypatch)
