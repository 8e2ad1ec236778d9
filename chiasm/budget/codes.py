"""The arithmetic of a tokenizer of pictures, counted as `work.py` counts."""

from __future__ import annotations

from collections.abc import Sequence

from chiasm.place import Grid
from chiasm.spec import VQ


def tokenized(encoder: VQ, grids: Sequence[Grid]) -> tuple[int, int]:
    """Products of convolutions and distances, and products of cells with cells; a picture's equal frames once."""
    linear = attention = 0
    for grid in grids:
        shown = grid.t * encoder.frames if grid.moves else 1
        here = grid.h * grid.w
        one, pairs = _picture(encoder, here)
        linear += shown * one + 2 * grid.t * here * encoder.codes * encoder.code_width + _time(encoder, grid)
        attention += shown * pairs
    return linear, attention


def _picture(encoder: VQ, cells: int) -> tuple[int, int]:
    """One frame of so many cells, up to its latent maps."""
    places = cells * encoder.patch**2
    linear, attention, into = 2 * 27 * places * encoder.stem, 0, encoder.stem
    for number, out in enumerate(encoder.widths):
        for block in range(encoder.blocks):
            linear += _residual(into if block == 0 else out, out, places)
            if number in encoder.attends:
                linear, attention = linear + 8 * places * out**2, attention + 4 * places**2 * out
        into = out
        if number + 1 < len(encoder.widths):
            places //= 4
            linear += 18 * places * out**2
    linear += 2 * _residual(into, into, places) + 18 * places * into * encoder.latent
    if encoder.middle == "attends":
        linear, attention = linear + 8 * places * into**2, attention + 4 * places**2 * into
    return linear, attention


def _residual(into: int, out: int, places: int) -> int:
    shortcut = into * out if into != out else 0
    return 2 * places * (9 * into * out + 9 * out * out + shortcut)


def _time(encoder: VQ, grid: Grid) -> int:
    """What mixes frames, and the last convolution."""
    if encoder.halvings is None:
        return 2 * grid.cells * encoder.latent * encoder.code_width
    square, frames, total = encoder.latent**2, encoder.frames, 0
    for _ in range(encoder.halvings):
        frames //= 2
        total += 2 * 36 * frames * grid.cells * square
    total += encoder.blocks * 2 * 2 * 27 * grid.cells * square
    return total + 2 * 3 * grid.cells * encoder.latent * encoder.code_width
