"""Executes the views that geometry/ planned: strokes on uint8 pixels, then numbers, then patches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BadPicture
from chiasm.geometry import Blank, Crop, Pad, Sample, Scale, Size, Stroke, Turn, View, clip_view, views
from chiasm.pixels.patches import patchify_frames
from chiasm.pixels.resize import Drawn, crop, normalise, pad, resize, sample, smooth
from chiasm.spec import Encoder, Frames, Looks, Pixels

LARGEST_CANVAS = 178_956_970
"""Pixels that one resized canvas may have: the customary cap of servers on a decoded picture."""


def look(
    looks: Looks, pixels_HWC: NDArray[np.uint8], item: int, beside: int = 0, share: float = 1.0
) -> list[tuple[View, NDArray[np.float32]]]:
    """Every view of one upright RGB picture that is shown with so many `beside` it and given a `share` of what its family would
    (see `Size`), with its patches [P, K] in raster order.

    Raises `BadPicture` for a size that the family refuses, or whose resized canvas would be too large to hold.
    """
    height, width = pixels_HWC.shape[:2]
    planned = views(looks.views, looks.pixels, looks.encoder, Size(width, height, beside, share), item)
    done: dict[tuple[Stroke, ...], NDArray[np.uint8]] = {(): pixels_HWC}
    return [(view, _patches(view, _sampled(view.strokes, view.pixels, done), looks.encoder.frames)) for view in planned]


def _sampled(strokes: tuple[Stroke, ...], spec: Pixels, done: dict[tuple[Stroke, ...], NDArray[np.uint8]]) -> Drawn:
    """As `_drawn`; what is sampled at the end is pixels no more."""
    match strokes:
        case (*before, Sample(height, width, "cubic")):
            return sample(_drawn(tuple(before), spec, done), height, width)
        case (*before, Sample(height, width)):
            return smooth(_drawn(tuple(before), spec, done), height, width)
        case _:
            return _drawn(strokes, spec, done)


def _drawn(strokes: tuple[Stroke, ...], spec: Pixels, done: dict[tuple[Stroke, ...], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Strokes in order; what several views begin with is drawn once."""
    if strokes not in done:
        done[strokes] = _stroke(_drawn(strokes[:-1], spec, done), strokes[-1], spec)
    return done[strokes]


def _stroke(pixels_HWC: NDArray[np.uint8], stroke: Stroke, spec: Pixels) -> NDArray[np.uint8]:
    if stroke.height * stroke.width > LARGEST_CANVAS:
        message = (
            f"a picture of {pixels_HWC.shape[1]} x {pixels_HWC.shape[0]} pixels would be resized to {stroke.width} x "
            f"{stroke.height}, above the limit of {LARGEST_CANVAS} pixels: crop it to a less extreme shape"
        )
        raise BadPicture(message)
    match stroke:
        case Scale(height, width):
            return resize(pixels_HWC, height, width, spec.resample)
        case Sample():
            raise TypeError("strokes after a picture was sampled")
        case Pad(top, left, height, width, colour):
            return pad(pixels_HWC, top, left, height, width, colour)
        case Crop(top, left, height, width):
            return crop(pixels_HWC, top, left, height, width)
        case Blank():
            return pixels_HWC
        case Turn():
            return np.rot90(pixels_HWC, -1)


def look_clip(
    frames: Frames, encoder: Encoder, shown: Sequence[NDArray[np.uint8]], times: Sequence[float], item: int
) -> tuple[View, NDArray[np.float32]]:
    """The view of a clip's frames, [H, W, 3] each, that are shown at those seconds, with its patches [P, K] in raster order of
    (time, row, column)."""
    height, width = shown[0].shape[:2]
    view = clip_view(frames, encoder, Size(width, height), times, item)
    whole = [*shown, *[shown[-1]] * (-len(shown) % encoder.frames)]
    numbers_TCHW = np.stack([_numbers(view, _sampled(view.strokes, view.pixels, {(): pixels_HWC})) for pixels_HWC in whole])
    return view, patchify_frames(numbers_TCHW, view.patch, encoder.frames)


def _patches(view: View, pixels_HWC: Drawn, frames: int) -> NDArray[np.float32]:
    """Patches of a picture, which stands still for as many frames as the encoder reads at once."""
    return patchify_frames(np.repeat(_numbers(view, pixels_HWC)[None], frames, 0), view.patch, frames)


def _numbers(view: View, pixels_HWC: Drawn) -> NDArray[np.float32]:
    """Numbers [C, H, W] of whole patches; pixels beyond the last one are left out, as a strided convolution leaves them, and
    where the grid is larger than what was drawn there are zeros."""
    spec, height, width = view.pixels, view.grid.h * view.patch, view.grid.w * view.patch
    drawn = pixels_HWC[:height, :width]
    pixels_CHW = normalise(drawn, spec.scale, spec.mean, spec.std)
    if drawn.shape[:2] != (height, width):
        pixels_CHW = np.pad(pixels_CHW, ((0, 0), (0, height - drawn.shape[0]), (0, width - drawn.shape[1])))
    return pixels_CHW


def packed(seen: Sequence[tuple[View, NDArray[np.float32]]]) -> NDArray[np.float32]:
    """Patches of all views, one after the other, [P, K]; where encoders of two patches see, the smaller ones end in zeros."""
    widest = max(patches.shape[1] for _, patches in seen)
    return np.concatenate([np.pad(patches, ((0, 0), (0, widest - patches.shape[1]))) for _, patches in seen])
