"""Visual tokens into the places that the plan kept for them."""

from __future__ import annotations

from torch import Tensor

from chiasm.errors import BadPrompt


def splice(hidden_BTD: Tensor, visual_VD: Tensor, slot_BT: Tensor) -> Tensor:
    """Replaces position (b, t) by visual token slot_BT[b, t] wherever that is not -1.

    Raises `BadPrompt` unless every visual token has exactly one place.
    """
    here = slot_BT >= 0
    slots = slot_BT[here]
    if len(slots) != len(visual_VD) or len(slots.unique()) != len(visual_VD):
        raise BadPrompt(f"{len(visual_VD)} visual tokens for {len(slots)} places: the plan and the pictures disagree")
    spliced = hidden_BTD.clone()
    spliced[here] = visual_VD[slots].to(hidden_BTD.dtype)
    return spliced
