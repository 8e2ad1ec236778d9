"""Views of one size for every picture."""

from __future__ import annotations

from chiasm.errors import BadPicture
from chiasm.geometry.sizes import Size, too_thin
from chiasm.geometry.strokes import Crop, Pad, Sample, Scale, Stroke, Turn, View, view_of
from chiasm.spec import Both, Corner, Encoder, Letterbox, LowHigh, Pixels, Resize, Sheet


def resize(spec: Resize, pixels: Pixels, size: Size) -> tuple[Stroke, ...]:
    """What makes the one view, `height` x `width` pixels: squashed, or scaled by the shortest edge and cut to the centre,
    padded to a square in the colour of the mean or resized halfway first where the spec says so."""
    strokes: list[Stroke] = []
    if spec.halfway is not None:
        strokes.extend(_halfway(spec.shortest or spec.height, spec.halfway, size))
        size = Size(strokes[-1].width, strokes[-1].height)
    if spec.fit == "squash":
        return (*strokes, Scale(spec.height, spec.width))
    if spec.fit == "pad" and size.width != size.height:
        side = max(size.width, size.height)
        red, green, blue = (int(mean * 255) for mean in pixels.mean)
        strokes.append(Pad((side - size.height) // 2, (side - size.width) // 2, side, side, (red, green, blue)))
        size = Size(side, side)
    scale = _scaled(spec.shortest or spec.height, size)
    strokes.append(scale)
    strokes.extend(_centre(scale.height, scale.width, spec))
    return tuple(strokes)


def _scaled(shortest: int, size: Size) -> Scale:
    """The shortest edge to so many pixels, the other one cut to whole ones."""
    short, long = sorted((size.width, size.height))
    longest = int(shortest * long / short)
    return Scale(longest, shortest) if size.height >= size.width else Scale(shortest, longest)


def _halfway(least: int, most: int, size: Size) -> list[Stroke]:
    """Its longest edge is reckoned twice, rounded at two places: what the first has more is cut off at the end."""
    short, long = sorted((size.width, size.height))
    shortest = max(min(short, int(min(most, long) / (long / short))), least)
    scale, longest = _scaled(shortest, size), int(shortest * (long / short))
    if longest == max(scale.height, scale.width):
        return [scale]
    return [scale, Crop(0, 0, longest, scale.width) if size.height > size.width else Crop(0, 0, scale.height, longest)]


def _centre(height: int, width: int, spec: Resize) -> list[Stroke]:
    """The centre of a picture; where it is smaller than the crop, zeros around it."""
    if (height, width) == (spec.height, spec.width):
        return []
    margins = (height - spec.height, width - spec.width)
    top, left = (round(m / 2) if spec.centre == "even" else m // 2 for m in margins)
    return [Crop(top, left, spec.height, spec.width)]


def letterbox(spec: Letterbox, pixels: Pixels, size: Size) -> tuple[Stroke, ...]:
    """The picture scaled until its longest edge is `side` pixels, in the middle of a square in the colour of the mean."""
    longest = max(size.height, size.width)
    shrink = spec.side / longest

    def shrunk(edge: int) -> int:
        return max(round(edge * shrink) if spec.rounds == "near" else int(edge / longest * spec.side), spec.least)

    height, width = shrunk(size.height), shrunk(size.width)
    scale = Scale(height, width)
    if height == width:
        return (scale,)
    side = max(height, width)
    red, green, blue = (int(mean * 255) for mean in pixels.mean)
    return scale, Pad((side - height) // 2, (side - width) // 2, side, side, (red, green, blue))


def low_high(spec: LowHigh, pixels: Pixels, encoder: Encoder, size: Size, item: int) -> tuple[View, View]:
    """Two views of one picture, the low one made of the high one's pixels, each in patches of its own encoder."""
    assert isinstance(encoder, Both)
    high = letterbox(spec.high, spec.pixels, size)
    low = (*high, Scale(spec.low, spec.low) if spec.squashes == "pixels" else Sample(spec.low, spec.low, "smooth"))
    return view_of(low, encoder.low.patch, pixels, size, item), view_of(high, encoder.high.tower.patch, spec.pixels, size, item)


def corner_size(spec: Corner, size: Size) -> tuple[int, int]:
    """Height and width with the longest edge at `side`, halves up."""
    scale = spec.side * 1.0 / max(size.height, size.width)
    height, width = int(size.height * scale + 0.5), int(size.width * scale + 0.5)
    if min(height, width) < 1:
        raise BadPicture(too_thin(size))
    return height, width


def sheet(spec: Sheet, size: Size) -> tuple[Stroke, ...]:
    """A page on a sheet of `height` x `width` pixels, zeros around it, as Donut's processor has it (arXiv:2111.15664): turned
    where the spec says so, scaled by its shortest edge, then down into the sheet. Raises `BadPicture` for one of which no pixel
    would be left."""
    strokes: list[Stroke] = []
    height, width = size.height, size.width
    if spec.turn == "to_fit" and (spec.height - spec.width) * (height - width) < 0:
        height, width = width, height
        strokes.append(Turn(height, width))
    shortest, (short, long) = min(spec.height, spec.width), sorted((height, width))
    longest = int(shortest * long / short)
    height, width = (longest, shortest) if height >= width else (shortest, longest)
    strokes.append(Scale(height, width))
    high, wide = min(height, spec.height), min(width, spec.width)
    if (high, wide) != (height, width):
        if height > width:
            wide = width * high // height
        elif width > height:
            high = height * wide // width
        if min(high, wide) < 1:
            raise BadPicture(too_thin(size))
        strokes.append(Scale(high, wide))
    strokes.append(Pad((spec.height - high) // 2, (spec.width - wide) // 2, spec.height, spec.width))
    return tuple(strokes)
