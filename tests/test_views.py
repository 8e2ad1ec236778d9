"""Every view of every kind equals the reference processor's pixels, bit for bit, over the shared list of sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from sizes import FEW, SIZES

from chiasm.errors import BadPicture
from chiasm.pixels.patches import patchify_frames
from chiasm.pixels.resize import sample
from chiasm.pixels.views import look, packed
from chiasm.readers import CLIP_MEAN, CLIP_STD, HALF
from chiasm.reference.parts import clip_processor, processed, processor, siglip_processor
from chiasm.reference.patches import cut, rastered
from chiasm.spec import Axial, Block, Merge, Native, Pinpoints, Pixels, Resize, TileGrid, Views, ViT

CLIP, SIGLIP, IDEFICS = Pixels(CLIP_MEAN, CLIP_STD), Pixels(HALF, HALF), Pixels(HALF, HALF, resample="lanczos")
POINTS = ((30, 60), (60, 30), (60, 60), (90, 30), (30, 90))


@dataclass(frozen=True)
class Kind:
    """Views over patches of `patch` pixels, and the processor that makes the same."""

    views: Views
    pixels: Pixels
    patch: int
    by: Callable[[], Any]
    frames: int = 1

    @property
    def encoder(self) -> ViT:
        return ViT(Block(32, 4, 48, 4, 8), 1, self.patch, Axial(), frames=self.frames)


def cropped(shortest: int, crop: int) -> Callable[[], Any]:
    size, window = {"shortest_edge": shortest}, {"height": crop, "width": crop}
    return lambda: processor("clip", "CLIP", size=size, crop_size=window)


def tiled(folder: str, name: str, **settings: Any) -> Callable[[], Any]:
    size = {"size": {"longest_edge": 56}, "max_image_size": {"longest_edge": 28}}
    return lambda: processor(folder, name, **size, **settings)


KINDS = {
    "crop": Kind(Resize(30, 30), CLIP, 6, lambda: clip_processor(30)),
    "crop of a larger picture": Kind(Resize(28, 28, "crop", 34), CLIP, 7, cropped(34, 28)),
    "crop of a smaller picture": Kind(Resize(42, 42, "crop", 35), CLIP, 7, cropped(35, 42)),
    "pad": Kind(Resize(30, 30, "pad"), CLIP, 6, lambda: clip_processor(30, "llava", "Llava", do_pad=True)),
    "squash": Kind(Resize(28, 28, "squash"), SIGLIP, 7, lambda: siglip_processor(28)),
    "pinpoints": Kind(
        Pinpoints(30, POINTS), CLIP, 6,
        lambda: clip_processor(30, "llava_next", "LlavaNext", image_grid_pinpoints=[list(point) for point in POINTS]),
    ),
    "tiles": Kind(TileGrid(56, 28), IDEFICS, 7, tiled("idefics3", "Idefics3")),
    "tiles of SmolVLM": Kind(TileGrid(56, 28), IDEFICS, 7, tiled("smolvlm", "SmolVLM")),
    "one tile": Kind(TileGrid(56, 28, split=False), IDEFICS, 7, tiled("idefics3", "Idefics3", do_image_splitting=False)),
    "native": Kind(
        Native(12, 144, 2880), CLIP, 6,
        lambda: processor("qwen2_vl", "Qwen2VL", patch_size=6, size={"shortest_edge": 144, "longest_edge": 2880}), frames=2,
    ),
}  # fmt: skip


def theirs(kind: Kind, by: Any, picture: np.ndarray) -> torch.Tensor:
    """The reference's patches in raster order."""
    match kind.views:
        case Native():
            made = processed(by, [picture], "pixel_values", "image_grid_thw")
            return rastered((Merge(2),), made["pixel_values"], made["image_grid_thw"].tolist())
        case TileGrid():
            return cut(kind, processed(by, [[picture]], "pixel_values")["pixel_values"][0])
        case Pinpoints():
            return cut(kind, processed(by, [picture], "pixel_values")["pixel_values"][0])
        case Resize():
            return cut(kind, processed(by, [picture], "pixel_values")["pixel_values"])
        case _:
            raise AssertionError(f"no processor here makes {kind.views}")


def assert_equal(name: str, sizes: list[tuple[int, int]]) -> None:
    kind, draw = KINDS[name], np.random.default_rng(0)
    by = kind.by()
    for width, height in sizes:
        picture = draw.integers(0, 256, (height, width, 3), np.uint8)
        try:
            wanted = theirs(kind, by, picture)
        except ValueError:
            with pytest.raises(BadPicture):
                look(kind, picture, 0)
            continue
        assert torch.equal(torch.from_numpy(packed(look(kind, picture, 0))), wanted), (width, height)


@pytest.mark.parametrize("name", KINDS)
def test_views_are_the_processors_pixels(name: str) -> None:
    assert_equal(name, [*FEW, (200, 1), (1, 200), (201, 1), (3, 2039)])


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_views_are_the_processors_pixels_over_all_sizes(name: str) -> None:
    assert_equal(name, [(width, height) for width, height in SIZES if width * height < 3 * 10**6])


def test_sampling_is_torchs_unsmoothed_bicubic() -> None:
    draw = np.random.default_rng(0)
    for height, width, high, wide in ((60, 90, 28, 28), (20, 11, 28, 28), (28, 28, 28, 28)):
        pixels = draw.integers(0, 256, (height, width, 3), np.uint8)
        batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
        wanted = torch.nn.functional.interpolate(batch, (high, wide), mode="bicubic", align_corners=False)[0]
        np.testing.assert_allclose(sample(pixels, high, wide).transpose(2, 0, 1), wanted.numpy(), atol=2e-3)


@pytest.mark.parametrize(
    "size",
    [(640, 480), (1920, 1080), (480, 640), (477, 337), (430, 339), (376, 341), (300, 200), (720, 720), (336, 336), (3000, 60)],
)
def test_a_picture_resized_twice_is_that_of_pillow_in_two_steps(size: tuple[int, int]) -> None:
    """PLLaVA's processor before CLIP's: its longest edge is a product with the ratio, and the resize's a quotient."""
    noise_HWC = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    short, long = sorted(size)
    edge = max(min(short, int(min(640, long) / (long / short))), 336)
    resized, kept = int(edge * long / short), int(edge * (long / short))
    upright = size[1] > size[0]
    first = Pillow.fromarray(noise_HWC).resize((edge, resized) if upright else (resized, edge), Pillow.Resampling.BICUBIC)
    first = first.crop((0, 0, edge, kept) if upright else (0, 0, kept, edge))
    wanted = processed(clip_processor(336), [np.asarray(first)], "pixel_values")["pixel_values"]
    twice = Kind(Resize(336, 336, "crop", halfway=640), CLIP, 14, lambda: clip_processor(336))
    ((view, patches_PK),) = look(twice, noise_HWC, 0)
    assert np.array_equal(patches_PK, patchify_frames(np.asarray(wanted), 14, 1))
    assert view.grid.box.x0 >= -1e-6 and view.grid.box.x1 <= size[0] + 1e-6
