"""Clips through every family that reads them: frames, patches, ids, times and answers equal those of the reference's own
processors of videos."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from counted import spec
from invariants.asking import said
from PIL import Image
from reference_videos import Order, film
from tiny_words import words_only

from chiasm import Clip, load
from chiasm.assistant import Request
from chiasm.cli import main
from chiasm.errors import BadPrompt, Overflow
from chiasm.geometry import Size, clip_view, moments
from chiasm.local import LocalAssistant
from chiasm.model import Causal as Written
from chiasm.pixels.views import look_clip
from chiasm.prompt.items import count, filmed
from chiasm.prompt.messages import question
from chiasm.reference.case import AFTER, BEFORE, BOS, IMAGE, VIDEO
from chiasm.reference.parts import library
from chiasm.reference.patches import cut, rastered
from chiasm.registry import families
from chiasm.spec import Causal, Even, Merge, Native, PerSecond, Sight, Take, ViT
from chiasm.weights.read import describe
from chiasm.weights.write import write_json, write_text


@dataclass(frozen=True)
class Tiny:
    """A reference case's video half: its processor of videos with fields for tiny frames, and what a clip's text holds."""

    processor: str
    fields: dict[str, Any]
    take: Take


CROPPED = {"size": {"shortest_edge": 36}, "crop_size": {"height": 36, "width": 36}}
NATIVE = {
    "size": {"shortest_edge": 14 * 14 * 4, "longest_edge": 14 * 14 * 14},
    "patch_size": 7,
    "min_frames": 4,
    "max_frames": 8,
}
TINY = {
    "llava_next_video": Tiny("LlavaNextVideoVideoProcessor", CROPPED, Even(4)),
    "llava_onevision": Tiny("LlavaOnevisionVideoProcessor", {"size": {"height": 28, "width": 28}}, Even(5)),
    "qwen2_vl": Tiny("Qwen2VLVideoProcessor", NATIVE, PerSecond(2.0)),
    "qwen2_5_vl": Tiny("Qwen2VLVideoProcessor", NATIVE, PerSecond(3.0)),
}
SHAPES = ((9, 40, 66, 4.0), (16, 50, 37, 5.0))
"""Frames, their height and width, and how many a second."""


def order(one: Tiny, shape: tuple[int, int, int], rate: float) -> Order:
    count, fps = (one.take.frames, None) if isinstance(one.take, Even) else (None, one.take.frames)
    return one.processor, one.fields, shape, rate, count, fps


TAKEN = [
    (frames, rate, take)
    for frames, rate in ((1, 1.0), (7, 10.0), (24, 24.0), (90, 30.0), (100, 29.97), (301, 25.0), (2000, 23.976))
    for take in (Even(1), Even(4), Even(6), Even(32), PerSecond(0.5), PerSecond(2.0), PerSecond(7.3))
]
"""What the base of all processors takes of clips, in frames and frames a second."""
GROUPED = [(frames, rate, PerSecond(fps, 4, 768, 2)) for frames, rate, take in TAKEN if frames > 3 for fps in (0.5, 2.0, 7.3)][
    ::7
]


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What the reference makes of every order, by name."""
    orders: dict[str, Order] = {}
    for name, one in TINY.items():
        for number, (*shape, rate) in enumerate(SHAPES):
            orders[f"{name}.{number}"] = order(one, (shape[0], shape[1], shape[2]), rate)
    for number, (frames, rate, take) in enumerate(TAKEN):
        if not isinstance(take, Even) or take.frames <= frames:
            one = Tiny("LlavaNextVideoVideoProcessor", {"size": {"shortest_edge": 2}, "do_center_crop": False}, take)
            if not isinstance(take, PerSecond) or take.frames <= rate:
                orders[f"taken.{number}"] = order(one, (frames, 2, 2), rate)
    for number, (frames, rate, take) in enumerate(GROUPED):
        one = Tiny("Qwen2VLVideoProcessor", {"size": {"shortest_edge": 64, "longest_edge": 64}, "patch_size": 2}, take)
        orders[f"grouped.{number}"] = order(one, (frames, 4, 4), rate)
    shared = {"size": {"shortest_edge": 256, "longest_edge": 8192}, "patch_size": 2, "cap_pixels_per_frame": True}
    orders["shared"] = ("Qwen2VLVideoProcessor", {**shared, "max_video_tokens": 1000}, (8, 90, 60), 1.0, None, None)
    folder = tmp_path_factory.mktemp("videos")
    write_text(folder / "orders.json", json.dumps([*orders.values()]))
    script = Path(__file__).parent / "reference_videos.py"
    done = subprocess.run(
        [sys.executable, script, folder / "orders.json", folder / "out.npz"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz") as found:
        names = list(orders)
        return {f"{names[int(key.split('.')[0])]}.{key.split('.')[1]}": found[key] for key in found.files}


def test_the_frames_taken_are_those_of_the_reference(theirs: dict[str, np.ndarray]) -> None:
    compared = 0
    for kind, cases in (("taken", TAKEN), ("grouped", GROUPED)):
        for number, (frames, rate, take) in enumerate(cases):
            indices = theirs.get(f"{kind}.{number}.indices")
            if indices is None:
                continue
            seconds = frames / Fraction(rate)
            times = moments(take, frames, seconds)
            assert [int(time * Fraction(rate)) for time in times] == indices.tolist(), (frames, rate, take)
            assert float(times[1] if len(times) > 1 else seconds) == pytest.approx(1 / theirs[f"{kind}.{number}.rate"])
            compared += 1
    assert compared > 40


def folder_of(name: str, reference: Reference, to: Path) -> Path:
    """A reference's model with settings for clips, words for a tokenizer and its family's template."""
    folder = to / name
    shutil.copytree(reference(name, 1), folder)
    write_json(folder / "video_preprocessor_config.json", TINY[name].fields | (
        {"num_frames": TINY[name].take.frames} if isinstance(TINY[name].take, Even) else {"fps": TINY[name].take.frames}
    ))  # fmt: skip
    marks = {"<|image_pad|>": IMAGE, "<|video_pad|>": VIDEO, "<|vision_start|>": BEFORE, "<|vision_end|>": AFTER}
    taken = {"<s>": BOS, **(marks if name.startswith("qwen") else {"<image>": IMAGE, "<video>": VIDEO})}
    words_only(folder, taken, () if name == "llava_next_video" else ("<|im_start|>", "<|im_end|>"))
    if name == "llava_next_video":
        # No published language model is this small, so that its own says nothing of a template.
        (folder / "chat_template.jinja").write_text(families()["llava-next-video"].chat or "")
    return folder


def frames_in(folder: Path, shape: tuple[int, int, int]) -> Path:
    folder.mkdir()
    for number, frame in enumerate(film(*shape)):
        Image.fromarray(frame).save(folder / f"{number}.png")
    return folder


def sight_of(folder: Path) -> Sight:
    model = describe(folder).model
    assert isinstance(model, Causal) and model.sight is not None and model.sight.clips is not None
    return model.sight


@pytest.mark.parametrize("name", TINY)
def test_patches_are_those_of_the_reference(
    name: str, reference: Reference, theirs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    sight = sight_of(folder_of(name, reference, tmp_path))
    assert sight.clips is not None
    for number, (frames, height, width, rate) in enumerate(SHAPES):
        drawn, seconds = film(frames, height, width), frames / Fraction(rate)
        times = moments(sight.clips.take, frames, seconds)
        chosen = [drawn[int(time * Fraction(rate))] for time in times]
        view, patches = look_clip(sight.clips, sight.encoder, chosen, [float(time) for time in times], 0)
        wanted = torch.from_numpy(theirs[f"{name}.{number}.pixel_values_videos"])
        if any(isinstance(step, Merge) for step in sight.connector):
            grid = theirs[f"{name}.{number}.video_grid_thw"].tolist()
            assert [[view.grid.t, view.grid.h, view.grid.w]] == grid
            wanted = rastered(sight.connector, wanted, grid)
        else:
            wanted = cut(sight, wanted[0])
        np.testing.assert_allclose(patches, wanted.numpy(), atol=2e-6, rtol=0)


@pytest.mark.parametrize("name", TINY)
def test_a_clip_is_answered_as_the_reference_answers(
    name: str, reference: Reference, theirs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder = folder_of(name, reference, tmp_path)
    assistant = load(str(folder), dtype="float32", device="cpu")
    assert isinstance(assistant, LocalAssistant) and assistant.tokenizer is not None
    family = json.loads((folder / "meta.json").read_text())["class"]
    model = getattr(library(), family).from_pretrained(folder, attn_implementation="eager").eval()
    for number, (frames, height, width, rate) in enumerate(SHAPES):
        clip = Clip(frames_in(tmp_path / f"clip{number}", (frames, height, width)), rate=rate)
        plan = assistant.plan([Request((question("What happens here ?", [clip]),), max_tokens=6)])
        ids, seen = plan.rows[0].ids_T, torch.from_numpy(theirs[f"{name}.{number}.pixel_values_videos"])
        given: dict[str, Any] = {"pixel_values_videos": seen}
        if name.startswith("qwen"):
            grid = theirs[f"{name}.{number}.video_grid_thw"]
            given["video_grid_thw"] = torch.from_numpy(grid)
            given["mm_token_type_ids"] = torch.from_numpy(2 * (ids == VIDEO).astype(np.int64))[None]
            if name == "qwen2_5_vl":
                given["second_per_grid_ts"] = torch.tensor([2 / theirs[f"{name}.{number}.rate"]])
            expected = int(grid.prod()) // 4
        elif name == "llava_next_video":
            expected = seen.shape[1] * 9
        else:
            expected = seen.shape[1] * 4 + 1
        assert (ids == VIDEO).sum() == expected
        rows = torch.from_numpy(ids)[None]
        with torch.inference_mode():
            wanted = model(input_ids=rows, **given).logits
            batch = plan.batch(assistant.door.patches([assistant.door.opened(clip)], plan.items))
            assert isinstance(assistant.model, Written)
            got = said(assistant.model, batch)
        assert ((got - wanted).abs() / (1 + wanted.abs())).max() < 2e-5
        greedy = {"max_new_tokens": 6, "do_sample": False, "suppress_tokens": [IMAGE, VIDEO], "attention_mask": rows**0}
        new = model.generate(input_ids=rows, **given, **greedy)[0, len(ids) :].tolist()
        answer = assistant.ask("What happens here ?", clip, max_tokens=6)
        assert answer.usage.image_tokens == expected
        assert answer.text.strip() == assistant.tokenizer.decode(new).strip()
        where = plan.places(0)[ids == VIDEO]
        assert where[:, 1].max() + 1 == len(plan.grids[0].times) and plan.grids[0].times[0] == 0


def test_frames_share_what_there_is(theirs: dict[str, np.ndarray]) -> None:
    """Qwen2-VL's cap for all frames together."""
    sight = spec("qwen2-vl").sight
    assert sight is not None and sight.clips is not None
    seen = Native(4, 256, 8192)
    frames = replace(sight.clips, views=seen, shared=int(1000 * 4 * 4 * 0.9))
    assert isinstance(sight.encoder, ViT)
    eye = replace(sight.encoder, patch=2)
    view = clip_view(frames, eye, Size(60, 90), range(8), 0)
    assert [[view.grid.t, view.grid.h, view.grid.w]] == theirs["shared.video_grid_thw"].tolist()
    assert view.grid.h < clip_view(replace(frames, shared=None), eye, Size(60, 90), range(8), 0).grid.h


def test_a_family_s_own_limit_is_said_before_anything_is_read() -> None:
    for name, more in (("qwen2-vl", 769),):
        sight = spec(name).sight
        assert sight is not None and sight.clips is not None
        times = [float(number) for number in range(more)]
        with pytest.raises(BadPrompt, match=f"a.mp4: {more} frames are taken, and this model looks at {more - 1} at most"):
            filmed(sight, sight.clips, Size(64, 48), times, "a.mp4")
        assert filmed(sight, sight.clips, Size(64, 48), times[:-1], "a.mp4").grid.t == (more - 1) // sight.encoder.frames


def test_a_clip_beyond_the_context_is_refused_by_the_plan(reference: Reference, tmp_path: Path) -> None:
    folder = folder_of("llava_onevision", reference, tmp_path)
    assistant = load(str(folder), dtype="float32", device="cpu")
    clip = Clip(frames_in(tmp_path / "clip", (150, 8, 8)), Even(150))
    with pytest.raises(Overflow, match="601 visual"):
        assistant.ask("What happens here ?", clip, max_tokens=6)


def test_clips_on_the_command_line(
    reference: Reference, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = folder_of("llava_onevision", reference, tmp_path)
    drawn = [Image.fromarray(frame) for frame in film(6, 20, 30)]
    drawn[0].save("clip.gif", save_all=True, append_images=drawn[1:], duration=500)
    drawn[0].save("still.gif")
    frames_in(tmp_path / "frames", (6, 20, 30))

    def said(*words: str, code: int = 0) -> str:
        assert main(words) == code
        got = capsys.readouterr()
        return got.err if code else got.out

    model = describe(folder).model
    assert isinstance(model, Causal)
    still = count(model, Size(30, 20)).visual
    for clip, tokens in (("clip.gif", 5 * 4 + 1), ("frames", 5 * 4 + 1), ("still.gif", still)):
        answer = json.loads(said("ask", clip, "What ?", "--model", str(folder), "--max-tokens", "2", "--json"))
        assert answer["usage"]["image_tokens"] == tokens
    asked = ("ask", "clip.gif", "What ?", "--model", str(folder), "--max-tokens", "2", "--json")
    assert json.loads(said(*asked, "--fps", "1"))["usage"]["image_tokens"] == 3 * 4 + 1
    found = json.loads(said("plan", "--clip", "30sx640x360@24fps", "--model", "llava-next-video", "--frames", "6", "--json"))
    (picture,) = found["pictures"]
    assert (picture["frames"], picture["of_frames"], picture["tokens_per_frame"]) == (6, 720, 144)
    assert picture["visual_tokens"] == found["tokens"]["visual"] == 864 and len(picture["views"]) == 6
    planned = said("plan", "--clip", "clip.gif", "--text", "What ?", "--model", str(folder))
    assert "5 of 6 frames, 3 s; 4.2 visual tokens a frame" in planned
    assert "shows nothing" in said("plan", "--clip", "0x640x360@24", "--model", "qwen2-vl", code=2)
    assert "768 at most" in said("plan", "--clip", "900x64x64@1", "--model", "qwen2-vl", "--frames", "800", code=2)
    assert "keep one" in said("ask", "clip.gif", "What ?", "--frames", "8", "--fps", "2", code=2)
    assert "cannot read clips" in said("plan", "--clip", "clip.gif", "--model", "llava-1.5", code=2)
