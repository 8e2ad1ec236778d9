"""From whatever a picture stores (palette, alpha, CMYK, 16 bits) to opaque 8-bit RGB, band by band to bound memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.pixels.orientation import stored_view, upright_size

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
_BAND_PIXELS = 1 << 20
_NO_RANGE = ("I", "F", "LAB")


class NoRange(Exception):
    """The picture's mode has no fixed range of values, so nobody can say what white is."""


def flatten(
    image: Image.Image, orientation: int, ground: Colour, colour_key: tuple[int, ...] | None = None
) -> NDArray[np.uint8]:
    """Decodes a picture and returns it upright, as a new uint8 (H, W, 3) array.

    Transparent pixels are composed on `ground`; 16-bit samples keep their high byte (as Pillow has it for 16-bit RGB);
    CMYK is read without its colour profile. Beside the decoder's own picture this takes three bytes a pixel.

    Raises: NoRange for the modes I, F and LAB.
    """
    if image.mode in _NO_RANGE:
        raise NoRange
    width, height = image.size
    upright_width, upright_height = upright_size(width, height, orientation)
    upright_HWC = np.empty((upright_height, upright_width, 3), np.uint8)
    stored_HWC = stored_view(upright_HWC, orientation)
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        # Some of Pillow's versions judge a crop by its global limit, so that a picture of one band is taken as it is.
        band = image if rows >= height else image.crop((0, top, width, bottom))
        stored_HWC[top:bottom] = _opaque(band, ground, colour_key)
    return upright_HWC


def _opaque(band: Image.Image, ground: Colour, colour_key: tuple[int, ...] | None) -> NDArray[np.uint8]:
    if band.mode.startswith("I;16"):
        grey_HW = np.asarray(band)
        pixels_HWC = np.repeat((grey_HW >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
        return _without_key(pixels_HWC, grey_HW[:, :, None], ground, colour_key)
    if band.has_transparency_data:
        coloured = band.convert("RGBA")
        canvas = Image.new("RGB", band.size, ground)
        canvas.paste(coloured, mask=coloured.getchannel("A"))
        return np.asarray(canvas)
    pixels_HWC = np.asarray(band.convert("RGB"))
    return _without_key(pixels_HWC, pixels_HWC, ground, colour_key)


def _without_key(
    pixels_HWC: NDArray[np.uint8],
    compared_HWC: NDArray[np.unsignedinteger],
    ground: Colour,
    colour_key: tuple[int, ...] | None,
) -> NDArray[np.uint8]:
    if colour_key is None:
        return pixels_HWC
    hidden_HW1 = (compared_HWC == np.array(colour_key)).all(axis=2, keepdims=True)
    return np.where(hidden_HW1, np.array(ground, np.uint8), pixels_HWC)
