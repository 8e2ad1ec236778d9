"""Outputs of decoders of coded masks, under the reference's names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chiasm.ground.locations import pasted, read
from chiasm.heads.codes import MaskDecoder
from chiasm.reference.given import Given


def codes(model: MaskDecoder, given: Given, meta: dict[str, Any]) -> dict[str, Tensor]:
    """Masks in their own square, and laid into pictures where meta.json tells what a model said of which size."""
    got = {"mask64": model(given["codes"].long())}
    for number, case in enumerate(meta.get("cases", ())):
        (said,) = read(case["text"])
        scores_HW = model(torch.tensor([said.codes]))[0].numpy()
        got[f"pasted.{number}"] = torch.from_numpy(pasted(scores_HW, said.box, case["w"], case["h"]))
    return got
