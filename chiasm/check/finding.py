"""Outputs of models that find things in pictures, under the references' names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from chiasm.model import Find
from chiasm.model import Sight as Seen
from chiasm.pixels.patches import patchify
from chiasm.place import Box, Grid
from chiasm.reference.given import Given
from chiasm.reference.shown import shown_of


def find(model: Find, given: Given, meta: dict[str, Any]) -> dict[str, Tensor]:
    """In the reference's own frame: it counts phrases to the longest row's end, and its logits have a column for every token
    that it could read."""
    ids_BT, kinds_BT = given["input_ids"], given.tensors.get("token_type_ids")
    words = model.read(ids_BT, given.valid_BT, kinds_BT)
    if meta.get("attn") == "eager":
        # Its class hides phrases from one another by default. Asked for eager attention it adds the truth values to the scores
        # instead, a slip that recorded folders have kept.
        states_BTD = model.lead(model.text(ids_BT, words.seen_BTT.float(), kinds_BT, words.where_BT))
        words = replace(words, states_BTD=states_BTD)
    found = model(_seen(model, given), words)
    columns = (0, model.spec.phrases.most - found.logits_BGT.shape[-1])
    logits = F.pad(found.logits_BGT, columns, value=float("-inf"))
    return {"logits": logits, "pred_boxes": found.boxes_BG4, "last_hidden_state": found.states_BGD}


def _seen(model: Find, given: Given) -> Seen:
    """Raw pictures, or tensors whose mask says where at the corner of its canvas each picture is."""
    if given.raw:
        shown = shown_of(given, model.spec)
        assert shown is not None
        return Seen(shown.patches_PK, shown.grids, shown.sizes)
    pixels, patch = given["pixel_values"], model.spec.encoder.patch
    masks = given["pixel_mask"].bool() if "pixel_mask" in given else torch.ones_like(pixels[:, 0], dtype=torch.bool)
    patches, grids, sizes = [], [], []
    for number, (picture, mask) in enumerate(zip(pixels, masks, strict=True)):
        height, width = int(mask.any(1).sum()), int(mask.any(0).sum())
        whole = F.pad(picture[:, :height, :width], (0, -width % patch, 0, -height % patch))
        patches.append(patchify(whole, patch))
        high, wide = whole.shape[1:]
        grids.append(Grid(number, 1, high // patch, wide // patch, Box(0, 0, wide, high)))
        sizes.append((width, height))
    return Seen(torch.cat(patches), tuple(grids), tuple(sizes))
