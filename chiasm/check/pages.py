"""Outputs of encoders of pages, under the references' names."""

from __future__ import annotations

import torch
from torch import Tensor

from chiasm.model import EncodePage, Words
from chiasm.model import Sight as Seen
from chiasm.reference.given import Given
from chiasm.reference.shown import shown_of


def pages(model: EncodePage, given: Given) -> dict[str, Tensor]:
    """In the reference's own frame, whose pads have boxes too."""
    ids_BT = given["input_ids"]
    kinds_BT = given["token_type_ids"] if "token_type_ids" in given else torch.zeros_like(ids_BT)
    shown = None if model.spec.sight is None else shown_of(given, model.spec.sight)
    sight = None if shown is None else Seen(shown.patches_PK, shown.grids, shown.sizes)
    states_BTD = model(Words(ids_BT, given.valid_BT, kinds_BT, given["bbox"]), sight)
    got = {"last_hidden_state": states_BTD}
    if model.spec.text.pool == "tanh":
        got["pooler_output"] = model.text.pooled(states_BTD)
    if model.spec.labels is not None:
        got["logits"] = model.labels(states_BTD[:, : ids_BT.shape[1]])
    return got
