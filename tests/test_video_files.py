"""Videos: frames, times and rate as they were written, and hostile files refused in one sentence before anything is decoded."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from chiasm import Clip
from chiasm.cli import main
from chiasm.errors import BadPicture, MissingExtra
from chiasm.pixels import video
from chiasm.pixels.clips import clip_header, moves, open_clip
from chiasm.pixels.open import Limits
from chiasm.pixels.reel import ClipLimits
from chiasm.spec import Even

FRAMES, RATE, WIDE, HIGH = 25, 10.0, 64, 48


def written(path: Path, code: str) -> Path:
    """A video whose red grows and whose blue falls with time."""
    out = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), RATE, (WIDE, HIGH))
    assert out.isOpened()
    for number in range(FRAMES):
        out.write(np.full((HIGH, WIDE, 3), (250 - 10 * number, 0, 10 * number), np.uint8))
    out.release()
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("videos") / "clip.mp4", "mp4v")


@pytest.mark.parametrize(("end", "code"), [("mp4", "mp4v"), ("avi", "MJPG"), ("webm", "VP80")])
def test_frames_are_those_at_their_times(end: str, code: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"clip.{end}", code)
    found = open_clip(Clip(path if end == "mp4" else path.read_bytes(), Even(5)))
    assert found.times == pytest.approx((0, 0.5, 1, 1.5, 2)) and (found.width, found.height) == (WIDE, HIGH)
    reds = [int(frame[HIGH // 2, WIDE // 2, 0]) for frame in found.frames]
    assert np.abs(np.array(reds) - [0, 50, 100, 150, 200]).max() <= 6 and moves(str(path))


def test_a_header_says_how_long_and_limits_hold_before_decoding(film: Path) -> None:
    reel = clip_header(Clip(film))
    assert (len(reel.begins), reel.seconds, reel.width, reel.height) == (FRAMES, 2.5, WIDE, HIGH)
    for limits, said in (
        (ClipLimits(frames=24), "25 frames in 2.5 seconds are above the limit of 24 frames"),
        (ClipLimits(seconds=2), "above the limit of 131,072 frames and 2 seconds"),
        (ClipLimits(bytes=100), "above the limit of 100"),
        (ClipLimits(picture=Limits(pixels=1000)), "frames of 64 x 48, above the limit of 1,000 pixels"),
        (ClipLimits(taken=3), "3 at most are shown"),
        (ClipLimits(pixels=10_000), "above the limit of 10,000 pixels"),
    ):
        with pytest.raises(BadPicture, match=said):
            open_clip(Clip(film), Even(8), limits)


def test_hostile_files_are_refused_in_one_sentence(film: Path, tmp_path: Path) -> None:
    data = film.read_bytes()
    rng = np.random.default_rng(0)
    inside = bytearray(data)
    inside[40:900] = rng.bytes(860)
    hostile = {
        "cut.mp4": (data[:1500], "cut short"),
        "text.mp4": (b"this is no video\n" * 9, "found text"),
        "list.mp4": (b"#EXTM3U\n/etc/hostname\n", "found text"),
        "empty.mp4": (b"", "empty"),
        "noise.mp4": (data[:32] + rng.bytes(4000), "cut short"),
        "noise.mkv": (b"\x1aE\xdf\xa3" + rng.bytes(4000), "damaged"),
        "inside.mp4": (bytes(inside), ""),
        "boxes.mp4": (data[:28] + b"\0\0\0\x04free" * 9, "damaged or cut short"),
    }
    for name, (content, said) in hostile.items():
        (tmp_path / name).write_bytes(content)
        try:
            frames = open_clip(Clip(tmp_path / name)).frames
            assert name == "inside.mp4" and len(frames) == 8
        except BadPicture as error:
            assert said in str(error) and "\n" not in str(error) and name in str(error), (name, error)


def test_a_process_that_dies_is_one_sentence_too(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "PROGRAM", ("-c", "import os; os.abort()"))
    with pytest.raises(BadPicture, match="damaged or cut short"):
        open_clip(Clip(film))
    monkeypatch.setattr(video, "PROGRAM", ("-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(video, "SECONDS", 0.2)
    with pytest.raises(BadPicture, match="was not decoded within"):
        open_clip(Clip(film))


def test_without_the_extra_the_way_out_is_named(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r"chiasm\[video\].*ffmpeg -i"):
        open_clip(Clip(film))


def test_videos_on_the_command_line(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("plan", "--clip", str(film), "--model", "qwen2-vl")) == 0
    assert "4 of 25 frames, 2.5 s" in capsys.readouterr().out
    cut = film.with_name("cut.mp4")
    cut.write_bytes(film.read_bytes()[:1500])
    assert main(("ask", str(cut), "What happens?")) == 2
    assert capsys.readouterr().err.count("\n") == 1
