"""Encoders at another resolution than they were trained at: their tables of places stretched as transformers stretches them."""

from __future__ import annotations

import pytest
import torch
import transformers
from conftest import Reference
from eyes import eye_of

from chiasm.compose import compose
from chiasm.geometry import Size
from chiasm.pixels.patches import patchify
from chiasm.place import Box, Grid
from chiasm.prompt.items import count
from chiasm.spec import Resize, Table, ViT

WHO = {
    "clip": ("CLIPModel", "vision_model", {"interpolate_pos_encoding": True}),
    "siglip": ("SiglipModel", "vision_model", {"interpolate_pos_encoding": True}),
    "vit": ("ViTModel", None, {"interpolate_pos_encoding": True}),
    "dinov2": ("Dinov2Model", None, {}),
    "internvl": ("InternVLForConditionalGeneration", "vision_tower", {}),
}
"""The class that reads a reference's folder, where its eye is, and how it is told to stretch (some always do)."""


@pytest.mark.parametrize(("high", "wide"), [(9, 6), (3, 8), (2, 2)])
@pytest.mark.parametrize("name", WHO)
def test_a_stretched_table_is_the_references(name: str, high: int, wide: int, reference: Reference) -> None:
    kind, part, how = WHO[name]
    folder = reference(name, 0)
    tower = getattr(transformers, kind).from_pretrained(folder, attn_implementation="eager").eval()
    tower = tower if part is None else next(module for path, module in tower.named_modules() if path.split(".")[-1] == part)
    made = compose(str(folder), "linear", "smollm2:135m", taps=(-2,))
    encoder = made.spec.sight.encoder  # type: ignore[union-attr]
    assert isinstance(encoder, ViT) and isinstance(encoder.position, Table) and encoder.position.side not in (high, wide)
    torch.manual_seed(high)
    pixels_CHW = torch.randn(3, high * encoder.patch, wide * encoder.patch)
    vision = eye_of(made)
    with torch.inference_mode():
        ours = vision.states(patchify(pixels_CHW, encoder.patch), [Grid(0, 1, high, wide, Box(0, 0, wide, high))])[-2]
        theirs = tower(pixels_CHW[None], output_hidden_states=True, **how).hidden_states[-2][0]
    torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", WHO)
def test_a_composition_at_another_resolution_counts_by_it(name: str, reference: Reference) -> None:
    folder = str(reference(name, 0))
    own = compose(folder, "linear", "smollm2:135m")
    side = own.spec.sight.encoder.patch  # type: ignore[union-attr]
    other = compose(folder, "linear", "smollm2:135m", views=Resize(9 * side, 6 * side, "squash"))
    assert count(other.spec, Size(40, 30)).visual == 54 == other.tokens
    assert [part.parameters for part in other.parts] == [part.parameters for part in own.parts]
