"""What is shown to a model and is no picture for eyes, and what the model is given of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BadPicture
from chiasm.pixels.arrays import NUMBERS, stored
from chiasm.pixels.mel import pieces
from chiasm.pixels.planes import PlaneSource, open_plane, squared
from chiasm.pixels.sound import Wave, open_sound, sampled
from chiasm.pixels.sources import Encoded, describe, printable
from chiasm.spec import Disparity, Heat, Mel, Reads, Signal, Strides

MOMENTS = 1 << 20
"""At most so many moments of motion are read."""


@dataclass(frozen=True, eq=False)
class Sound:
    """A WAV file (path, bytes, data: URL), or samples from -1 to 1 taken `rate` times a second; its first channel is heard."""

    source: Encoded | NDArray[Any]
    rate: int = 16000


@dataclass(frozen=True, eq=False)
class Depth:
    """How far each pixel is: .npy, a grey PNG, an array. Numbers are disparities (focal length in pixels x metres between the
    eyes / distance), or, with `stereo` = focal length x metres between the eyes, distances in metres, in a PNG millimetres;
    where nothing was measured (0) the disparity is 0."""

    source: PlaneSource
    stereo: float | None = None


@dataclass(frozen=True, eq=False)
class Thermal:
    """How warm each pixel is: a grey PNG, black 0 and white 1, or .npy and arrays of such numbers."""

    source: PlaneSource


@dataclass(frozen=True, eq=False)
class Motion:
    """What an inertial unit measures: .npy or an array, channels x moments."""

    source: Encoded | NDArray[Any]


Felt = Sound | Depth | Thermal | Motion


def signal_of(signals: Sequence[Signal], item: Felt) -> Signal | None:
    """Which of a model's signals an item is."""
    kinds: dict[type[Felt], type[Reads]] = {Sound: Mel, Depth: Disparity, Thermal: Heat, Motion: Strides}
    return next((signal for signal in signals if isinstance(signal.reads, kinds[type(item)])), None)


def given(item: Felt, signal: Signal) -> NDArray[np.float32]:
    """What a model is given of an item, [pieces, channels, height, width]. Raises `BadPicture`."""
    match item, signal.reads:
        case Sound(source, rate), Mel() as mel:
            return pieces(_heard(source, rate), mel)
        case Depth(source, stereo), Disparity(side, mean, std):
            return ((squared(_near(source, stereo), side) - np.float32(mean)) / np.float32(std))[None, None]
        case Thermal(source), Heat(side):
            return squared(_warm(source), side)[None, None]
        case Motion(source), Strides(length):
            return _moved(source, signal.channels, length)[None, :, None]
        case _:
            raise TypeError(f"{type(item).__name__} is not what {signal.name} reads")


def _heard(source: Encoded | NDArray[Any], rate: int) -> Wave:
    return sampled(source, rate) if isinstance(source, np.ndarray) else open_sound(source)


def _near(source: PlaneSource, stereo: float | None) -> NDArray[np.float32]:
    values, highest = open_plane(source)
    if stereo is None:
        return values
    metres = values / 1000 if highest is not None else values
    return np.divide(np.float32(stereo), metres, out=np.zeros_like(metres), where=metres > 0)


def _warm(source: PlaneSource) -> NDArray[np.float32]:
    values, highest = open_plane(source)
    warm = values / np.float32(highest or 1)
    if not 0 <= warm.min() <= warm.max() <= 1:
        raise BadPicture(f"heat from {warm.min():g} to {warm.max():g}: numbers from 0 to 1 are read, scale them before")
    return warm


def _moved(source: Encoded | NDArray[Any], channels: int, length: int) -> NDArray[np.float32]:
    """Moments from the beginning on, [channels, length]."""
    check = partial(_check, channels=channels, length=length)
    if isinstance(source, np.ndarray):
        name, values = "an array", np.asarray(source)
        check(name, values.shape, values.dtype)
        values = values.astype(np.float32)
    else:
        name = printable(describe(source))
        values, _ = stored(source, name, 8 * channels * MOMENTS + 4096, "channels x moments", check)
    if not np.isfinite(values).all():
        raise BadPicture(f"{name} holds numbers that are not finite: replace them before")
    return np.ascontiguousarray(values[:, :length])


def _check(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], channels: int, length: int) -> None:
    if dtype.name not in NUMBERS:
        raise BadPicture(f"{name} holds {dtype.name}; numbers are one of {', '.join(NUMBERS)}")
    if len(shape) != 2 or shape[0] != channels or not length <= shape[1] <= MOMENTS:
        message = f"{name} has the shape {shape}; motion is {channels} channels x {length} to {MOMENTS} moments"
        raise BadPicture(message)
