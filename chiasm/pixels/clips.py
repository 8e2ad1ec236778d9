"""The door for clips: a folder of frames, or an animated GIF or WebP; which frames are shown, and when each was."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

from chiasm.errors import BadPicture
from chiasm.pixels.flatten import WHITE, flatten
from chiasm.pixels.open import DECODERS, Limits, broken, measure, open_picture
from chiasm.pixels.orientation import UPRIGHT
from chiasm.pixels.sources import Encoded, describe, opened, printable

FRAMES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
"""How the names of frames in a folder end."""

UNSAID = 0.1
"""Seconds that a frame is shown where its file says none, as players have it."""


@dataclass(frozen=True)
class Even:
    """So many frames, each at the beginning of an equal part of the clip; all of a clip of fewer."""

    frames: int = 8


@dataclass(frozen=True)
class Every:
    """The frame that is shown at each multiple of so many seconds."""

    seconds: float


@dataclass(frozen=True, eq=False)
class Clip:
    """A folder of frames in the order of the numbers in their names, `rate` a second, or an animated GIF or WebP."""

    source: Encoded
    take: Even | Every = Even()
    rate: float = 1.0


FRAME = Limits(bytes=64 << 20, pixels=1 << 24)
"""What is refused of one frame, or of an animation before its frames are counted."""


@dataclass(frozen=True)
class ClipLimits:
    """What is refused: `frames` caps how many there are, `taken` how many are shown, `pixels` those of all frames together,
    `picture` each of them."""

    frames: int = 4096
    taken: int = 256
    pixels: int = 1 << 29
    picture: Limits = FRAME


_DEFAULT = ClipLimits()
_MOVING = ("GIF", "WebP")


@dataclass(frozen=True, eq=False)
class Film:
    """Frames of one size, uint8 [H, W, 3], and the second at which each begins."""

    frames: tuple[NDArray[np.uint8], ...]
    times: tuple[float, ...]
    name: str

    @property
    def height(self) -> int:
        return int(self.frames[0].shape[0])

    @property
    def width(self) -> int:
        return int(self.frames[0].shape[1])


def open_clip(clip: Clip, limits: ClipLimits = _DEFAULT) -> Film:
    """Reads the frames that are taken. Raises `BadPicture`."""
    name = printable(describe(clip.source))
    if not isinstance(clip.source, bytes | bytearray | memoryview) and Path(os.fsdecode(clip.source)).is_dir():
        return _folder(clip, Path(os.fsdecode(clip.source)), name, limits)
    return _animation(clip, name, limits)


def _taken(take: Even | Every, begins: list[float], end: float, name: str, limits: ClipLimits) -> list[int]:
    """Numbers of the frames that are shown."""
    match take:
        case Even(count) if count >= 1:
            count = min(count, len(begins))
            chosen = [number * len(begins) // count for number in range(count)]
        case Every(seconds) if seconds > 0 and end / seconds <= limits.frames:
            moments = np.arange(0, end, seconds)
            chosen = (np.searchsorted(np.array(begins), moments + 1e-9, side="right") - 1).tolist()
        case _:
            raise BadPicture(f"{name}: {take} takes no frame or too many: at least 1 frame, or seconds above 0, are needed")
    if len(chosen) > limits.taken:
        raise BadPicture(f"{name}: {len(chosen):,} frames are taken, and {limits.taken} at most are shown: take fewer")
    return chosen


def _folder(clip: Clip, folder: Path, name: str, limits: ClipLimits) -> Film:
    with os.scandir(folder) as entries:
        names = []
        for entry in entries:
            if Path(entry.name).suffix.lower() in FRAMES:
                names.append(entry.name)
            if len(names) > limits.frames:
                raise BadPicture(f"{name} holds more than {limits.frames:,} frames: give a part of it")
    if not names:
        raise BadPicture(f"{name} holds no frames ({', '.join(sorted(FRAMES))}): name a folder of pictures")
    if clip.rate <= 0:
        raise BadPicture(f"{name}: a rate of {clip.rate:g} frames a second; it is above 0")
    names.sort(key=lambda one: [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", one)])
    begins = [number / clip.rate for number in range(len(names))]
    chosen = _taken(clip.take, begins, len(names) / clip.rate, name, limits)
    pictures = [open_picture(folder / names[number], limits.picture) for number in chosen]
    for picture in pictures:
        if picture.pixels.shape != pictures[0].pixels.shape:
            sizes = f"{picture.width} x {picture.height}, and {pictures[0].name} {pictures[0].width} x {pictures[0].height}"
            raise BadPicture(f"{picture.name} is {sizes}: frames of one clip have one size")
    return Film(tuple(p.pixels for p in pictures), tuple(begins[number] for number in chosen), name)


def _animation(clip: Clip, name: str, limits: ClipLimits) -> Film:
    with opened(clip.source, name, limits.picture.bytes) as (file, length):
        container = measure(file, length, name, limits.picture)
        if container.format not in _MOVING:
            message = f"{name} is a {container.format}: clips are folders of frames, GIF and WebP; take frames out of it first"
            raise BadPicture(message)
        file.seek(0)
        data = file.read(length)
    if container.format == "GIF" and not data.endswith(b";"):
        # A decoder takes the missing rest for the end.
        raise BadPicture(broken(name, container.format, length, "is cut short"))
    size, most = (container.width, container.height), min(limits.frames, limits.pixels // (container.width * container.height))
    try:
        spans = []
        for image in _walk(DECODERS[container.format](io.BytesIO(data)), size):
            spans.append(float(image.info.get("duration", 0)) / 1000 or UNSAID)
            if len(spans) > most:
                raise _TooMany
        begins = [sum(spans[:number]) for number in range(len(spans))]
        chosen = _taken(clip.take, begins, sum(spans), name, limits)
        kept = {}
        for number, image in enumerate(_walk(DECODERS[container.format](io.BytesIO(data)), size)):
            if number in chosen:
                kept[number] = flatten(image, UPRIGHT, WHITE)
    except _TooMany:
        message = f"{name} has more than {most:,} frames of {size[0]} x {size[1]}, the limit: make it shorter or smaller"
        raise BadPicture(message) from None
    except BadPicture:
        raise
    except Exception:
        raise BadPicture(broken(name, container.format, length, "is damaged or cut short")) from None
    return Film(tuple(kept[number] for number in chosen), tuple(begins[number] for number in chosen), name)


class _TooMany(Exception):
    """More frames than are read."""


def _walk(image: ImageFile, size: tuple[int, int]) -> Iterator[ImageFile]:
    """A picture at each of its frames. One that grows on the way, as GIFs may, is refused before it is decoded."""
    number = 0
    while True:
        try:
            image.seek(number)
        except EOFError:
            return
        if image.size != size:
            raise _TooMany
        image.load()
        yield image
        number += 1
