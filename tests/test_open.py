"""The one door: what is sound is opened exactly as Pillow opens it, upright and on a stated ground."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from attack.pictures import chunk, encoded, png, sample
from doors import KINDS, pillow, refusal
from PIL import Image, ImageOps, ImageSequence

from chiasm.errors import BadPicture
from chiasm.pixels.open import header, open_picture

STORABLE = {
    "JPEG": ("RGB", "L", "1", "CMYK"),
    "PNG": ("RGB", "L", "1", "P"),
    "WEBP": ("RGB", "L", "1", "P", "CMYK"),
    "GIF": ("RGB", "L", "1", "P"),
    "BMP": ("RGB", "L", "1", "P"),
}


@pytest.mark.parametrize(("mode", "kind", "options"), [(m, k, o) for k, o in KINDS for m in STORABLE[k]])
def test_ordinary_files_equal_pillow(mode: str, kind: str, options: dict) -> None:
    for size in [(48, 36), (1, 1), (1, 400), (400, 1), (1500, 900)]:
        data = encoded(sample(*size).convert(mode), kind, **options)
        picture = open_picture(data)
        assert np.array_equal(picture.pixels, pillow(data))
        assert picture.sha256 == hashlib.sha256(data).hexdigest()
        measured = header(data)
        assert (measured.width, measured.height) == size == (picture.width, picture.height)


def test_every_kind_of_source_gives_the_same_picture(tmp_path: Path) -> None:
    data = encoded(sample(), "PNG")
    path = tmp_path / "cat.png"
    path.write_bytes(data)
    link = tmp_path / "link.jpg"
    link.symlink_to(path)
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    for source in (path, str(path), link, data, bytearray(data), memoryview(data), url):
        picture = open_picture(source)
        assert np.array_equal(picture.pixels, pillow(data))
        assert picture.sha256 == hashlib.sha256(data).hexdigest()
        assert header(source).format == "PNG"
    assert open_picture(path).name == str(path)
    assert open_picture(data, name="row 7").name == "row 7"
    assert data[:4].hex() not in open_picture(url).name


def test_decoded_sources() -> None:
    image = sample()
    array = np.asarray(image)
    first, second = open_picture(image), open_picture(array)
    assert np.array_equal(first.pixels, array) and np.array_equal(second.pixels, array)
    assert first.sha256 == second.sha256 != open_picture(array.reshape(array.shape[1], array.shape[0], 3)).sha256
    assert not np.shares_memory(second.pixels, array) and second.pixels.flags.writeable
    assert np.array_equal(open_picture(array[:, :, 0]).pixels, np.repeat(array[:, :, :1], 3, axis=2))
    assert np.array_equal(open_picture(array[:, :, :1]).pixels, np.repeat(array[:, :, :1], 3, axis=2))
    clear = np.dstack([array, np.zeros(array.shape[:2], np.uint8)])
    assert (open_picture(clear, ground=(1, 2, 3)).pixels == (1, 2, 3)).all()
    assert (header(array).width, header(array).height, header(array).format) == (48, 36, None)
    assert (header(image).width, header(image).height) == (48, 36)
    flipped = array[::-1, ::2]
    assert np.array_equal(open_picture(flipped).pixels, flipped)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((3, 40, 40), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((4, 4, 3), np.int64),
    ],
)
def test_arrays_that_are_no_pictures(array: np.ndarray) -> None:
    refusal(array)
    with pytest.raises(BadPicture):
        header(array)


def exif_block(orientation: int, order: str) -> bytes:
    magic = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    other = struct.pack(f"{order}HHII", 0x0100, 4, 1, 48)
    return magic + struct.pack(f"{order}IH", 8, 2) + other + entry + bytes(4)


def turned(kind: str, orientation: int) -> bytes:
    order = "<" if orientation % 2 else ">"
    block = exif_block(orientation, order)
    xmp = f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()
    plain = encoded(sample(), "PNG")
    raw = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    match kind:
        case "JPEG" | "WEBP":
            return encoded(sample(), kind, exif=b"Exif\0\0" + block)
        case "JPEG xmp":
            return encoded(sample(), "JPEG", xmp=xmp)
        case "WEBP xmp":
            return encoded(sample(), "WEBP", xmp=xmp)
        case "PNG":
            return plain[:33] + chunk(b"eXIf", block) + plain[33:]
        case "PNG late":
            return plain[:-12] + chunk(b"eXIf", block) + plain[-12:]
        case "PNG raw profile":
            return plain[:33] + chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw)) + plain[33:]
        case "PNG xmp":
            return plain[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp) + plain[33:]
        case _:
            return plain[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)) + plain[33:]


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize(
    "kind",
    ["JPEG", "WEBP", "PNG", "PNG late", "PNG raw profile", "JPEG xmp", "WEBP xmp", "PNG xmp", "PNG packed xmp"],
)
def test_orientation_as_pillow_turns_it(kind: str, orientation: int) -> None:
    data = turned(kind, orientation)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert upright.shape[:2] == ((48, 36) if orientation in (5, 6, 7, 8) else (36, 48))
    assert np.array_equal(open_picture(data).pixels, upright)
    assert (header(data).height, header(data).width) == upright.shape[:2]
    lazy = Image.open(io.BytesIO(data))
    assert np.array_equal(open_picture(lazy).pixels, upright)
    assert (header(lazy).height, header(lazy).width) == upright.shape[:2]


def test_broken_exif_leaves_the_picture_as_it_is() -> None:
    for block in (b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"XX*\0" + bytes(40), exif_block(6, "<")[:20]):
        data = encoded(sample(), "JPEG", exif=b"Exif\0\0" + block)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert open_picture(data).pixels.shape == (36, 48, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PNG palette"])
def test_alpha_is_composed_on_the_ground(mode: str) -> None:
    image = sample(channels=4)
    if mode == "PNG palette":
        image = image.convert("RGB").quantize(16)
        data = encoded(image, "PNG", transparency=bytes(range(0, 256, 16)))
    elif mode == "P":
        data = encoded(image.convert("RGB").quantize(16), "GIF", transparency=3)
    else:
        data = encoded(image.convert(mode), "PNG")
    rgba = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(np.float64)
    alpha = rgba[:, :, 3:] / 255
    assert (alpha < 1).any()
    for ground in [(255, 255, 255), (0, 0, 0), (10, 200, 77)]:
        exact = rgba[:, :, :3] * alpha + np.array(ground) * (1 - alpha)
        pixels = open_picture(data, ground=ground).pixels
        assert np.abs(pixels - exact).max() <= 0.51
        assert np.array_equal(pixels[alpha[:, :, 0] == 1], rgba[:, :, :3][alpha[:, :, 0] == 1])
        assert (pixels[alpha[:, :, 0] == 0] == ground).all()


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_value_hides_just_that_value(depth: int) -> None:
    top = (1 << depth) - 1
    values = [0, top] if depth == 1 else [0, 1, 2, top]
    bits = "".join(f"{v:0{depth}b}" for v in values)
    row = int(bits.ljust(-len(bits) % 8 + len(bits), "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    for hidden in range(len(values)):
        key = chunk(b"tRNS", struct.pack(">H", values[hidden]))
        data = png(len(values), 1, [row], depth=depth, colour=0, extra=key)
        shades = [v >> 8 if depth == 16 else v * 255 // top for v in values]
        expected = [[9, 8, 7] if i == hidden else [s] * 3 for i, s in enumerate(shades)]
        assert open_picture(data, ground=(9, 8, 7)).pixels[0].tolist() == expected


def test_a_transparent_colour_hides_just_that_colour() -> None:
    row = bytes([1, 2, 3, 1, 2, 4, 0, 2, 3])
    key = chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    assert open_picture(png(3, 1, [row], extra=key)).pixels[0].tolist() == [[255] * 3, [1, 2, 4], [0, 2, 3]]


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 512).astype(">u2")
    grey = png(512, 1, [ramp.tobytes()], depth=16, colour=0)
    colour = png(512, 1, [np.repeat(ramp, 3).tobytes()], depth=16, colour=2)
    expected = np.repeat((ramp >> 8).astype(np.uint8)[None, :, None], 3, axis=2)
    assert np.array_equal(open_picture(grey).pixels, expected)
    assert np.array_equal(open_picture(colour).pixels, expected)
    assert np.array_equal(open_picture(Image.fromarray(ramp.astype(np.uint16)[None])).pixels, expected)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_modes_without_a_range_are_refused(mode: str) -> None:
    assert "range" in refusal(Image.new(mode, (4, 4)))


def test_of_an_animation_the_first_frame() -> None:
    frames = [sample(seed=s).quantize(32) for s in range(4)]
    for kind in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0].convert("RGB"), kind, save_all=True, append_images=frames[1:], duration=50)
        assert len(ImageSequence.all_frames(Image.open(io.BytesIO(data)))) == 4
        assert np.array_equal(open_picture(data).pixels, pillow(data)), kind


def test_a_first_frame_off_the_screen_widens_it_as_pillow_has_it() -> None:
    data = encoded(sample().quantize(8), "GIF")
    small = data[:6] + struct.pack("<HH", 20, 10) + data[10:]
    assert (header(small).width, header(small).height) == (48, 36)
    assert np.array_equal(open_picture(small).pixels, pillow(small))


def test_what_follows_a_jpeg_is_not_looked_at() -> None:
    data = encoded(sample(), "JPEG")
    tail = b"\xff\xda" * 1000 + b"\0\0\0\x18ftypmp42" + bytes(1000)
    assert np.array_equal(open_picture(data + tail).pixels, pillow(data))
