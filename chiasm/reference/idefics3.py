"""Idefics3 and SmolVLM."""

from __future__ import annotations

from itertools import chain
from typing import Any

from chiasm.reference.case import BOS, IMAGE, Case, Draw, padded
from chiasm.reference.parts import decoder, library, processed, processor

VISION = {
    "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 28,
    "patch_size": 7,
}  # fmt: skip


def idefics3(variant: int, draw: Draw) -> Case:
    """0: one picture in tiles, merged two by two; 1: two pictures in one row, merged four by four."""
    return _tiled(variant, draw, "idefics3", "Idefics3")


def smolvlm(variant: int, draw: Draw) -> Case:
    """As Idefics3's, through SmolVLM's own classes."""
    return _tiled(variant, draw, "smolvlm", "SmolVLM")


def _tiled(variant: int, draw: Draw, folder: str, name: str) -> Case:
    text = decoder("llama", tie_word_embeddings=False, num_key_value_heads=[2, 4][variant]).to_dict()
    scale = [2, 4][variant]
    config = getattr(library(), f"{name}Config")(
        vision_config=VISION, text_config=text, image_token_id=IMAGE, scale_factor=scale, tie_word_embeddings=False
    )
    by = processor(folder, name, size={"longest_edge": 56}, max_image_size={"longest_edge": 28})
    rows = [draw.pictures((70, 41), (20, 20)) if variant else draw.pictures((40, 61))]

    def inputs(_: Any) -> dict[str, Any]:
        seen = processed(by, rows, "pixel_values", "pixel_attention_mask")
        tiles = int((seen["pixel_attention_mask"].flatten(2).sum(-1) > 0).sum())
        visual = [IMAGE] * (16 // scale**2 * tiles)
        return {**padded([BOS, *draw.text(3), *visual, *draw.text(4)]), **seen}

    model = getattr(library(), f"{name}ForConditionalGeneration")
    return Case(model, config, inputs, by, tuple(chain.from_iterable(rows)))
