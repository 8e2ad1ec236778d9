"""Time in compositions: vectors of frames, queries that read a whole clip, and what one frame has in common with a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from tiny_folder import tiny_spec
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import chiasm
from chiasm import Clip
from chiasm.budget.work import work
from chiasm.cli import main
from chiasm.compose import compose
from chiasm.errors import BadPicture, UserError
from chiasm.geometry import Size
from chiasm.model import Causal, Sight
from chiasm.pixels.views import look, packed
from chiasm.place import Grid
from chiasm.prompt.items import count
from chiasm.spec import Divided, Mlp, Placed, QFormer, Resize
from chiasm.vision.vit import VisionTransformer
from chiasm.weights.read import describe, load_model

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 30, 30, 3), np.uint8)
SHORT = (Placed(steps=4), QFormer(replace(tiny_spec().decoder.block, mlp="plain", norms="after"), 2, 4), Mlp(16, 16, 1))
"""A temporal Q-Former of a few numbers."""


def shown(model: Causal, frames: np.ndarray) -> tuple[Sight, Grid]:
    """Frames as one clip, and its grid."""
    sight = model.spec.sight
    assert sight is not None
    views = [view for frame in frames for view in look(sight, frame, 0)]
    grid = replace(views[0][0].grid, t=len(frames), times=tuple(map(float, range(len(frames)))))
    return Sight(torch.from_numpy(packed(views)), (grid,), ((grid.w, grid.h),)), grid


def clip(model: Causal, frames: np.ndarray) -> Tensor:
    """The visual tokens of frames as one clip, [V, D]."""
    with torch.inference_mode():
        return model.see(shown(model, frames)[0]).tokens_VD


def picture(model: Causal, pixels: np.ndarray) -> Tensor:
    """Those of one picture."""
    assert model.spec.sight is not None
    with torch.inference_mode():
        return model.see(Sight.of(model.spec.sight, [pixels])).tokens_VD


def taught(model: Causal) -> Causal:
    """With vectors of time as if they had been learned."""
    for module in model.modules():
        if isinstance(module, torch.nn.ParameterDict) and "steps" in module:
            torch.nn.init.normal_(module["steps"])
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clip as a folder of frames."""
    from PIL import Image

    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(FRAMES):
        Image.fromarray(frame).save(tmp_path / "clip" / f"{number}.png")
    return tmp_path / "clip"


def test_tokens_of_a_frame_differ_by_its_vector_alone(parts: tuple[str, str]) -> None:
    model = compose(parts[0], "mlp2+frame-index:4", parts[1]).build()
    before = clip(model, FRAMES)
    steps = _steps(taught(model), 1)
    told = (clip(model, FRAMES) - before).unflatten(0, (3, -1))
    assert steps.shape == (4, 16) and before.shape[0] == told.shape[0] * told.shape[1]
    torch.testing.assert_close(told, steps[:3, None].expand_as(told), rtol=1e-4, atol=1e-5)


def test_vectors_of_time_are_saved_and_more_frames_than_there_are_refused(parts: tuple[str, str], tmp_path: Path) -> None:
    made = compose(parts[0], "mlp2+frame-index:3", parts[1])
    plain = compose(parts[0], "mlp2", parts[1])
    model = taught(made.build())
    again = load_model(describe(made.save(tmp_path / "made", model)), torch.float32)
    assert isinstance(again, Causal) and again.spec == made.spec
    assert torch.equal(clip(again, FRAMES), clip(model, FRAMES))
    assert count(made.spec, Size(30, 40)) == count(plain.spec, Size(30, 40)) and made.tokens == plain.tokens
    with pytest.raises(BadPicture, match="a view of 6 steps, and this model knows places of 3: take fewer frames"):
        clip(model, np.concatenate([FRAMES, FRAMES]))


@pytest.mark.parametrize("connector", ["mlp2+frame-index:4", SHORT], ids=["frame-index", "temporal-qformer"])
def test_a_clip_of_one_frame_is_a_picture_whatever_was_learned_of_time(connector: object, parts: tuple[str, str]) -> None:
    model = compose(parts[0], connector, parts[1]).build()  # type: ignore[arg-type]
    untaught = picture(model, FRAMES[0])
    assert torch.equal(clip(taught(model), FRAMES[:1]), untaught) and torch.equal(picture(model, FRAMES[0]), untaught)
    assert not torch.equal(clip(model, FRAMES[:2])[: len(untaught)], untaught)


def test_queries_that_read_a_clip_are_told_the_order_of_its_frames_by_their_vectors(parts: tuple[str, str]) -> None:
    model = compose(parts[0], SHORT, parts[1]).build()
    torch.testing.assert_close(clip(model, FRAMES), clip(model, FRAMES[::-1]))
    taught(model)
    assert not torch.allclose(clip(model, FRAMES), clip(model, FRAMES[::-1]), atol=1e-3)


def test_queries_that_read_a_clip_are_the_q_former_over_all_of_its_tokens(parts: tuple[str, str]) -> None:
    """The reduction: the plain Q-Former's weights over tokens to which the vectors were added by hand."""
    model = taught(compose(parts[0], SHORT, parts[1]).build())
    sight, grid = shown(model, FRAMES)
    with torch.inference_mode():
        features_PE = model.vision(sight.patches_PK, sight.grids)
        told = torch.cat([features_PE[n * grid.h * grid.w :][: grid.h * grid.w] + v for n, v in enumerate(_steps(model)[:3])])
        asks: Any = model.connect.steps[1]
        asked = asks.ask(told[None], torch.ones(1, len(told), dtype=torch.bool), None)[0]
        wanted = model.connect.steps[2](asked)
    torch.testing.assert_close(clip(model, FRAMES), wanted)


def _steps(model: Causal, number: int = 0) -> Tensor:
    step: Any = model.connect.steps[number]
    found: Tensor = step.tables["steps"]
    return found


def sees(model: Causal) -> VisionTransformer:
    assert isinstance(model.vision, VisionTransformer)
    return model.vision


def time_of(model: Causal) -> Any:
    return sees(model).time


def test_new_queries_differ(parts: tuple[str, str]) -> None:
    """Equal ones would be taught alike for ever."""
    for connector in ("temporal-qformer:4", "resampler:4"):
        found = picture(compose(parts[0], connector, parts[1]).build(), FRAMES[0])
        assert len(found) == 4 and (found[0] - found[1]).abs().max() > 1e-4


def test_a_composition_that_knows_frames_is_asked_about_a_clip(parts: tuple[str, str], folder: Path, tmp_path: Path) -> None:
    made = compose(parts[0], "pool:2+mlp2+frame-index:4", parts[1], views=Resize(24, 24))
    assistant = chiasm.load(str(made.save(tmp_path / "made")), dtype="float32")
    answer = assistant.ask("What happens?", Clip(folder), max_tokens=2)
    assert answer.usage.image_tokens == 3 * made.tokens


# --- attention in time beside that in space -----------------------------------------------------------------------------------


def drawn(model: Causal) -> Causal:
    """With all that belongs to time as if it had been learned."""
    torch.manual_seed(3)
    for parameter in time_of(model).parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def features(model: Causal, sight: Sight) -> Tensor:
    with torch.inference_mode():
        found: Tensor = model.vision(sight.patches_PK, sight.grids)
    return found


def test_a_clip_begins_as_so_many_pictures(parts: tuple[str, str]) -> None:
    plain, timed = (compose(parts[0], "mlp2", parts[1], frames=frames).build() for frames in (None, 4))
    pictures = torch.cat([picture(plain, frame) for frame in FRAMES])
    torch.testing.assert_close(clip(timed, FRAMES), pictures)
    own = {name: value for name, value in timed.state_dict().items() if ".time." not in name}
    assert own.keys() == plain.state_dict().keys() and all(torch.equal(plain.state_dict()[name], own[name]) for name in own)
    block: Any
    for block, half in zip(sees(timed).blocks, time_of(timed).blocks, strict=True):
        assert torch.equal(half.attention.q.weight, block.attention.q.weight) and torch.equal(half.norm.bias, block.norm1.bias)
    assert not torch.allclose(clip(drawn(timed), FRAMES), pictures, atol=1e-3)


def test_one_frame_takes_the_path_of_pictures_whatever_was_learned_of_time(parts: tuple[str, str]) -> None:
    plain, timed = (compose(parts[0], "mlp2", parts[1], frames=frames).build() for frames in (None, 4))
    drawn(timed)
    assert torch.equal(clip(timed, FRAMES[:1]), picture(plain, FRAMES[0]))
    assert torch.equal(picture(timed, FRAMES[0]), picture(plain, FRAMES[0]))


def test_clips_and_pictures_of_one_batch_do_not_meet(parts: tuple[str, str]) -> None:
    model = drawn(compose(parts[0], "mlp2", parts[1], frames=4).build())
    (first, one), (second, two) = shown(model, FRAMES), shown(model, FRAMES[1:])
    still = Sight.of(model.spec.sight, [FRAMES[2]])  # type: ignore[arg-type]
    packs = (first, still, second)
    grids = tuple(replace(grid, item=number) for number, pack in enumerate(packs) for grid in pack.grids)
    together = features(model, Sight(torch.cat([pack.patches_PK for pack in packs]), grids, ((30, 30),) * 3))
    torch.testing.assert_close(together, torch.cat([features(model, pack) for pack in packs]))
    assert (one.t, two.t) == (3, 2)


@pytest.mark.parametrize("name", ["clip", "siglip", "dinov2"])
def test_blocks_are_those_of_the_paper_position_by_position(name: str, parts: tuple[str, str], reference: Reference) -> None:
    """Plain loops: every patch first asks the same patch of all frames; then each frame asks itself, its class token too."""
    folder = parts[0] if name == "clip" else str(reference(name, 0))
    model = drawn(compose(folder, "mlp2", parts[1], frames=4, taps=(-1,)).build())
    sight, grid = shown(model, FRAMES)
    vision, extra, each = sees(model), sees(model).spec.extra, grid.h * grid.w
    with torch.inference_mode():
        states_TPE = vision._embed(sight.patches_PK, sight.grids).unflatten(0, (3, extra + each))
        for block, half in zip(vision.blocks, time_of(model).blocks, strict=True):
            asked_TPE = states_TPE.clone()
            for cell in range(extra, extra + each):
                asked_TPE[:, cell] += half.project(_attended(half.attention, half.norm(states_TPE[:, cell])))
            states_TPE = torch.stack([_in_space(block, frame_PE) for frame_PE in asked_TPE])
        found = vision.states(sight.patches_PK, sight.grids)[-1]
    torch.testing.assert_close(found, states_TPE.flatten(0, 1), rtol=1e-4, atol=2e-5)


def test_steps_are_told_to_patches_alone(parts: tuple[str, str], reference: Reference) -> None:
    model = drawn(compose(str(reference("siglip", 0)), "mlp2", parts[1], frames=4).build())
    sight, grid = shown(model, FRAMES)
    with torch.inference_mode():
        told, untold = (sees(model)._embed(sight.patches_PK, each) for each in ((grid,), (replace(grid, t=1),) * 3))
    steps = time_of(model).steps[:3, None]
    torch.testing.assert_close(
        (told - untold).unflatten(0, (3, -1)), steps.expand(-1, grid.h * grid.w, -1), rtol=1e-4, atol=1e-5
    )


def _in_space(block: Any, x_PE: Tensor) -> Tensor:
    scale1, scale2 = (scale or torch.nn.Identity() for scale in (block.scale1, block.scale2))
    x_PE = x_PE + scale1(_attended(block.attention, block.norm1(x_PE)))
    found: Tensor = x_PE + scale2(block.mlp(block.norm2(x_PE)))
    return found


def _attended(module: Any, x_TE: Tensor) -> Tensor:
    """Attention of one short sequence, head by head and step by step."""
    heads, width = module.heads, module.head_width
    q, k, v = (part(x_TE).unflatten(-1, (heads, width)) for part in (module.q, module.k, module.v))
    mixed = torch.zeros_like(q)
    for head in range(heads):
        for step in range(len(x_TE)):
            weights = (k[:, head] @ q[step, head] / width**0.5).softmax(0)
            mixed[step, head] = weights @ v[:, head]
    found: Tensor = module.out(mixed.flatten(1))
    return found


def test_attention_in_time_is_saved_and_read_and_refused_where_it_cannot_be(parts: tuple[str, str], tmp_path: Path) -> None:
    made = compose(parts[0], "mlp2", parts[1], frames=4)
    model = drawn(made.build())
    again = load_model(describe(made.save(tmp_path / "made", model)), torch.float32)
    assert isinstance(again, Causal) and again.spec == made.spec
    assert torch.equal(clip(again, FRAMES), clip(model, FRAMES))
    assert sum(part.parameters for part in made.parts) == sum(p.numel() for p in model.parameters())
    with pytest.raises(BadPicture, match="a clip of 6 frames, and this model knows 4 at most"):
        clip(model, np.concatenate([FRAMES, FRAMES]))
    with pytest.raises(UserError, match="no LLaVA"):
        made.export_llava(tmp_path / "llava")
    refused = (
        ("qwen2-vl:2b", 4, "sees several frames at once"),
        ("clip-resnet", 4, "is a ResNet"),
        (parts[0], 1, "2 at least"),
        ("siglip2", 4, "siglip2 shows pictures by Budget: give views=Resize"),
    )
    for encoder, frames, said in refused:
        with pytest.raises(UserError, match=said):
            compose(encoder, "mlp2", parts[1], frames=frames)


def test_gradients_reach_time_through_the_projection_first(parts: tuple[str, str]) -> None:
    model = compose(parts[0], "mlp2", parts[1], frames=4, taps=(-1,)).build().requires_grad_(True)
    sight, _ = shown(model, FRAMES)
    model.see(sight).tokens_VD.square().sum().backward()
    time = time_of(model)
    assert all(half.project.weight.grad.abs().max() > 0 for half in time.blocks)
    assert all(grad.abs().max() > 0 for grad in time.steps.grad[:3]) and not time.steps.grad[3:].any()


def test_a_clip_is_asked_about_and_its_work_counted(parts: tuple[str, str], folder: Path, tmp_path: Path) -> None:
    made = compose(parts[0], "mlp2", parts[1], frames=4)
    assistant = chiasm.load(str(made.save(tmp_path / "made")), dtype="float32")
    assert assistant.ask("What happens?", Clip(folder), max_tokens=2).usage.image_tokens == 3 * made.tokens
    model = made.build()
    sight, grid = shown(model, FRAMES)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        features(model, sight)
    assert counted.get_total_flops() == work(made.spec, [grid], [(30, 30)], 1).vision


def test_the_command_composes_for_clips(parts: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", parts[0], "mlp2", parts[1], "--frames", "4", "--out", str(tmp_path / "made")]) == 0
    assert load_model(describe(tmp_path / "made"), torch.float32).spec.sight.encoder.sees == Divided(4)  # type: ignore[union-attr]
    assert main(["compose", parts[0], "mlp2", parts[1], "--frames", "1"]) == 2
    assert "2 at least" in capsys.readouterr().err
