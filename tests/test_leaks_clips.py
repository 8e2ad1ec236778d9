"""Clips of an evaluation in training data: copies that were encoded anew, thinned out or trimmed are found, others are not."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from chiasm.cli import main
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.leaks import check, page, report, tables
from chiasm.evaluate.leaks.clips import MOST, RATE, Followed, followed, rate_of
from chiasm.evaluate.leaks.evaluation import gathered
from chiasm.evaluate.leaks.follow import LEAST, SHARE, in_order, same, shelved
from chiasm.pixels import video
from chiasm.pixels.reel import Reel
from chiasm.render import sample
from chiasm.render.assets import Assets

WIDE, HIGH, SECONDS = 128, 96, 4.0
LONG = "In the year when the river rose above the old bridge how many boats were counted by the keeper of the lock"


def frame(scene: int, second: float) -> Image.Image:
    """A camera moves over a drawn page, farther than its frames are wide."""
    page = Image.fromarray(sample(scene, 5, "train", "mixed shapes", 224, Assets((), (), ())).picture).resize((400, 400))
    swing = 0.5 - 0.5 * np.cos(0.6 * second + scene)
    left, top = swing * (400 - WIDE), (1 - swing) * (400 - HIGH) * (0.3 + 0.1 * scene)
    return page.transform((WIDE, HIGH), Image.Transform.EXTENT, (left, top, left + WIDE, top + HIGH))


def film(file: Path, scene: int, rate: float = 12, start: float = 0.0, end: float = SECONDS, code: str = "mp4v") -> Path:
    out = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*code), rate, (WIDE, HIGH))
    assert out.isOpened()
    for second in np.arange(start, end, 1 / rate):
        out.write(np.asarray(frame(scene, float(second)))[:, :, ::-1])
    out.release()
    return file


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips, and copies of the first."""
    folder = tmp_path_factory.mktemp("films")
    film(folder / "a.mp4", 0)
    film(folder / "other.mp4", 1)
    film(folder / "anew.avi", 0, code="MJPG")
    film(folder / "thin.mp4", 0, rate=5)
    film(folder / "trimmed.mp4", 0, start=1.13, end=3.2)
    (folder / "frames").mkdir()
    for number, second in enumerate(np.arange(0, SECONDS, 0.25)):
        frame(0, float(second)).save(folder / "frames" / f"{number}.png")
    frames = [frame(0, float(second)) for second in np.arange(0, SECONDS, 0.2)]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:], duration=200)
    film(folder / "short.mp4", 0, end=0.25)
    return folder


@pytest.fixture(scope="module")
def looks(films: Path) -> Mapping[str, Followed]:
    return {file.name: followed(file) for file in films.iterdir()}


@pytest.mark.parametrize("name", ["anew.avi", "thin.mp4", "trimmed.mp4", "frames", "a.gif"])
def test_a_copy_is_found_and_another_clip_is_not(name: str, looks: Mapping[str, Followed]) -> None:
    shelf = shelved([looks["other.mp4"], looks["a.mp4"]])
    (found,) = same(shelf, shelved([looks[name]]))
    assert (found.first, found.second) == (1, 0) and found.share >= SHARE and found.likeness > 0.97
    # The other way round too: whichever of the two is the part.
    assert [one.second for one in same(shelved([looks[name]]), shelf)] == [1]


def test_different_clips_are_not_the_same(looks: Mapping[str, Followed]) -> None:
    assert list(same(shelved([looks["a.mp4"]]), shelved([looks["other.mp4"]]))) == []
    assert list(same(shelved([]), shelved([looks["a.mp4"]]))) == []


def test_frames_in_another_order_are_not_the_same(looks: Mapping[str, Followed]) -> None:
    one = looks["a.mp4"]
    order = list(range(len(one.looks)))
    random.Random(3).shuffle(order)
    mixed = Followed("", "", tuple(one.looks[number] for number in order), one.apart, b"")
    assert list(same(shelved([one]), shelved([mixed]))) == []


def test_the_longest_run_in_order_is_the_longest() -> None:
    draw = random.Random(0)
    for _ in range(60):
        pairs = {(draw.randrange(5), draw.randrange(5)) for _ in range(draw.randrange(1, 9))}
        path = in_order(dict.fromkeys(pairs, (0, 0)))
        assert set(path) <= pairs and all(a < c and b < d for (a, b), (c, d) in itertools.pairwise(path))
        most = max(
            size
            for size in range(1, 6)
            for some in itertools.combinations(sorted(pairs), size)
            if all(a < c and b < d for (a, b), (c, d) in itertools.pairwise(some))
        )
        assert len(path) == most


@pytest.mark.parametrize(
    ("seconds", "size", "rate"),
    [(1, (64, 48), 4), (24, (64, 48), 4), (25, (64, 48), 2), (600, (640, 360), 0.125), (10, (3840, 2160), 0.5)],
)
def test_fewer_frames_of_long_and_of_large_clips(seconds: int, size: tuple[int, int], rate: float) -> None:
    reel = Reel.steady("clip", size, 30 * seconds, Fraction(30))
    assert rate_of(reel) == rate and rate_of(reel) * seconds <= MOST and RATE / rate_of(reel) % 1 == 0


def rows(folder: Path, lines: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "table.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture
def asked(films: Path, tmp_path: Path) -> Path:
    """Two questions about one clip, and one about another."""
    lines = [
        {"id": f"q{number}", "video": str(films / name), "question": f"Number {number}: {LONG}?", "answer": str(number)}
        for number, name in enumerate(("a.mp4", "a.mp4", "other.mp4"))
    ]
    return rows(tmp_path / "asked", lines)


def test_clips_in_tables_and_in_folders(asked: Path, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = [{"from": "human", "value": f"<video>\nNumber 1: {LONG}?"}, {"from": "gpt", "value": "1"}]
    training = rows(tmp_path / "training", [{"id": 7, "video": "trimmed.mp4", "conversations": told}])
    (training / "clips").mkdir()
    (training / "clips" / "copy.mp4").write_bytes((films / "other.mp4").read_bytes())
    output, words = tmp_path / "out", ["--pictures", str(films)]
    train = ["--train", str(training / "table.jsonl"), str(training / "clips")]
    assert main(["leaks", str(asked), *train, *words, "--output", str(output), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    counts = {(line["what"], line["how"]): (line["count"], line["of"]) for line in said["lines"]}
    assert counts["clips", "near"] == (1, 2) and counts["clips", "same file"] == (1, 2)
    assert counts["clip and text in one row", "question and answer"] == (1, 3)
    assert (said["evaluation clips"], said["training clips"], said["unusable in the training data"]) == (2, 2, 0)
    pairs = [json.loads(line) for line in (output / report.PAIRS).read_text().splitlines()]
    found = {one["level"]: one["evaluation"] for one in pairs if one["kind"] == "clip"}
    assert found == {"near": ["q0", "q1"], "same file": ["q2"]}
    shown = (output / page.PAGE).read_text()
    assert "Near clips" in shown and shown.count("data:image/jpeg;base64,") == 2 and "<script" not in shown
    # A second start reads its log and finds the same.
    assert main(["leaks", str(asked), *train, *words, "--output", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == said


def test_the_same_frames_in_another_file(films: Path, tmp_path: Path) -> None:
    """A folder of frames by other names."""
    (tmp_path / "again").mkdir()
    for file in sorted((films / "frames").iterdir(), key=lambda one: int(one.stem)):
        (tmp_path / "again" / f"shot-{file.stem}.png").write_bytes(file.read_bytes())
    looked_for = gathered(tables.read([rows(tmp_path / "asked", [{"clip": str(films / "frames"), "question": "?"}])]))
    training = rows(tmp_path / "training", [{"clip": str(tmp_path / "again"), "question": "what?"}])
    found = report.found(looked_for, check.checked(looked_for, tables.read([training]), tmp_path / "out", {}))
    assert [(one.level, one.share) for one in found.watched] == [("same frames", 1.0)]


def test_an_animation_is_a_picture_and_a_clip(films: Path, tmp_path: Path) -> None:
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "a.gif").write_bytes((films / "a.gif").read_bytes())
    Image.new("RGB", (9, 9), (9, 200, 9)).save(tmp_path / "shown" / "still.gif")
    moving, still = (one for one in tables.read([tmp_path / "shown"]) if not isinstance(one, Bad))
    assert len(moving.pictures) == len(moving.clips) == 1 and still.clips == () and len(still.pictures) == 1


def test_what_is_wrong_with_a_clip_is_named_and_the_rest_is_read(
    asked: Path, films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.mp4").write_bytes((films / "a.mp4").read_bytes()[:500])
    clips: list[Any] = ["cut.mp4", "gone.mp4", "https://a.b/c.mp4", 7, str(films / "other.mp4")]
    training = rows(tmp_path / "training", [{"video": clip, "question": "what?"} for clip in clips])
    output = tmp_path / "out"
    words = ["leaks", str(asked), "--train", str(training), "--pictures", str(tmp_path), "--output", str(output)]
    assert main(words) == 0
    assert "Traceback" not in capsys.readouterr().err
    bad = [json.loads(line) for line in (output / report.BAD).read_text().splitlines()]
    assert [one["where"].rpartition(" ")[2] for one in bad] == ["0", "1", "2", "3"]
    assert [word in one["why"] for one, word in zip(bad, ("cut", "gone.mp4", "address", "no clip"), strict=True)] == 4 * [True]
    pairs = [json.loads(line) for line in (output / report.PAIRS).read_text().splitlines()]
    assert [one["level"] for one in pairs if one["kind"] == "clip"] == ["same file"]


def test_a_clip_of_two_frames_is_found_by_its_file_alone(films: Path, looks: Mapping[str, Followed], tmp_path: Path) -> None:
    assert len(looks["short.mp4"].looks) < LEAST
    looked_for = gathered(tables.read([films / "short.mp4"]))
    found = report.found(looked_for, check.checked(looked_for, tables.read([films / "a.mp4"]), tmp_path / "out", {}))
    assert not found.watched and any("fewer than 3 frames" in note for note in report.notes(found))


def test_without_the_library_of_videos_one_sentence(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = tmp_path / "fresh.mp4"
    fresh.write_bytes((films / "short.mp4").read_bytes())
    monkeypatch.setattr(video, "_installed", lambda: False)
    assert main(["leaks", str(fresh), "--train", str(fresh), "--output", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err.strip()
    assert "chiasm[video]" in told and "\n" not in told
