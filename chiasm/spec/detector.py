"""Detectors: from maps of a picture and the tokens of a text to boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from chiasm.spec.block import Activation, Norm
from chiasm.spec.declares import Declares


@dataclass(frozen=True)
class Phrases:
    """A text of phrases, each closed by one of the ids `ends`: its tokens see one another alone, and their places are counted
    from its beginning. `most` tokens are read."""

    ends: tuple[int, ...]
    most: int


@dataclass(frozen=True)
class Deformable:
    """Layers whose attention reads maps at `points` places a head and level, wherever they think best (arXiv:2010.04159)."""

    depth: int
    heads: int
    points: int
    mlp_width: int


@dataclass(frozen=True)
class Detector(Declares):
    """Grounding DINO's (arXiv:2303.05499): maps and text read one another in the encoder, whose likeliest cells are where the
    decoder's `queries` begin; each of its layers moves their boxes, by one head for all or its own.

    The encoder's texts have half of its heads and half of its MLP's width. Maps that the eye does not give are made by
    halving its last one until there are `levels`.
    """

    width: int
    levels: int
    queries: int
    encoder: Deformable
    decoder: Deformable
    norm: Norm
    temperature: float = 20.0
    act: Activation = "relu"
    boxes: Literal["shared", "own"] = "shared"
    breaks: ClassVar[dict[str, str]] = {
        "batch_is_single": (
            "its reference pads pictures to the batch's largest and hides the padding from the detector alone: the eye's "
            "windows and the norms over whole maps see it, and the text's end is masked by the longest row's"
        ),
        "packed_is_unpacked": "its reference's eye sees the padding that makes a batch's pictures equally large",
    }
