"""Outputs of the seeing half by itself, under the references' names."""

from __future__ import annotations

from torch import Tensor

from chiasm.connect.qformer import Hint
from chiasm.model import See
from chiasm.model import Sight as Seen
from chiasm.place import Box, Grid
from chiasm.prompt.streams import reads
from chiasm.reference.given import Given
from chiasm.reference.patches import cut


def see(model: See, given: Given) -> dict[str, Tensor]:
    """Clips and pictures as frames, [items, frames, C, H, W], each with the text of its row where one is read: what leaves the
    first norm after the encoder, the queries, and the language model's own width."""
    told = Hint(given["input_ids"], given.valid_BT) if reads(model.spec.connector) is not None else None
    got = {}
    for kind in ("video", "image"):
        if kind in given:
            pixels = given[kind]
            seen = _seen(model, pixels)
            features_PE, visual = model(seen, told)
            steps = len(features_PE) // len(pixels) // (seen.grids[0].h * seen.grids[0].w)
            got[f"{kind}_features"] = features_PE.unflatten(0, (len(pixels), steps, -1))
            got[f"{kind}_llm"] = visual.tokens_VD.unflatten(0, (len(pixels), -1))
    return got


def _seen(model: See, pixels_ITCHW: Tensor) -> Seen:
    encoder, (items, frames, _, height, width) = model.spec.encoder, pixels_ITCHW.shape
    t, h, w = frames // encoder.frames, height // encoder.patch, width // encoder.patch
    times = tuple(map(float, range(t))) if t > 1 else ()
    grids = tuple(Grid(number, t, h, w, Box(0, 0, width, height), times) for number in range(items))
    return Seen(cut(model.spec, pixels_ITCHW.transpose(1, 2)), grids, ((width, height),) * items)
