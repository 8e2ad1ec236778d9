"""Clips: which of their moments are shown, and the view that all frames of one share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from chiasm.geometry.kinds import views
from chiasm.geometry.sizes import Size
from chiasm.geometry.strokes import View
from chiasm.spec import Encoder, Even, Frames, Native, PerSecond, Resize, Take


def moments(take: Take, frames: int, seconds: Fraction) -> tuple[Fraction, ...]:
    """The seconds of a clip at which it is looked at; of one with a constant rate each is in the time of another frame, unless
    a short one shows frames more than once."""
    match take:
        case Even(wanted, "starts" | None):
            return _starts(min(wanted, frames), seconds)
        case Even(wanted, "middles"):
            count = min(wanted, frames)
            edges = [round((frames - 1) / count * edge) for edge in range(count + 1)]
            chosen = [(edges[number] + edges[number + 1]) // 2 for number in range(count)]
        case Even(wanted):
            part = (frames - 1) / wanted
            chosen = [int(part / 2) + round(part * number) for number in range(wanted)]
        case PerSecond(rate, least, most, group):
            count = math.floor(min(max(float(seconds) * rate, least), frames if most is None else min(most, frames)))
            # Of a clip shorter than one group all frames are shown; the encoder sees the last one again.
            return _starts(count // group * group or min(group, frames), seconds)
    return tuple(number * seconds / frames for number in chosen)


def meant(asked: Take | None, published: Take) -> Take:
    """What is taken of a clip of which this was asked, by a model that was made for that."""
    match asked, published:
        case None, _:
            return published
        case Even(frames, None), Even(at=at):
            return Even(frames, at)
        case _:
            return asked


def _starts(count: int, seconds: Fraction) -> tuple[Fraction, ...]:
    return tuple(number * seconds / count for number in range(count))


def clip_view(frames: Frames, encoder: Encoder, size: Size, times: Sequence[float], item: int) -> View:
    """The view of a clip whose frames have that size and are shown at those seconds. Its grid's steps are of as many frames as
    the encoder reads at once; the last frame is repeated where they do not come out even."""
    (view,) = views(_of_many(frames, encoder.frames, len(times)), frames.pixels, encoder, size, item)
    begins = tuple(times[:: encoder.frames])
    return replace(view, grid=replace(view.grid, t=len(begins), times=begins))


def _of_many(frames: Frames, together: int, count: int) -> Resize | Native:
    """The views of one among so many frames, which share what there is."""
    match frames.views:
        case Native(least=least, most=most) if frames.shared is not None:
            return replace(frames.views, most=max(min(most, frames.shared * together // count), int(least * 1.05)))
        case _:
            return frames.views
