"""Clips averaged in time and space: their counts, where each token stands, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from safetensors.torch import load_file, save_file
from tiny_words import words_only
from torch.nn import functional as F

from chiasm.check import check
from chiasm.connect.gathered import BlendStep, MeansStep
from chiasm.errors import BadCheckpoint, BadPicture
from chiasm.geometry import Size
from chiasm.loading import planner_of
from chiasm.model import Causal as Written
from chiasm.place import WHOLE, Box, Grid, Laid, raster, route
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.items import Clip, lay
from chiasm.prompt.messages import Image, Message, Text
from chiasm.reference.case import BOS, IMAGE
from chiasm.reference.cases import RECORDED
from chiasm.registry import families
from chiasm.spec import Causal, PoolTime, TwoMeans
from chiasm.vision.precomputed import Features
from chiasm.weights.read import describe, load_model


def spec(name: str) -> Causal:
    model = families()[name].model
    assert isinstance(model, Causal)
    return model


def clip(frames: int, cells: int) -> Clip:
    return Clip(Grid(0, frames, cells, cells, Box(0, 0, 1, 1), tuple(float(second) for second in range(frames))))


def test_counts_are_the_published_ones() -> None:
    """16 steps of 12 x 12; 100 frames and 16 x 16 cells."""
    assert lay(spec("pllava"), [Size(640, 480), clip(16, 24), clip(5, 24)])[2] == [2304] * 3
    assert lay(spec("video-chatgpt"), [Size(640, 480), clip(100, 16), clip(7, 16), clip(120, 16)])[2] == [356, 356, 356, 376]


@pytest.mark.parametrize("shape", [(4, 6, 6, 4, 3, 3), (8, 5, 7, 3, 2, 3), (4, 3, 3, 4, 5, 2)])
def test_bins_are_torchs(shape: tuple[int, ...]) -> None:
    frames, rows, columns, *_ = shape
    to = shape[3], shape[4], shape[5]
    grids = [Grid(number, frames, rows, columns, Box(0, 0, columns, rows)) for number in range(2)]
    path = route(PoolTime(frames, *to), raster(grids), ())
    x_VD = torch.randn(len(raster(grids)), 5, generator=torch.Generator().manual_seed(0))
    assert path.weight_VM is not None
    got = BlendStep()(x_VD, torch.from_numpy(path.index_VM), torch.from_numpy(path.weight_VM))
    wanted = F.adaptive_avg_pool3d(x_VD.unflatten(0, (2, frames, rows, columns)).permute(0, 4, 1, 2, 3), to)
    torch.testing.assert_close(got, wanted.flatten(2).transpose(1, 2).flatten(0, 1))


def test_a_short_clip_shows_each_frame_more_than_once() -> None:
    grid = Grid(0, 3, 1, 1, Box(0, 0, 1, 1), (0.0, 1.0, 2.0))
    path = route(PoolTime(8, 8, 1, 1), raster([grid]), ())
    assert path.index_VM[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert path.laid.grids[0].times == (0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0)
    with pytest.raises(BadPicture, match="9 frames, and this model reads 8"):
        route(PoolTime(8, 8, 1, 1), raster([Grid(0, 9, 1, 1, grid.box)]), ())


def test_two_means_stand_for_frames_and_for_cells() -> None:
    laid: Laid = route(TwoMeans(5), raster([Grid(0, 3, 2, 2, Box(0, 0, 2, 2), (0.0, 1.0, 2.0))]), ()).laid
    frames = [[0, t, WHOLE, WHOLE] for t in range(3)]
    cells = [[0, WHOLE, y, x] for y in range(2) for x in range(2)]
    assert laid.place_V4.tolist() == [*frames, *[[0, WHOLE, WHOLE, WHOLE]] * 2, *cells]


def test_both_kinds_fill_the_same_placeholder() -> None:
    from chiasm.prompt.plan import Plan

    model = spec("pllava")
    row = [5, *[32000] * 2304, 6]
    plan = Plan.from_ids(model, [row, row], [clip(16, 24), Size(30, 20)])
    assert [int((one.slots_T >= 0).sum()) for one in plan.rows] == [2304, 2304]
    assert np.array_equal(plan.rows[1].slots_T[1:-1], np.arange(2304, 4608))


def test_a_folder_without_its_encoder_says_so() -> None:
    model = load_model(describe(RECORDED / "video_chatgpt-0"), torch.float32)
    assert isinstance(model, Written) and isinstance(model.vision, Features)
    with pytest.raises(BadCheckpoint, match=r"no encoder.*24 numbers"):
        model.vision(torch.zeros(4, 588), [Grid(0, 1, 2, 2, Box(0, 0, 1, 1))])


@pytest.mark.parametrize(("said", "counts"), [({}, 4 / 2), ({"lora": {"rank": 2, "alpha": 6}}, 6 / 2)])
@pytest.mark.parametrize("base", [".base_layer", ""])
def test_adapters_around_the_language_model_are_merged(
    said: dict[str, object], counts: float, base: str, reference: Reference, tmp_path: Path
) -> None:
    """Published files wrap it, and their config does not name them: the original's scripts all say that they count 4 / rank.
    Older adapters are beside the layers, newer ones around them."""
    folder = tmp_path / "llava"
    shutil.copytree(reference("llava", 0), folder)
    tensors = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config |= {"pooling_shape": [2, 5, 5], "num_frames": 2, "frame_shape": [5, 5], **said}
    (folder / "config.json").write_text(json.dumps(config))
    plain: Any = load_model(describe(folder), torch.float32)
    name = "language_model.model.layers.0.self_attn.q_proj"
    rank = {f"{name}.lora_A.default.weight": torch.randn(2, 32), f"{name}.lora_B.default.weight": torch.randn(32, 2)}
    tensors[f"{name}{base}.weight"] = tensors.pop(f"{name}.weight")
    wrapped = {n.replace("language_model.", "language_model.base_model.model."): x for n, x in {**tensors, **rank}.items()}
    save_file(wrapped, folder / "model.safetensors")
    a, b = rank.values()
    got: Any = load_model(describe(folder), torch.float32)
    got = got.language.blocks[0].attention.q.weight
    torch.testing.assert_close(got, plain.language.blocks[0].attention.q.weight + counts * b @ a)


def test_adapters_of_another_rank_than_config_says_are_refused(reference: Reference, tmp_path: Path) -> None:
    folder = tmp_path / "llava"
    shutil.copytree(reference("llava", 0), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"pooling_shape": [2, 5, 5], "num_frames": 2, "frame_shape": [5, 5], "lora": {"rank": 3, "alpha": 4}}
    (folder / "config.json").write_text(json.dumps(config))
    name = "language_model.model.layers.0.self_attn.q_proj"
    adapter = {f"{name}.lora_A.default.weight": torch.randn(2, 32), f"{name}.lora_B.default.weight": torch.randn(32, 2)}
    save_file(load_file(folder / "model.safetensors") | adapter, folder / "model.safetensors")
    with pytest.raises(BadCheckpoint, match=r"has the rank 2, and config\.json says 3"):
        load_model(describe(folder), torch.float32)


TALK = (
    Message("user", (Image(0), Text("Who?"))),
    Message("assistant", (Text("A cat."),)),
    Message("user", (Text("Where?"),)),
)
WATCHES = (
    "You are Video-ChatGPT, a large vision-language assistant. You are able to understand the video content that the user "
    "provides, and assist the user with a variety of tasks using natural language.Follow the instructions carefully and "
    "explain your answers in detail based on the provided video."
)
DEMO = (
    "You are Pllava, a large vision-language assistant. \nYou are able to understand the video content that the user provides, "
    "and assist the user with a variety of tasks using natural language.\nFollow the instructions carefully and explain your "
    "answers in detail based on the provided video.\n"
)


@pytest.mark.parametrize(
    ("name", "added", "first", "talk"),
    [
        ("pllava", (), f"{DEMO} ", "USER:<image>  USER:Who? ASSISTANT:A cat.</s>USER:Where? ASSISTANT:"),
        (
            "pllava", ("<|im_end|>",), f"{WATCHES}<|im_end|>\n",
            "<|im_start|>user\n<image>\n<|im_end|>\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nA cat.<|im_end|>\n"
            "<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n",
        ),
        ("video-chatgpt", (), f"{WATCHES} ", "USER: Who?\n<vid_patch> ASSISTANT: A cat.</s>USER: Where? ASSISTANT:"),
    ],
)  # fmt: skip
def test_conversations_are_the_authors(name: str, added: tuple[str, ...], first: str, talk: str) -> None:
    """Their own words go first where no system message does; PLLaVA's clip is a turn of its own."""
    template = ChatTemplate(families()[name].chat, name, added=added)
    assert template.render(TALK, True).text == first + talk
    system = Message("system", (Text("Be brief."),))
    ends = first.removeprefix(WATCHES).removeprefix(DEMO)
    assert template.render((system, *TALK), True).text == f"Be brief.{ends}{talk}"


def test_pllava_without_a_systems_words_begins_with_the_user() -> None:
    unsaid = Message("system", (Text(""),))
    assert (
        ChatTemplate(families()["pllava"].chat, "").render((unsaid, TALK[0]), True).text == "USER:<image>  USER:Who? ASSISTANT:"
    )


@pytest.mark.parametrize(("taught", "begins"), [((), "ASSISTANT:"), (("<|im_end|>",), "<|im_start|>assistant\n")])
def test_the_tokenizer_tells_pllavas_conversation(
    taught: tuple[str, ...], begins: str, reference: Reference, tmp_path: Path
) -> None:
    """A folder's own template, which knows no clips, is not asked."""
    folder = tmp_path / "llava"
    shutil.copytree(reference("llava", 0), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"pooling_shape": [2, 5, 5], "num_frames": 2, "frame_shape": [5, 5]}
    (folder / "config.json").write_text(json.dumps(config))
    words_only(folder, {"<s>": BOS, "<image>": IMAGE}, taught)
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    template = planner_of(describe(folder)).template
    assert template.render(TALK[:1], True).text.endswith(f"Who?{' ' if not taught else '<|im_end|>' + chr(10)}{begins}")


def test_recorded_folders_are_proved_from_features() -> None:
    assert {"video", "image", "short_video"} <= check(RECORDED / "pllava_pool-0").worst.keys()


@pytest.mark.parametrize("frames", [3, 5, 7])
def test_two_means_are_the_plain_ones_in_half_precision(frames: int) -> None:
    features_TPE = torch.randn(frames, 4, 6, generator=torch.Generator().manual_seed(0))
    path = route(TwoMeans(5), raster([Grid(0, frames, 2, 2, Box(0, 0, 2, 2))]), ())
    got = MeansStep()(features_TPE.flatten(0, 1), torch.from_numpy(path.index_VM), None)
    empty = features_TPE.new_zeros(max(5 - frames, 0), 6)
    wanted = torch.cat([features_TPE.mean(1), empty, features_TPE.mean(0)]).half().float()
    torch.testing.assert_close(got, wanted, atol=1e-3, rtol=1e-3)
    assert torch.equal(got, got.half().float())
