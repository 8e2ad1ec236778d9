"""Benchmarks of videos through a run: the stretch that is asked about, as clips or as pictures; without it; a broken one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_folders import hub
from PIL import Image

from chiasm.assistant import Answer, Assistant, Done, Event, Request, Usage, Verb
from chiasm.errors import BadPicture
from chiasm.evaluate.benchmarks import registry
from chiasm.evaluate.runs import runner
from chiasm.evaluate.runs.outcome import outcome
from chiasm.evaluate.runs.run import Wanted, questions
from chiasm.evaluate.runs.store import Store
from chiasm.pixels.clips import Clip, clip_header, open_clip
from chiasm.spec import Even

MANY, RATE = 12, 3.0


class Watches(Assistant):
    """Notes what it is shown; says A."""

    name = "watches"

    def __init__(self, clips: bool) -> None:
        self.clips = clips
        self.shown: list[tuple[object, ...]] = []

    @property
    def capabilities(self) -> frozenset[Verb]:
        return frozenset({"generate"})

    @property
    def sees_clips(self) -> bool:
        return self.clips

    def generate(self, requests: Sequence[Request]) -> Iterator[Event]:
        for number, request in enumerate(requests):
            self.shown.append(request.messages[-1].pictures)
            yield Done(number, Answer("A", Usage(4, 9, 1), "stop", self.name))


def frames(folder: Path) -> Path:
    """A folder of frames, whose red is their number."""
    folder.mkdir(parents=True)
    for number in range(MANY):
        Image.new("RGB", (8, 6), (number, 0, 0)).save(folder / f"{number:05d}.png")
    return folder


@pytest.fixture
def tvqa(tmp_path: Path) -> Path:
    """Two questions about folders of frames, three a second, and one about a folder without a frame."""
    for name in ("one", "two"):
        frames(tmp_path / "video" / "tvqa" / "frames_fps3_hq" / name)
    (tmp_path / "video" / "tvqa" / "frames_fps3_hq" / "empty").mkdir()
    rows = [{"video": name, "question": "Who?", "candidates": ["Ann", "Bob"], "answer": "Ann", "start": 1.0, "end": 3.0}
            for name in ("one", "two", "empty")]  # fmt: skip
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "episodic_reasoning.json").write_text(json.dumps(rows))
    return tmp_path


def watched(model: Watches, folder: Path, out: Path, **changes: Any) -> Store:
    task, wanted = registry.find("mvbench"), Wanted(("mvbench",), folder, **changes)
    variants, bad = questions(task, wanted)
    store = Store(out)
    runner.run(model, task, variants, store, runner.manifest(model, task, variants, bad, wanted.setting, {}), wanted.setting)
    return store


def reds(pictures: Sequence[object]) -> list[int]:
    return [int(np.asarray(picture)[0, 0, 0]) for picture in pictures]


def test_a_stretch_as_pictures(tvqa: Path, tmp_path: Path) -> None:
    model = Watches(clips=False)
    store = watched(model, tvqa, tmp_path / "out", frames=3)
    assert reds(model.shown[0]) == [3, 5, 7] and store.manifest()["frames"] == "3 as pictures"
    first, second, broken = (sample for sample in store.samples() if sample.ablation == "picture")
    assert first.score == second.score == 1 and first.prompt.startswith("<picture>") and "empty" in str(broken.error)
    counts = {name: sum(sample.ablation == name for sample in store.samples()) for name in ("blank", "another", "none")}
    assert counts == {"blank": 3, "another": 3, "none": 3}
    assert outcome(registry.find("mvbench"), store).failed == 1
    eight = Watches(clips=False)
    watched(eight, tvqa, tmp_path / "eight", ablations=False)
    assert len(eight.shown[0]) == 6, "all of a stretch that has fewer than eight"


@pytest.mark.parametrize("wanted", [None, 2])
def test_a_model_of_clips_is_shown_the_clip(wanted: int | None, tvqa: Path, tmp_path: Path) -> None:
    model = Watches(clips=True)
    store = watched(model, tvqa, tmp_path / "out", frames=wanted, ablations=False)
    (clip,) = model.shown[0]
    assert isinstance(clip, Clip) and (clip.start, clip.end, clip.rate) == (1.0, 3.0, RATE)
    assert clip.take == (None if wanted is None else Even(wanted))
    assert store.manifest()["frames"] == ("a clip, as the model takes it" if wanted is None else "2 as a clip")


def test_a_stretch_of_a_clip(tmp_path: Path) -> None:
    folder = frames(tmp_path / "clip")
    whole = open_clip(Clip(folder, Even(4), RATE))
    cut = open_clip(Clip(folder, Even(4), RATE, 1.5, 2.9))
    assert reds(whole.frames) == [0, 3, 6, 9] and reds(cut.frames) == [4, 5, 6, 7]
    assert cut.times == pytest.approx((0, 0.35, 0.7, 1.05))
    assert clip_header(Clip(folder, None, RATE, None, 99.0)).seconds == MANY / 3
    assert reds(open_clip(Clip(folder, Even(1), RATE, 3.5)).frames) == [10]
    for start, end in ((4.0, None), (2.0, 2.0), (3.0, 1.0), (None, 0.0)):
        with pytest.raises(BadPicture, match="nothing is shown from second"):
            open_clip(Clip(folder, Even(4), RATE, start, end))


def test_another_length_is_other_data(tmp_path: Path) -> None:
    asked = {"question_id": "1", "videoID": "v", "question": "Q?", "options": ["A. a", "B. b"], "answer": "A"}
    row = asked | {"duration": "short", "domain": "d", "task_type": "t"}
    hub("videomme/test-00000-of-00001.parquet", [row])(tmp_path)
    hashes = set()
    for content in (b"a", b"ab"):
        (tmp_path / "v.mp4").write_bytes(content)
        variants, bad = questions(registry.find("videomme"), wanted := Wanted(("videomme",), tmp_path))
        said = runner.manifest(Watches(clips=True), registry.find("videomme"), variants, bad, wanted.setting, {})
        hashes.add(said["data hash"])
    assert len(hashes) == 2
