"""Clips on the command line: which words are some, which frames are wanted, and what one that is only described would be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from chiasm.errors import BadPicture, UserError
from chiasm.spec import Even, PerSecond, Take, Writer

if TYPE_CHECKING:
    from chiasm.pixels.clips import Clip
    from chiasm.pixels.reel import Reel
    from chiasm.prompt.items import Clip as Filmed

FRAMES = "Show so many frames of each clip; those that the model was made for if none."
FPS = "Show so many frames a second of each clip instead."

DESCRIBED = re.compile(r"(\d+(?:\.\d+)?)(s?)x(\d+)x(\d+)@(\d+(?:\.\d+)?)(?:fps)?")


@dataclass(frozen=True)
class Costed:
    """A clip as a plan knows it: how many of its frames are shown, in how many seconds, and what the model is given."""

    frames: int
    of: int
    seconds: float
    item: Filmed


def wanted(frames: int | None, fps: float | None) -> Take | None:
    """Which frames were asked for. Raises `UserError`."""
    if frames is not None and fps is not None:
        raise UserError("--frames and --fps both say which frames are shown: keep one.")
    if (frames is not None and frames < 1) or (fps is not None and fps <= 0):
        raise UserError("--frames takes a number of at least 1, --fps one above 0.")
    if frames is not None:
        return Even(frames)
    return None if fps is None else PerSecond(fps)


def reel(text: str) -> Reel:
    """A clip by its path, or described: 48x640x360@24fps are 48 frames of that width and height, 30sx640x360@24fps are thirty
    seconds of them. Raises `UserError`."""
    from chiasm.pixels.clips import Clip, clip_header
    from chiasm.pixels.reel import Reel

    found = DESCRIBED.fullmatch(text)
    if found is None:
        return clip_header(Clip(text))
    length, seconds, width, height, fps = found.groups()
    rate = Fraction(fps)
    count = int(Fraction(length) * rate) if seconds else int(float(length))
    if "." in length and not seconds:
        raise UserError(f"--clip {text} has {length} frames: a whole number of frames, or seconds with an s, such as 30s")
    if 0 in (count, rate, int(width), int(height)):
        raise UserError(f"--clip {text} shows nothing: frames, width, height and rate are above 0, such as 30sx640x360@24fps")
    return Reel.steady(text, (int(width), int(height)), count, rate)


def costed(name: str, spec: Writer, clip: Reel, take: Take | None) -> Costed:
    """What a model makes of a clip. Raises `Unsupported` where it sees none, `UserError` for more frames than it looks at."""
    from chiasm.errors import Unsupported
    from chiasm.geometry import Size, meant
    from chiasm.pixels.reel import ClipLimits
    from chiasm.prompt.items import filmed

    if spec.sight is None or spec.sight.clips is None:
        raise Unsupported("read clips", name)
    shown = clip.taken(meant(take, spec.sight.clips.take), ClipLimits())
    item = filmed(spec.sight, spec.sight.clips, Size(clip.width, clip.height), shown.times, clip.name)
    return Costed(len(shown.times), len(clip.begins), float(clip.seconds), item)


def parted(words: tuple[str, ...], take: Take | None) -> tuple[str | Clip, ...]:
    """Paths of pictures, and clips where a path is a folder, a video or an animation."""
    from chiasm.pixels.clips import Clip, moves

    if any(not word.strip() for word in words):
        raise BadPicture("A picture has an empty name: was a variable of the shell empty?")
    return tuple(Clip(word, take) if moves(word) else word for word in words)
