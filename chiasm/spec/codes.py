"""Tokenizers of pictures: encoders that give numbers of words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class VQ:
    """A convolutional tokenizer (VQ-GAN, arXiv:2012.09841): each cell of a picture becomes the number of the nearest of
    `codes` vectors.

    `stem` channels of whole pictures, then levels of `widths` channels, each but the first at half of the sides before, with
    `blocks` residual blocks, attention after each of them at the levels numbered in `attends`. `latent` and `code_width` are
    channels before and after the last convolution. `halvings`: how often the frames of a clip become half as many, pictures
    being clips of equal frames (Emu3, arXiv:2409.18869); none: pictures alone.
    """

    stem: int
    widths: tuple[int, ...]
    blocks: int
    latent: int
    codes: int
    code_width: int
    attends: tuple[int, ...] = ()
    middle: Literal["attends", "plain"] = "attends"
    halvings: int | None = None

    @property
    def patch(self) -> int:
        side: int = 2 ** (len(self.widths) - 1)
        return side

    @property
    def frames(self) -> int:
        count: int = 2 ** (self.halvings or 0)
        return count

    @property
    def width(self) -> int:
        """One number a cell: its code."""
        return 1
