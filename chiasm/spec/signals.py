"""What is no picture for eyes, and what a model is given of it: sound, distance, heat, motion (ImageBind, arXiv:2305.05665)."""

from __future__ import annotations

from dataclasses import dataclass

from chiasm.spec.block import Block


@dataclass(frozen=True)
class Mel:
    """Sound as `clips` evenly spread pieces of `seconds`, each a picture of `bins` pitches and `frames` steps of 10 ms: the
    logarithm of the energy in windows of 25 ms, less `mean`, over `std`."""

    bins: int = 128
    frames: int = 204
    rate: int = 16000
    seconds: int = 2
    clips: int = 3
    mean: float = -4.268
    std: float = 9.138


@dataclass(frozen=True)
class Disparity:
    """How near each pixel is, as the shift between two eyes (focal length in pixels x metres between them / metres), less
    `mean`, over `std`, in a square of `side`."""

    side: int = 224
    mean: float = 0.0418
    std: float = 0.0295


@dataclass(frozen=True)
class Heat:
    """How warm each pixel is, from 0 to 1, in a square of `side`."""

    side: int = 224


@dataclass(frozen=True)
class Strides:
    """What an inertial unit measures at `length` moments in each of its channels."""

    length: int = 2000


Reads = Mel | Disparity | Heat | Strides


@dataclass(frozen=True)
class Signal:
    """A transformer over what is no picture for eyes (ImageBind).

    A strided convolution of `kernel` over [channels, height, width] makes `places` tokens, normed, each with a learned place.
    `reads` says what those numbers are.
    """

    name: str
    block: Block
    depth: int
    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    places: int
    reads: Reads
