"""The door for clips: a folder of frames, an animated GIF or WebP, a video; which frames are shown, and when each is."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BadPicture
from chiasm.geometry import meant
from chiasm.pixels.animation import MOVING, Animation
from chiasm.pixels.open import Limits, header, measure, open_picture
from chiasm.pixels.reel import FRAME, ClipLimits, Film, Reel, Shown
from chiasm.pixels.sources import Encoded, describe, opened, printable
from chiasm.pixels.video import Video, is_video
from chiasm.spec import Even, PerSecond, Take

FRAMES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
"""How the names of frames in a folder end."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A folder of frames in the order of the numbers in their names, `rate` a second, an animated GIF or WebP, or a video.
    `take` says which frames are shown; none: those that the model was made for. `start` and `end` are the seconds between which
    they lie, where they are not from all of it."""

    source: Encoded
    take: Take | None = None
    rate: float = 1.0
    start: float | None = None
    end: float | None = None


_DEFAULT = ClipLimits()
EIGHT = Even(8)


def clip_header(clip: Clip, limits: ClipLimits = _DEFAULT) -> Reel:
    """What a clip is, without its frames. Raises `BadPicture`."""
    return _opened(clip, limits)[0]


def shown(clip: Clip, take: Take = EIGHT, limits: ClipLimits = _DEFAULT) -> Shown:
    """Which frames would be shown: those of the clip's own `take`, or of this one. Raises `BadPicture`."""
    return clip_header(clip, limits).taken(_sane(clip, take), limits)


def open_clip(clip: Clip, take: Take = EIGHT, limits: ClipLimits = _DEFAULT) -> Film:
    """Reads the frames that are shown. Raises `BadPicture`."""
    reel, source = _opened(clip, limits)
    found = reel.taken(_sane(clip, take), limits)
    match source:
        case Animation():
            frames = source.frames(found.numbers)
        case Video():
            frames = source.frames(found.numbers)
        case list():
            frames = _pictures([source[number] for number in found.numbers], limits.picture)
    return Film(tuple(frames), found.times, reel.name)


def moves(source: str) -> bool:
    """Whether a path is a clip's: a folder, a video, or an animation of more than one frame."""
    if os.path.isdir(source):  # noqa: PTH112 - pathlib's own raises for words longer than a file's name may be.
        return True
    try:
        with opened(source, source, _DEFAULT.bytes) as (file, length):
            if is_video(file, length, source):
                return True
        with opened(source, source, FRAME.bytes) as (file, length):
            return measure(file, length, source, FRAME).format in MOVING and Animation.read(source, source, _DEFAULT).moves
    except BadPicture:
        return False


def _opened(clip: Clip, limits: ClipLimits) -> tuple[Reel, Animation | Video | list[Path]]:
    reel, source = _whole(clip, limits)
    return (reel if clip.start is clip.end is None else reel.cut(clip.start, clip.end)), source


def _whole(clip: Clip, limits: ClipLimits) -> tuple[Reel, Animation | Video | list[Path]]:
    name = printable(describe(clip.source))
    if not isinstance(clip.source, bytes | bytearray | memoryview) and Path(os.fsdecode(clip.source)).is_dir():
        files = _files(Path(os.fsdecode(clip.source)), name, limits)
        first = header(files[0], limits.picture)
        if clip.rate <= 0:
            raise BadPicture(f"{name}: a rate of {clip.rate:g} frames a second; it is above 0")
        return Reel.steady(name, (first.width, first.height), len(files), Fraction(clip.rate)), files
    with opened(clip.source, name, limits.bytes) as (file, length):
        filmed = is_video(file, length, name)
    if filmed:
        video = Video(clip.source, name, limits)
        return video.reel(), video
    animation = Animation.read(clip.source, name, limits)
    return animation.reel(limits), animation


def _sane(clip: Clip, take: Take) -> Take:
    """What a clip's own `take` is, or else this one."""
    chosen = meant(clip.take, take)
    match chosen:
        case Even(frames) if frames >= 1:
            return chosen
        case PerSecond(rate) if rate > 0:
            return chosen
        case _:
            name = printable(describe(clip.source))
            raise BadPicture(f"{name}: {chosen} takes no frame: at least 1, or more than 0 a second, are needed")


def _files(folder: Path, name: str, limits: ClipLimits) -> list[Path]:
    """The frames of a folder, in order."""
    with os.scandir(folder) as entries:
        names = []
        for entry in entries:
            if Path(entry.name).suffix.lower() in FRAMES:
                names.append(entry.name)
            if len(names) > limits.frames:
                raise BadPicture(f"{name} holds more than {limits.frames:,} frames: give a part of it")
    if not names:
        raise BadPicture(f"{name} holds no frames ({', '.join(sorted(FRAMES))}): name a folder of pictures")
    names.sort(key=lambda one: [int(part) if part.isdigit() else part for part in re.split(r"([0-9]+)", one)])
    return [folder / one for one in names]


def _pictures(files: Sequence[Path], limits: Limits) -> list[NDArray[np.uint8]]:
    pictures = [open_picture(file, limits) for file in files]
    for picture in pictures:
        if picture.pixels.shape != pictures[0].pixels.shape:
            sizes = f"{picture.width} x {picture.height}, and {pictures[0].name} {pictures[0].width} x {pictures[0].height}"
            raise BadPicture(f"{picture.name} is {sizes}: frames of one clip have one size")
    return [picture.pixels for picture in pictures]
