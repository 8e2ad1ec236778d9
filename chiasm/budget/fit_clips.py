"""The most of a clip that stays within a budget: of its frames, of their resolution, of clips like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chiasm.budget.cost import PictureCost, picture_cost
from chiasm.budget.fit import Within, judge, most, sizes_of
from chiasm.errors import BadPrompt
from chiasm.geometry import Size, meant
from chiasm.pixels.reel import ClipLimits, Reel
from chiasm.spec import Even, Frames, Sight, Take, Writer

if TYPE_CHECKING:
    from chiasm.prompt.items import Clip


@dataclass(frozen=True)
class ClipFit:
    """`frames`: so many of the clip fit at its own size (0: none), of the `shown` that a model may be shown of it, and take
    `tokens`. `largest`: the largest size of its shape at which as many as asked for fit (None: no size fits); `bounded` is
    false where that is the largest that may be opened at all. `clips`: how many as asked for fit."""

    frames: int
    shown: int
    tokens: int
    largest: PictureCost | None
    bounded: bool
    given: PictureCost
    clips: int


def fit_clip(
    spec: Writer, clip: Reel, take: Take | None, within: Within, *, count: int = 1, text: int = 0, generate: int = 0
) -> ClipFit:
    """Searches over the plan's own counting: over numbers of frames, over sizes of the clip's shape, over numbers of clips. Of
    what is read as more patches none is taken to need fewer tokens.

    `take` are the frames that are asked for (none: the model's own), `count` how many such clips must fit together, `text` and
    `generate` the tokens of text and answer beside them. Raises `BadPrompt` for a model that reads no clips, and what a clip
    raises whose frames cannot be taken.
    """
    sight = spec.sight
    if sight is None or sight.clips is None:
        raise BadPrompt("this model reads no clips, so none fits: choose a model that does")
    frames, holds = sight.clips, judge(spec, within, text, generate)
    asked = clip.taken(meant(take, frames.take), ClipLimits())
    given = picture_cost(sight, _seen(sight, frames, clip, asked.times))

    def first(options: Sequence[Clip]) -> int | None:
        """The number of the first that fits."""
        cells = [one.grid.cells for one in options]
        smaller = sorted(dict(zip(cells, options, strict=True)).items())
        fit = most(lambda n: n <= len(smaller) and holds(picture_cost(sight, smaller[n - 1][1]), count))
        return next((number for number, one in enumerate(cells) if fit and one <= smaller[fit - 1][0]), None)

    shown = min(len(clip.begins), ClipLimits().taken, ClipLimits().pixels // (clip.width * clip.height))
    shown = shown if frames.most is None else min(shown, frames.most)
    numbers = range(shown, 0, -1)
    by_number = [
        _seen(sight, frames, clip, clip.taken(meant(Even(number), frames.take), ClipLimits()).times) for number in numbers
    ]
    best = first(by_number)
    opened = [
        replace(clip, width=size.width, height=size.height)
        for size in sizes_of(Size(clip.width, clip.height))
        if size.width * size.height <= min(ClipLimits().picture.pixels, ClipLimits().pixels // len(asked.times))
    ]
    by_size = [_seen(sight, frames, one, asked.times) for one in opened]
    widest = first(by_size)
    return ClipFit(
        0 if best is None else numbers[best],
        shown,
        0 if best is None else picture_cost(sight, by_number[best]).tokens,
        None if widest is None else picture_cost(sight, by_size[widest]),
        widest != 0,
        given,
        most(lambda number: holds(given, number)),
    )


def _seen(sight: Sight, frames: Frames, clip: Reel, times: tuple[float, ...]) -> Clip:
    from chiasm.prompt.items import filmed

    return filmed(sight, frames, Size(clip.width, clip.height), times, clip.name)
