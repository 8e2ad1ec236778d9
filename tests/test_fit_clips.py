"""The most of a clip that a budget has room for: frames, their size, clips like it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from machines import model
from test_films import folder_of, frames, video_folder

from chiasm.budget import Memory, Tokens, budget, fit_clip
from chiasm.cli import main
from chiasm.errors import BadPicture, BadPrompt
from chiasm.geometry import Size
from chiasm.pixels.reel import ClipLimits, Reel
from chiasm.prompt.items import filmed
from chiasm.registry import families
from chiasm.spec import Even, Native, Sight, Take, Writer

REEL = Reel.steady("reel", (320, 180), 12, Fraction(4))


def seeing(name: str) -> Writer:
    family = families()[name]
    spec = family.at(next(iter(family.sizes)))
    assert isinstance(spec, Writer)
    return spec


CLIPS = [
    name
    for name, family in families().items()
    if isinstance(family.model, Writer) and isinstance(family.model.sight, Sight) and family.model.sight.clips is not None
]


def positions(spec: Writer, reel: Reel, take: Take | None, count: int = 1, text: int = 0) -> int:
    """What the plan of a question about so many such clips counts."""
    assert spec.sight is not None and spec.sight.clips is not None
    times = reel.taken(take or spec.sight.clips.take, ClipLimits()).times
    item = filmed(spec.sight, spec.sight.clips, Size(reel.width, reel.height), times, reel.name)
    return budget(spec, [item] * count, text).prefill


def brute(spec: Writer, reel: Reel, limit: int, count: int = 1, text: int = 0) -> int:
    found = 0
    for number in range(1, len(reel.begins) + 1):
        try:
            found = number if positions(spec, reel, Even(number), count, text) <= limit else found
        except (BadPicture, BadPrompt):
            break
    return found


def test_the_registry_has_families_that_read_clips() -> None:
    assert {"qwen2.5-vl", "llava-onevision", "videochat2", "pllava", "video-chatgpt", "video-llava"} <= {*CLIPS}


@pytest.mark.parametrize("name", CLIPS)
def test_the_most_frames_are_those_found_by_trying_all(name: str) -> None:
    spec = seeing(name)
    whole = positions(spec, REEL, Even(12))
    for limit, count, text in ((whole, 1, 0), (whole - 1, 1, 0), (whole // 2, 1, 9), (whole, 2, 5), (10, 1, 0)):
        found = fit_clip(spec, REEL, None, Tokens(limit), count=count, text=text)
        assert found.frames == brute(spec, REEL, limit, count, text)
        if found.frames:
            assert count * found.tokens + text == positions(spec, REEL, Even(found.frames), count, text) <= limit


@pytest.mark.parametrize("name", CLIPS)
def test_the_largest_size_and_the_most_clips_are_on_the_edge(name: str) -> None:
    """With the frames that the model is shown where nobody says otherwise."""
    spec = seeing(name)
    limit = 3 * positions(spec, REEL, None) + 7
    found = fit_clip(spec, REEL, None, Tokens(limit), text=7)
    assert found.clips == 3 and found.largest is not None
    larger = replace(REEL, width=found.largest.size.width, height=found.largest.size.height)
    assert positions(spec, larger, None, text=7) <= limit
    if found.bounded:
        beyond = replace(larger, width=larger.width + 112, height=larger.height + 63)
        assert positions(spec, beyond, None, text=7) > limit
    assert not fit_clip(spec, REEL, None, Tokens(3)).clips


def test_frames_that_share_pixels_may_take_fewer_tokens_when_there_are_more() -> None:
    """No number of frames is then too many because a smaller one is."""
    spec = seeing("qwen2-vl")
    assert spec.sight is not None and spec.sight.clips is not None
    views = Native(28, 28 * 28, 28 * 28 * 64)
    shared = replace(spec.sight.clips, views=views, shared=28 * 28 * 130)
    spec = replace(spec, sight=replace(spec.sight, clips=shared))
    reel = replace(REEL, width=448, height=448)
    counted = [positions(spec, reel, Even(number)) for number in range(1, 13)]
    assert any(later < earlier for earlier, later in pairwise(counted))
    for limit in sorted({*counted, *(number - 1 for number in counted)})[:8]:
        assert fit_clip(spec, reel, None, Tokens(limit)).frames == brute(spec, reel, limit)


def test_memory_holds_at_the_frames_and_not_at_one_more() -> None:
    spec, limit = seeing("qwen2-vl"), 5_600_000_000
    reel = Reel.steady("reel", (1280, 720), 300, Fraction(24))
    found = fit_clip(spec, reel, None, Memory(limit), text=50, generate=100)
    assert 1 < found.frames < 300

    def needed(number: int) -> int:
        assert spec.sight is not None and spec.sight.clips is not None
        times = reel.taken(Even(number), ClipLimits()).times
        item = filmed(spec.sight, spec.sight.clips, Size(reel.width, reel.height), times, reel.name)
        return budget(spec, [item], 50, 100).memory_bytes("bfloat16")

    assert needed(found.frames) <= limit < needed(found.frames + 1)


def test_a_model_of_pictures_fits_no_clip() -> None:
    with pytest.raises(BadPrompt, match="reads no clips"):
        fit_clip(model("llava-1.5", "7b"), REEL, None, Tokens(1000))


def test_what_plan_says_is_what_ask_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The frames that fit are within the limit when they are asked about, and one more is beyond it."""
    folder, clip = str(video_folder(tmp_path / "video")), str(folder_of(tmp_path / "clip", frames()))
    question = "What happens here ?"

    def asked(number: int) -> int:
        words = ["ask", clip, question, "--model", folder, "--frames", str(number), "--max-tokens", "1", "--json"]
        assert main(words) == 0
        used = json.loads(capsys.readouterr().out)["usage"]
        return int(used["image_tokens"] + used["text_tokens"])

    plan = ["plan", "--clip", clip, "--model", folder, "--text", question, "--fit", "tokens=60"]
    assert main([*plan, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["fit"]
    assert asked(found["frames"]) <= 60 < asked(found["frames"] + 1) and found["of_frames"] == 10
    assert main(plan) == 0
    said = capsys.readouterr().out
    assert f"{found['frames']} of 10 frames" in said and f"(--frames {found['frames']})" in said


def test_clips_and_pictures_are_not_fitted_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "--clip", "30sx640x360@24fps", "--fit", "tokens=100"]
    assert main([*words, "--size", "30x30", "--model", "qwen2-vl"]) == 2
    assert "one kind" in capsys.readouterr().err
    assert main([*words, "--model", "llava-1.5"]) == 2
    assert "cannot read clips" in capsys.readouterr().err
    assert main(["plan", "--clip", str(tmp_path / "none"), "--fit", "tokens=100", "--model", "qwen2-vl"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
