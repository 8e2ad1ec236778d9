"""Time in compositions: vectors of frames, queries that read a whole clip, and what one frame has in common with a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Reference
from tiny_folder import tiny_spec
from tiny_tokenizers import NAMED, byte_level
from torch import Tensor

import chiasm
from chiasm import Clip
from chiasm.compose import compose
from chiasm.errors import BadPicture
from chiasm.geometry import Size
from chiasm.model import Causal, Sight
from chiasm.pixels.views import look, packed
from chiasm.place import Grid
from chiasm.prompt.plan import count
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import Mlp, Placed, QFormer, Resize
from chiasm.spec_json import to_json
from chiasm.weights.read import describe, load_model
from chiasm.weights.write import write_json, write_safetensors, write_text

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 30, 30, 3), np.uint8)
SHORT = (Placed(steps=4), QFormer(replace(tiny_spec().decoder.block, mlp="plain", norms="after"), 2, 4), Mlp(16, 16, 1))
"""A temporal Q-Former of a few numbers."""


@pytest.fixture(scope="module")
def parts(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Folders of a CLIP, and of a small decoder with a tokenizer."""
    folder = tmp_path_factory.mktemp("text")
    torch.manual_seed(0)
    spec = CausalSpec(tiny_spec().decoder)
    write_safetensors(folder / "model.safetensors", dict(Causal(spec).named_parameters()))
    write_json(folder / "config.json", {"model_type": "chiasm", "spec": to_json(spec)})
    write_text(folder / "tokenizer.json", byte_level().to_str())
    write_json(folder / "tokenizer_config.json", {**NAMED, "tokenizer_class": "PreTrainedTokenizerFast"})
    return str(reference("clip", 0)), str(folder)


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
    steps = taught(model).connect.steps[1].tables["steps"]
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
        asked = model.connect.steps[1].ask(told[None], torch.ones(1, len(told), dtype=torch.bool), None)[0]
        wanted = model.connect.steps[2](asked)
    torch.testing.assert_close(clip(model, FRAMES), wanted)


def _steps(model: Causal) -> Tensor:
    found: Tensor = model.connect.steps[0].tables["steps"]
    return found


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
