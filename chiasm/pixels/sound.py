"""The door for sounds: WAV files of whole numbers (PCM), or arrays. Lengths are compared with the file before it is read."""

from __future__ import annotations

import hashlib
import wave
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BadPicture
from chiasm.pixels.sources import Encoded, describe, opened, printable

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
"""Samples a second that are read: from each to 16,000 by a filter of few phases."""


@dataclass(frozen=True)
class SoundLimits:
    """What is refused before reading: `bytes` caps the file, `seconds` its length, `channels` how many there are."""

    bytes: int = 64 << 20
    seconds: float = 600
    channels: int = 8


_DEFAULT = SoundLimits()


@dataclass(frozen=True, eq=False)
class Wave:
    """The first channel of a sound, from -1 to 1; `sha256` is of the file, or of the samples."""

    samples_T: NDArray[np.float32]
    rate: int
    sha256: str
    name: str


def open_sound(source: Encoded, limits: SoundLimits = _DEFAULT, *, name: str | None = None) -> Wave:
    """Reads a WAV file: a path, bytes or a data: URL. Raises `BadPicture`."""
    name = printable(name or describe(source))
    with opened(source, name, limits.bytes) as (file, length):
        try:
            with wave.open(file) as wav:
                channels, width, rate, count = wav.getnchannels(), wav.getsampwidth(), wav.getframerate(), wav.getnframes()
                _check(name, channels, rate, count, limits)
                wanted = count * channels * width
                if wanted > length:
                    raise BadPicture(f"{name} holds {length:,} bytes and promises {wanted:,}: is it cut short?")
                data = wav.readframes(count)
        except (wave.Error, EOFError, ValueError, OverflowError):
            raise BadPicture(f"{name} is not a WAV file of whole numbers: save it as PCM, 16 bits") from None
    if len(data) != count * channels * width:
        raise BadPicture(
            f"{name} holds {len(data):,} bytes of sound and promises {count * channels * width:,}: is it cut short?"
        )
    return Wave(_samples(data, width)[::channels].copy(), rate, hashlib.sha256(data).hexdigest(), name)


def sampled(samples: NDArray[Any], rate: int, limits: SoundLimits = _DEFAULT) -> Wave:
    """A sound that is given as an array: one axis, from -1 to 1. Raises `BadPicture`."""
    if samples.ndim != 1 or samples.dtype.kind != "f":
        message = f"an array of {samples.dtype} and shape {samples.shape}: a sound is one axis of floats from -1 to 1"
        raise BadPicture(message)
    _check("an array", 1, rate, len(samples), limits)
    values = np.ascontiguousarray(samples, np.float32)
    if not np.isfinite(values).all():
        raise BadPicture("an array holds samples that are no finite numbers: replace them before")
    return Wave(values, rate, hashlib.sha256(values.tobytes()).hexdigest(), "an array")


def _check(name: str, channels: int, rate: int, count: int, limits: SoundLimits) -> None:
    if rate not in RATES:
        raise BadPicture(f"{name} has {rate:,} samples a second; read are {', '.join(map(str, RATES))}: resample it")
    if channels > limits.channels:
        raise BadPicture(f"{name} has {channels:,} channels; at most {limits.channels} are read: mix it down")
    if count > limits.seconds * rate:
        raise BadPicture(f"{name} lasts {count / rate:,.0f} seconds; at most {limits.seconds:,.0f} are read: cut a part out")


def _samples(data: bytes, width: int) -> NDArray[np.float32]:
    """Little-endian whole numbers as fractions; those of one byte have their zero in the middle, those of three no type."""
    match width:
        case 1:
            return (np.frombuffer(data, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
        case 3:
            high = np.zeros((len(data) // 3, 4), np.uint8)
            high[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            return high.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
        case _:
            whole = np.frombuffer(data, np.dtype(f"<i{width}")).astype(np.float32)
            return np.asarray(whole / np.float32(2 ** (8 * width - 1)), np.float32)
