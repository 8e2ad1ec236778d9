"""Pictures and clips cut into flat patches, and back, exactly; numpy arrays and torch tensors alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import ChiasmError

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", NDArray[np.float32], "torch.Tensor")


def patchify(pixels_CHW: Array, patch: int) -> Array:
    """(C, H, W) to (P, K): patches in raster order, K ordered (channel, y, x), as a convolution's weight has it (ViT,
    arXiv 2010.11929). One copy, of the result's size.

    Raises: ChiasmError, where H or W is not a multiple of `patch`.
    """
    clip_1CHW: Array = pixels_CHW[None]
    return patchify_frames(clip_1CHW, patch, frames=1)


def unpatchify(patches_PK: Array, patch: int, height: int, width: int) -> Array:
    """The inverse of `patchify`: (P, K) to (C, height, width), in pixels.

    Raises: ChiasmError, where the patches are not those of that size.
    """
    pixels_CHW: Array = unpatchify_frames(patches_PK, patch, height, width, frames=1)[0]
    return pixels_CHW


def patchify_frames(pixels_TCHW: Array, patch: int, frames: int) -> Array:
    """(T, C, H, W) to (P, K): patches of `frames` frames each, in raster order of (time, y, x), K ordered
    (channel, time, y, x), as a 3-d convolution's weight has it. One copy, of the result's size.

    Raises: ChiasmError, where T is not a multiple of `frames`, or H or W not one of `patch`.
    """
    time, channels, height, width = pixels_TCHW.shape
    _check(time, height, width, patch, frames)
    t, h, w = time // frames, height // patch, width // patch
    cut = pixels_TCHW.reshape(t, frames, channels, h, patch, w, patch)
    return _permuted(cut, (0, 3, 5, 2, 1, 4, 6)).reshape(t * h * w, channels * frames * patch * patch)


def unpatchify_frames(patches_PK: Array, patch: int, height: int, width: int, frames: int) -> Array:
    """The inverse of `patchify_frames`: (P, K) to (T, C, height, width).

    Raises: ChiasmError, where the patches are not those of that size.
    """
    count, numbers = patches_PK.shape
    _check(frames, height, width, patch, frames)
    h, w = height // patch, width // patch
    if count % (h * w) or numbers % (frames * patch * patch):
        raise ChiasmError(f"{count} patches of {numbers} numbers do not make frames of {height}x{width} by {patch}.")
    t, channels = count // (h * w), numbers // (frames * patch * patch)
    cut = patches_PK.reshape(t, h, w, channels, frames, patch, patch)
    return _permuted(cut, (0, 4, 3, 1, 5, 2, 6)).reshape(t * frames, channels, height, width)


def _check(time: int, height: int, width: int, patch: int, frames: int) -> None:
    if height % patch or width % patch or time % frames:
        raise ChiasmError(f"{time} frames of {height}x{width} cannot be cut into patches of {frames}x{patch}x{patch}.")


def _permuted(array: Array, axes: tuple[int, ...]) -> Array:
    if isinstance(array, np.ndarray):
        return array.transpose(axes)
    return array.permute(axes)
