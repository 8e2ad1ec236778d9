"""Resizing, cropping, padding and normalising, equal to Pillow and to the reference processors bit for bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.errors import ChiasmError
from chiasm.spec import Resample

Drawn = NDArray[np.uint8] | NDArray[np.float32]
"""Pixels, or fractions of their numbers once they are sampled."""

_PILLOW: dict[Resample, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST, "box": Image.Resampling.BOX, "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING, "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS,
}  # fmt: skip
RESAMPLES = tuple(_PILLOW)
"""Pillow's."""


def resize(pixels_HWC: NDArray[np.uint8], height: int, width: int, resample: Resample = "bicubic") -> NDArray[np.uint8]:
    """Pillow's `Image.resize`, antialiased where the filter is, or torch's nearest; uint8 (H, W, C) with 1, 3 or 4 channels.

    The fourth channel is alpha, by which Pillow weighs the colours. Returns a new array.

    Raises: ChiasmError, where the array or the size is none that can be resized.
    """
    if pixels_HWC.dtype != np.uint8 or pixels_HWC.ndim != 3 or pixels_HWC.shape[2] not in (1, 3, 4):
        raise ChiasmError(f"resize takes uint8 of shape (H, W, 1, 3 or 4), not {pixels_HWC.dtype} of {pixels_HWC.shape}.")
    if min(height, width, *pixels_HWC.shape) < 1:
        raise ChiasmError(f"resize goes between sizes of at least 1x1, not {pixels_HWC.shape[:2]} to {(height, width)}.")
    if resample == "corner":
        return pixels_HWC[_corners(pixels_HWC.shape[0], height)][:, _corners(pixels_HWC.shape[1], width)]
    if resample not in _PILLOW:
        raise ChiasmError(f"resize knows {', '.join(RESAMPLES)} and corner, not {resample!r}.")
    channels = pixels_HWC.shape[2]
    image = Image.fromarray(pixels_HWC[:, :, 0] if channels == 1 else pixels_HWC)
    resized = np.array(image.resize((width, height), _PILLOW[resample]))
    return resized.reshape(height, width, channels)


def _corners(cells: int, to: int) -> NDArray[np.int64]:
    """The old cell where each new one begins, reckoned in single precision as torch does."""
    begins = np.floor(np.arange(to, dtype=np.float32) * (np.float32(cells) / np.float32(to)))
    return np.minimum(begins.astype(np.int64), cells - 1)


def sample(pixels_HWC: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """Cubic interpolation between the nearest pixels (Keys' kernel with -0.75), without smoothing and without rounding: what
    torch's `interpolate` calls bicubic. Values may leave 0..255."""
    (y, by_y), (x, by_x) = (_cubic(*axis) for axis in ((pixels_HWC.shape[0], height), (pixels_HWC.shape[1], width)))
    rows_HWC = np.einsum("hkwc,hk->hwc", pixels_HWC[y].astype(np.float32), by_y)
    sampled_HWC: NDArray[np.float32] = np.einsum("hwkc,wk->hwc", rows_HWC[:, x], by_x)
    return sampled_HWC


def smooth(pixels_HWC: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """Linear interpolation over as many pixels as a new one covers, without rounding: what torch's `interpolate` calls bilinear
    and antialiased."""
    planes = (Image.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(pixels_HWC, 2, 0))
    drawn = [np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR)) for plane in planes]
    return np.stack(drawn, 2, dtype=np.float32)


def _cubic(cells: int, to: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The four old cells around each new centre, and their shares."""
    place = (np.arange(to, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / to) - np.float32(0.5)
    first = np.floor(place)
    away = np.abs(place[:, None] - (first[:, None] + np.arange(-1, 3, dtype=np.float32)))
    a = np.float32(-0.75)
    near = ((a + 2) * away - (a + 3)) * away**2 + 1
    far = ((a * away - 5 * a) * away + 8 * a) * away - 4 * a
    index = np.clip(first[:, None].astype(np.int64) + np.arange(-1, 3), 0, cells - 1)
    return index, np.where(away <= 1, near, far).astype(np.float32)


def pad(
    pixels_HWC: NDArray[np.uint8], top: int, left: int, height: int, width: int, colour: Sequence[int]
) -> NDArray[np.uint8]:
    """The picture laid on a canvas of `height` x `width` in `colour`, its corner at (top, left).

    Raises: ChiasmError, where the picture does not lie wholly on the canvas.
    """
    high, wide, channels = pixels_HWC.shape
    if top < 0 or left < 0 or top + high > height or left + wide > width:
        raise ChiasmError(f"{high}x{wide} at ({top}, {left}) does not lie on a canvas of {height}x{width} (H x W).")
    if len(colour) != channels:
        raise ChiasmError(f"the padding has {len(colour)} channels and the picture {channels}.")
    canvas_HWC = np.empty((height, width, channels), pixels_HWC.dtype)
    canvas_HWC[:] = np.array(colour, pixels_HWC.dtype)
    canvas_HWC[top : top + high, left : left + wide] = pixels_HWC
    return canvas_HWC


def crop(pixels_HWC: NDArray[np.uint8], top: int, left: int, height: int, width: int) -> NDArray[np.uint8]:
    """The window of `height` x `width` whose corner is at (top, left); what lies beyond the border is zero.

    A window inside the picture is a view; any other is a new array.
    """
    high, wide, channels = pixels_HWC.shape
    y0, y1 = (min(max(y, 0), high) for y in (top, top + height))
    x0, x1 = (min(max(x, 0), wide) for x in (left, left + width))
    inside_HWC = pixels_HWC[y0:y1, x0:x1]
    if inside_HWC.shape[:2] == (height, width):
        return inside_HWC
    if inside_HWC.size == 0:
        return np.zeros((height, width, channels), pixels_HWC.dtype)
    return pad(inside_HWC, y0 - top, x0 - left, height, width, (0,) * channels)


def normalise(pixels_HWC: Drawn, scale: float, mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """(pixel x scale - mean) / std as float32 (C, H, W), rounded where the reference processors round.

    They scale in double precision, round to single, and subtract and divide in single; a table of all 256 results per
    channel gives the same bits and costs one look-up a sample. Sampled numbers are fractions and go through one by one.

    Raises: ChiasmError, where the channels of picture, mean and std differ.
    """
    channels = pixels_HWC.shape[2]
    if not channels == len(mean) == len(std):
        raise ChiasmError(f"the picture has {channels} channels, mean {len(mean)} and std {len(std)}.")
    if pixels_HWC.dtype == np.float32:
        fractions_HWC = (pixels_HWC * np.float32(scale) - np.array(mean, np.float32)) / np.array(std, np.float32)
        return np.ascontiguousarray(fractions_HWC.transpose(2, 0, 1))
    scaled_256 = (np.arange(256, dtype=np.float64) * scale).astype(np.float32)
    table_C256 = (scaled_256 - np.array(mean, np.float32)[:, None]) / np.array(std, np.float32)[:, None]
    values_CHW = np.empty((channels, *pixels_HWC.shape[:2]), np.float32)
    whole_HWC = pixels_HWC.astype(np.uint8, copy=False)
    for channel in range(channels):
        # No index can be out of range, and any other mode than "clip" goes through a buffer, at twice the time.
        np.take(table_C256[channel], whole_HWC[:, :, channel], out=values_CHW[channel], mode="clip")
    return values_CHW
