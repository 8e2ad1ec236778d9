"""The alphabet of shapes. Names of arrays end in it at module borders and inside attention.

    B sequences · I items · C, H, W picture · P patches, packed over all items · K numbers per patch · E encoder width ·
    V visual tokens, packed · T positions · A position axes · D language width · N heads · F head width · S vocabulary ·
    G queries · R regions

`check` states a contract where two rooms meet: the letters must agree among all arrays of one call.
"""

from __future__ import annotations

from typing import Protocol


class Shaped(Protocol):
    """Any array that knows its shape."""

    @property
    def shape(self) -> tuple[int, ...]: ...


def check(**arrays: Shaped) -> dict[str, int]:
    """Sizes by letter, read from names such as `patches_PK`; raises `ValueError` where two arrays disagree or a rank is off.

    A digit in the suffix is that very size (`place_V4`).
    """
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        letters = name.rpartition("_")[2]
        if len(letters) != len(array.shape):
            raise ValueError(f"{name} has {len(array.shape)} axes, {len(letters)} expected: {tuple(array.shape)}")
        for letter, size in zip(letters, array.shape, strict=True):
            expected = int(letter) if letter.isdigit() else sizes.setdefault(letter, size)
            if expected != size:
                raise ValueError(f"{name} has {letter} = {size}, {expected} expected: {tuple(array.shape)}")
    return sizes
