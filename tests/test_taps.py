"""The hidden states that a composition taps, against transformers' own; how many tokens run beside the patches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from conftest import Reference
from eyes import eye_of
from torch import Tensor

from chiasm.budget import budget
from chiasm.cli import main
from chiasm.compose import Composition, compose
from chiasm.errors import UserError
from chiasm.geometry import Size
from chiasm.pixels.patches import patchify
from chiasm.place import Box, Grid
from chiasm.spec import Resize, ViT
from chiasm.vision.vit import VisionTransformer

WHO = {
    "clip": ("CLIPModel", "vision_model", 0),
    "siglip": ("SiglipModel", "vision_model", 0),
    "vit": ("ViTModel", None, 0),
    "dinov2": ("Dinov2Model", None, 0),
    "dinov2 with registers": ("Dinov2WithRegistersModel", None, 2),
}
"""The class that reads a reference's folder, where its eye is, and which variant it is."""


@pytest.mark.parametrize("taps", [(-1,), (-2,), (0, -1), (-1, 1)])
@pytest.mark.parametrize("name", WHO)
def test_taps_are_the_references_hidden_states(name: str, taps: tuple[int, ...], reference: Reference) -> None:
    folder = _folder(name, reference)
    made = compose(str(folder), "linear", "smollm2:135m", taps=taps)
    eye, pixels_CHW, grid = _shown(made)
    with torch.inference_mode():
        ours = eye(patchify(pixels_CHW, eye.spec.patch), [grid])
        states = _tower(name, folder)(pixels_CHW[None], output_hidden_states=True).hidden_states
    theirs = torch.cat([states[tap][0, eye.spec.extra :] for tap in taps], -1)
    torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["vit", "dinov2", "dinov2 with registers"])
def test_without_taps_an_encoder_gives_its_own_output(name: str, reference: Reference) -> None:
    folder = _folder(name, reference)
    eye, pixels_CHW, grid = _shown(compose(str(folder), "linear", "smollm2:135m"))
    with torch.inference_mode():
        ours = eye(patchify(pixels_CHW, eye.spec.patch), [grid])
        theirs = _tower(name, folder)(pixels_CHW[None]).last_hidden_state[0, eye.spec.extra :]
    torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-5)


def test_normed_taps_are_the_maps_of_a_backbone(reference: Reference) -> None:
    """What the spec can say beside: each tap through the last norm, as transformers' backbone gives its maps."""
    folder = _folder("dinov2", reference)
    made = compose(str(folder), "linear", "smollm2:135m", taps=(1, 2))
    eye, pixels_CHW, grid = _shown(made, replace(_vit(made), post_norm="applied"))
    backbone = transformers.Dinov2Backbone.from_pretrained(folder, out_indices=[1, 2], attn_implementation="eager").eval()
    with torch.inference_mode():
        ours = eye(patchify(pixels_CHW, eye.spec.patch), [grid])
        theirs = torch.cat(
            [map_CHW.flatten(1).T for map_1CHW in backbone(pixels_CHW[None]).feature_maps for map_CHW in map_1CHW], -1
        )
    torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("taps", [(), (99,), (-99,), (-1, -1)])
def test_taps_that_choose_nothing_are_refused(taps: tuple[int, ...], reference: Reference) -> None:
    with pytest.raises(UserError, match="does not choose hidden states"):
        compose(str(_folder("dinov2", reference)), "linear", "smollm2:135m", taps=taps)


def test_the_command_refuses_them_in_one_sentence(
    parts: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compose", parts[0], "linear", parts[1], "--taps", "40", "--out", str(tmp_path / "made")]) == 2
    assert "taps=[40] does not choose hidden states" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(("high", "wide"), [(4, 4), (3, 7)])
@pytest.mark.parametrize("name", WHO)
def test_what_is_counted_runs_through_the_blocks(name: str, high: int, wide: int, reference: Reference) -> None:
    """A budget counts the class token and the registers that really stand beside the patches of each view."""
    folder = str(_folder(name, reference))
    patch = compose(folder, "linear", "smollm2:135m").spec.sight.encoder.patch  # type: ignore[union-attr]
    made = compose(folder, "linear", "smollm2:135m", views=Resize(high * patch, wide * patch, "squash"), taps=(-1,))
    eye, pixels_CHW, grid = _shown(made)
    lengths = list[int]()
    for module in eye.blocks:
        module.register_forward_pre_hook(lambda _, given: lengths.append(given[0].shape[1]))
    with torch.inference_mode():
        eye(patchify(pixels_CHW, patch), [grid])
    (length,) = set(lengths)
    assert length == high * wide + eye.spec.extra
    block, run = _vit(made).block, _vit(made).depth
    products = 3 if block.mlp == "gated" else 2
    per_token = 2 * block.width * (4 * block.heads * block.head_width + products * block.mlp_width)
    stem = 2 * high * wide * eye.spec.channels * patch**2 * block.width
    costs = budget(made.spec, [Size(40, 30)]).work
    assert costs.vision_linear == stem + run * per_token * length
    assert costs.vision_attention == run * 4 * length**2 * block.heads * block.head_width


def _vit(made: Composition) -> ViT:
    assert isinstance(made.eye.encoder, ViT)
    return made.eye.encoder


def _folder(name: str, reference: Reference) -> Path:
    return reference(name.split(" ")[0], WHO[name][2])


def _tower(name: str, folder: Path) -> torch.nn.Module:
    kind, part, _ = WHO[name]
    whole: torch.nn.Module = getattr(transformers, kind).from_pretrained(folder, attn_implementation="eager").eval()
    return whole if part is None else getattr(whole, part)


def _shown(made: Composition, spec: ViT | None = None) -> tuple[VisionTransformer, Tensor, Grid]:
    """The encoder of a composition with its weights, and a picture of the size that it is shown."""
    eye, views = eye_of(made, spec), made.spec.sight.views  # type: ignore[union-attr]
    assert isinstance(views, Resize)
    high, wide = views.height // eye.spec.patch, views.width // eye.spec.patch
    torch.manual_seed(high)
    return eye, torch.randn(3, views.height, views.width), Grid(0, 1, high, wide, Box(0, 0, wide, high))
