"""Resizing and normalising equal Pillow and the reference processors in every bit; patches go back as they came."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from chiasm.errors import ChiasmError
from chiasm.pixels.patches import patchify, patchify_frames, unpatchify, unpatchify_frames
from chiasm.pixels.resize import RESAMPLES, crop, normalise, pad, resize
from chiasm.spec import Resample

SIDE = st.integers(1, 96)
SEED = st.integers(0, 2**32 - 1)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def pillow_resize(pixels: np.ndarray, height: int, width: int, resample: str) -> np.ndarray:
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    image = Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
    data = image.resize((width, height), Image.Resampling[resample.upper()]).tobytes()
    return np.frombuffer(data, np.uint8).reshape(height, width, pixels.shape[2])


@settings(max_examples=150)
@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from([1, 3, 4]), st.sampled_from(RESAMPLES), SEED)
def test_resize_equals_pillow(h: int, w: int, height: int, width: int, channels: int, resample: Resample, seed: int) -> None:
    pixels = noise(h, w, channels, seed)
    ours = resize(pixels, height, width, resample)
    assert ours.dtype == np.uint8 and ours.flags.writeable and not np.shares_memory(ours, pixels)
    assert np.array_equal(ours, pillow_resize(pixels, height, width, resample))


@pytest.mark.parametrize("resample", RESAMPLES)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("source", [(1, 1), (1, 4000), (4000, 1), (337, 335), (641, 480)])
@pytest.mark.parametrize("target", [(1, 1), (1, 4000), (4000, 1), (336, 336)])
def test_resize_at_the_edges(source: tuple[int, int], target: tuple[int, int], channels: int, resample: Resample) -> None:
    pixels = noise(*source, channels)
    assert np.array_equal(resize(pixels, *target, resample), pillow_resize(pixels, *target, resample))


@settings(max_examples=100)
@given(st.integers(1, 2000), st.integers(1, 300), st.integers(1, 300), st.integers(1, 40), SEED)
def test_the_pixel_under_the_corner_is_torchs_nearest(h: int, height: int, width: int, w: int, seed: int) -> None:
    pixels = noise(h, w, 3, seed)
    wanted = torch.nn.functional.interpolate(torch.from_numpy(pixels).permute(2, 0, 1)[None].float(), size=(height, width))
    ours = resize(pixels, height, width, "corner")
    assert ours.flags.writeable and not np.shares_memory(ours, pixels)
    assert np.array_equal(ours, wanted[0].permute(1, 2, 0).to(torch.uint8).numpy())


def test_resize_takes_views() -> None:
    pixels = noise(60, 50)
    for view in (pixels[::-1], pixels[5:40, 3:30], pixels.swapaxes(0, 1), pixels[:, :, ::-1]):
        assert np.array_equal(resize(view, 20, 30), pillow_resize(np.ascontiguousarray(view), 20, 30, "bicubic"))


@pytest.mark.parametrize(
    ("pixels", "size", "resample"),
    [
        (noise(4, 4, 2), (2, 2), "bicubic"),
        (noise(4, 4).astype(np.float32), (2, 2), "bicubic"),
        (noise(4, 4)[:, :, 0], (2, 2), "bicubic"),
        (noise(4, 4), (0, 2), "bicubic"),
        (noise(4, 4), (2, -1), "bicubic"),
        (noise(4, 0), (2, 2), "bicubic"),
        (noise(4, 4), (2, 2), "cubic"),
    ],
)
def test_resize_refuses_what_it_cannot_do(pixels: np.ndarray, size: tuple[int, int], resample: Any) -> None:
    with pytest.raises(ChiasmError):
        resize(pixels, *size, resample)


@settings(max_examples=100)
@given(SIDE, SIDE, st.integers(-120, 120), st.integers(-120, 120), SIDE, SIDE)
def test_crop_equals_pillow_beyond_the_border(h: int, w: int, top: int, left: int, height: int, width: int) -> None:
    pixels = noise(h, w)
    reference = Image.fromarray(pixels).crop((left, top, left + width, top + height))
    assert np.array_equal(crop(pixels, top, left, height, width), np.asarray(reference))


def test_pad_lays_the_picture_on_its_colour() -> None:
    pixels = noise(3, 4)
    canvas = pad(pixels, 2, 1, 7, 9, (10, 20, 30))
    assert np.array_equal(canvas[2:5, 1:5], pixels)
    canvas[2:5, 1:5] = (10, 20, 30)
    assert (canvas == (10, 20, 30)).all() and canvas.shape == (7, 9, 3)
    for wrong in [(5, 1, 7, 9), (2, 6, 7, 9), (-1, 0, 7, 9), (0, -1, 7, 9)]:
        with pytest.raises(ChiasmError):
            pad(pixels, *wrong, (0, 0, 0))
    with pytest.raises(ChiasmError):
        pad(pixels, 0, 0, 7, 9, (0, 0))


PROCESSORS = [CLIPImageProcessorPil, SiglipImageProcessorPil, Idefics3ImageProcessorPil, Qwen2VLImageProcessorPil]


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("seed", range(4))
def test_normalise_equals_the_reference(processor: type, seed: int) -> None:
    pixels = noise(61 + seed, 47, 3, seed)
    reference = processor()
    rng = np.random.default_rng(seed)
    mean = rng.uniform(0, 1, 3).tolist() if seed else reference.image_mean
    std = rng.uniform(0.1, 1, 3).tolist() if seed else reference.image_std
    scale = reference.rescale_factor
    expected = reference.normalize(reference.rescale(np.moveaxis(pixels, -1, 0), scale), mean, std)
    ours = normalise(pixels, scale, mean, std)
    assert ours.dtype == np.float32 and ours.flags.c_contiguous
    assert np.array_equal(ours.view(np.uint32), np.ascontiguousarray(expected, np.float32).view(np.uint32))


@pytest.mark.parametrize("processor", [CLIPImageProcessorPil, SiglipImageProcessorPil])
@pytest.mark.parametrize(("height", "width"), [(480, 640), (640, 480), (224, 224), (97, 1000), (13, 11)])
def test_a_whole_preprocessing_equals_the_reference(processor: type, height: int, width: int) -> None:
    pixels = noise(height, width)
    reference = processor()
    expected = reference(Image.fromarray(pixels), return_tensors="np")["pixel_values"][0]
    if processor is CLIPImageProcessorPil:
        short = 224
        long = int(short * max(height, width) / min(height, width))
        resized = resize(pixels, *((short, long) if height <= width else (long, short)))
        high, wide, _ = resized.shape
        square = crop(resized, (high - 224) // 2, (wide - 224) // 2, 224, 224)
    else:
        square = resize(pixels, 224, 224, "bicubic")
    ours = normalise(square, reference.rescale_factor, reference.image_mean, reference.image_std)
    assert np.array_equal(ours, expected)


def test_normalise_of_other_channels() -> None:
    grey = noise(5, 6, 1)
    assert np.array_equal(normalise(grey, 1.0, [0.0], [1.0])[0], grey[:, :, 0].astype(np.float32))
    assert normalise(noise(9, 8)[::2, 1:5], 1 / 255, [0.5] * 3, [0.5] * 3).shape == (3, 5, 4)
    with pytest.raises(ChiasmError):
        normalise(grey, 1.0, [0.0] * 3, [1.0] * 3)


def test_resize_leaves_flips_alone() -> None:
    pixels = noise(40, 30)
    mirrored = np.asarray(ImageOps.mirror(Image.fromarray(pixels)))
    assert np.array_equal(resize(mirrored, 40, 30), pixels[:, ::-1])


@settings(max_examples=60)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(1, 6), SEED)
def test_patches_return_exactly(channels: int, h: int, w: int, patch: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).standard_normal((channels, h * patch, w * patch)).astype(np.float32)
    patches = patchify(pixels, patch)
    assert patches.shape == (h * w, channels * patch * patch)
    for row in range(h):
        for column in range(w):
            window = pixels[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
            assert np.array_equal(patches[row * w + column], window.reshape(-1))
    assert np.array_equal(unpatchify(patches, patch, h * patch, w * patch), pixels)
    tensor = patchify(torch.from_numpy(pixels), patch)
    assert np.array_equal(tensor.numpy(), patches)
    assert torch.equal(unpatchify(tensor, patch, h * patch, w * patch), torch.from_numpy(pixels))


@settings(max_examples=60)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), SEED)
def test_clips_return_exactly(t: int, frames: int, channels: int, h: int, patch: int, seed: int) -> None:
    w = h + 1
    shape = (t * frames, channels, h * patch, w * patch)
    pixels = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    patches = patchify_frames(pixels, patch, frames)
    assert patches.shape == (t * h * w, channels * frames * patch * patch)
    last = pixels[-frames:, :, -patch:, -patch:].swapaxes(0, 1)
    assert np.array_equal(patches[-1], last.reshape(-1))
    assert np.array_equal(unpatchify_frames(patches, patch, h * patch, w * patch, frames), pixels)
    assert np.array_equal(patchify_frames(torch.from_numpy(pixels), patch, frames).numpy(), patches)


def test_a_convolution_is_a_product_of_patches() -> None:
    pixels, weight = torch.randn(3, 28, 42), torch.randn(5, 3, 14, 14)
    convolved = torch.nn.functional.conv2d(pixels[None], weight, stride=14)[0].flatten(1).T
    assert torch.allclose(patchify(pixels, 14) @ weight.flatten(1).T, convolved, atol=1e-4)
    clip, weight = torch.randn(4, 3, 28, 42), torch.randn(5, 3, 2, 14, 14)
    convolved = torch.nn.functional.conv3d(clip.swapaxes(0, 1)[None], weight, stride=(2, 14, 14))[0].flatten(1).T
    assert torch.allclose(patchify_frames(clip, 14, 2) @ weight.flatten(1).T, convolved, atol=1e-4)


def test_patches_refuse_what_does_not_divide() -> None:
    pixels = np.zeros((3, 28, 30), np.float32)
    with pytest.raises(ChiasmError):
        patchify(pixels, 14)
    with pytest.raises(ChiasmError):
        patchify_frames(np.zeros((3, 3, 28, 28), np.float32), 14, 2)
    with pytest.raises(ChiasmError):
        unpatchify(np.zeros((4, 588), np.float32), 14, 28, 42)
    with pytest.raises(ChiasmError):
        unpatchify(np.zeros((4, 587), np.float32), 14, 28, 28)
