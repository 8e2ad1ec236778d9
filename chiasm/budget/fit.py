"""The inverse of a budget: the largest resolution, and the largest number of pictures, that stay within it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chiasm.budget.cost import PictureCost, parameter_count, picture_cost
from chiasm.budget.memory import BYTES, DType, request_bytes
from chiasm.errors import BadPicture, BadPrompt
from chiasm.geometry import Size, views
from chiasm.pixels.open import Limits
from chiasm.spec import JoinTiles, Sight, Writer


@dataclass(frozen=True)
class Tokens:
    """At most so many positions of pictures, marks and text; the answer is not counted."""

    limit: int


@dataclass(frozen=True)
class Memory:
    """At most so many bytes of weights, cache and working tensors, the answer's cache included."""

    limit: int
    dtype: DType = "bfloat16"


Within = Tokens | Memory


@dataclass(frozen=True)
class Fit:
    """`largest`: the largest picture of the given shape when as many as asked for must fit (None: no size fits);
    `bounded` is false where that is the largest picture that may be opened at all. `pictures`: how many of the given
    size fit."""

    largest: PictureCost | None
    bounded: bool
    given: PictureCost
    pictures: int


def fit(spec: Writer, shape: Size, within: Within, *, count: int = 1, text: int = 0, generate: int = 0) -> Fit:
    """Searches exactly, over the plan's own counting: from the largest picture that may be opened downwards, pixel by
    pixel of its longer side, and over numbers of pictures.

    `shape` is a picture's upright size, `count` how many of the largest size must fit together, `text` and `generate`
    the tokens of text and answer beside them. Raises `BadPrompt` for a model of text alone.
    """
    if spec.sight is None:
        raise BadPrompt("this model reads text alone, so no picture fits: choose a model that sees")
    holds = judge(spec, within, text, generate)
    seen = _remembering(spec.sight)
    given = picture_cost(spec.sight, shape)
    tried = ((size, seen(replace(size, beside=count - 1))) for size in sizes_of(shape))
    largest = next((replace(cost, size=size) for size, cost in tried if cost and holds(cost, count)), None)
    top = next(iter(sizes_of(shape)))
    # Some families look at many pictures less closely than at few; as many as fit are counted at what one costs by itself.
    return Fit(largest, largest is None or largest.size != top, given, most(lambda n: holds(given, n)))


def judge(spec: Writer, within: Within, text: int, generate: int) -> Callable[[PictureCost, int], bool]:
    """Whether `count` such pictures stay within the limit."""
    match within:
        case Tokens(limit):
            return lambda cost, count: count * cost.tokens + text <= limit
        case Memory(limit, dtype):
            weights = parameter_count(spec) * BYTES[dtype]

            def holds(cost: PictureCost, count: int) -> bool:
                prefill = count * cost.tokens + text
                asked = request_bytes(spec, count * cost.patches, prefill, prefill + generate, dtype, count * cost.outside)
                return weights + asked <= limit

            return holds


def sizes_of(shape: Size) -> list[Size]:
    """Every size of this shape that may be opened, the largest first, one a pixel of the longer side."""
    limits = Limits()
    long, short = max(shape.width, shape.height), min(shape.width, shape.height)
    most = min(limits.side, int((limits.pixels * long / short) ** 0.5))
    sizes = ((side, max(1, round(side * short / long))) for side in range(most, 0, -1))
    wide = shape.width >= shape.height
    return [Size(a, b) if wide else Size(b, a) for a, b in sizes if a * b <= limits.pixels]


def _remembering(sight: Sight) -> Callable[[Size], PictureCost | None]:
    """Costs of sizes, None where the model refuses one; grids of the same shapes are counted once."""
    known: dict[object, PictureCost] = {}
    unpads = any(isinstance(step, JoinTiles) for step in sight.connector)

    def cost(size: Size) -> PictureCost | None:
        try:
            grids = [view.grid for view in views(sight.views, sight.pixels, sight.encoder, size, 0)]
            key = size if unpads else tuple((grid.h, grid.w) for grid in grids)
            if key not in known:
                known[key] = picture_cost(sight, size)
        except BadPicture:
            return None
        return replace(known[key], size=size)

    return cost


def most(holds: Callable[[int], bool]) -> int:
    """The largest number that holds; what holds for a number holds for every smaller one."""
    if not holds(1):
        return 0
    high = 1
    while holds(2 * high) and high < 1 << 40:
        high *= 2
    low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
