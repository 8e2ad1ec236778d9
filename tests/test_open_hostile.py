"""Hostile bytes, paths and addresses at the door: one sentence each, memory flat."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import textwrap
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from attack.pictures import PNG, chunk, encoded, hostile, ihdr, png_bomb, sample
from doors import KINDS, ROOT, pillow, refusal
from PIL import Image, ImageFile

from chiasm.errors import BadPicture, UserError
from chiasm.pixels.container import FORMATS
from chiasm.pixels.open import MAX_PIXELS, Limits, header, open_picture

HOSTILE = hostile()


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_bytes_get_one_sentence(case: str, tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(HOSTILE[case])
    start = time.perf_counter()
    text = refusal(path)
    assert text.startswith(str(path)) and refusal(HOSTILE[case])
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("nothing", ["empty"]),
        ("text", ["found text", "JPEG, PNG, WebP, GIF, BMP"]),
        ("web page", ["found a web page"]),
        ("pdf", ["found a PDF", "render its pages"]),
        ("tiff", ["found a TIFF", "export"]),
        ("lfs pointer", ["git lfs pull"]),
        ("jpeg half", ["JPEG", "cut short"]),
        ("png half", ["PNG", "cut short"]),
        ("png bomb", ["30000x30000", "900,000,000", "67,108,864"]),
        ("png damaged", ["damaged"]),
        ("jpeg of 500 scans", ["more than 100 scans"]),
    ],
)
def test_the_sentence_says_what_was_found(case: str, words: list[str]) -> None:
    text = refusal(HOSTILE[case], name="holiday.jpg")
    assert text.startswith("holiday.jpg: ") and all(word in text for word in words), text


def test_a_real_bomb_is_refused_from_its_header_with_memory_flat(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_bomb())
    assert 2_000_000 < bomb.stat().st_size < 4_000_000
    script = """
        import resource, sys
        from chiasm.errors import BadPicture
        from chiasm.pixels.open import header, open_picture
        open_picture(sys.argv[1])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for door in (header, open_picture):
            try:
                door(sys.argv[2])
            except BadPicture as e:
                print(e)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    small = tmp_path / "small.png"
    small.write_bytes(encoded(sample(), "PNG"))
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(small), str(bomb)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    *sentences, grown = done.stdout.splitlines()
    assert len(sentences) == 2 and all("30000x30000" in s for s in sentences) and done.stderr == ""
    assert int(grown) < 16_000


def test_files_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "cat.png").write_bytes(encoded(sample(), "PNG"))
    start = time.perf_counter()
    assert "folder" in refusal(tmp_path)
    assert "pipe or a device" in refusal(tmp_path / "pipe.png")
    assert "pipe or a device" in refusal("/dev/zero")
    assert "near it are cat.png" in refusal(tmp_path / "cta.png")
    assert "no such file" in refusal(tmp_path / "nowhere" / "cat.png")
    assert "no such file" in refusal(tmp_path / "cat.png" / "inside.png")
    for odd in (tmp_path / "loop.png", "a" * 100_000, "nul\0byte.png", "line\nbreak\x1b[2J.png", ""):
        refusal(odd)
    assert time.perf_counter() - start < 2


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "private.png"
    path.write_bytes(encoded(sample(), "PNG"))
    path.chmod(0)
    if os.geteuid() != 0:
        assert "may not read" in refusal(path)
        return
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            open_picture(path)
        except BadPicture as e:
            os._exit(0 if "may not read" in str(e) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("address", ["http://169.254.169.254/x.png", "HTTPS://a.b/c.jpg", "file:///etc/passwd"])
def test_addresses_are_refused(address: str) -> None:
    assert "address" in refusal(address)


@pytest.mark.parametrize("url", ["data:,hello", "data:image/png,abc", "data:image/png;base64,%%%", "data:image/png"])
def test_broken_data_urls(url: str) -> None:
    refusal(url)


def test_things_that_are_no_source() -> None:
    for thing in (None, 3, ["a.png"], object):
        refusal(thing)


def test_limits() -> None:
    data = encoded(sample(), "PNG")
    open_picture(data, Limits(bytes=len(data), pixels=48 * 36, side=48, formats=("PNG",)))
    assert "Limits.bytes" in refusal(data, Limits(bytes=len(data) - 1))
    assert "Limits.bytes" in refusal("data:;base64," + base64.b64encode(data).decode(), Limits(bytes=len(data) - 1))
    assert "Limits.pixels" in refusal(data, Limits(pixels=48 * 36 - 1))
    assert "Limits.side" in refusal(data, Limits(side=47))
    assert "expected a picture (JPEG)" in refusal(data, Limits(formats=("JPEG",)))
    for source in (sample(), np.asarray(sample())):
        assert "Limits.pixels" in refusal(source, Limits(pixels=48 * 36 - 1))
    for wrong in ({"pixels": MAX_PIXELS + 1}, {"pixels": 0}, {"bytes": 0}, {"side": 0}, {"formats": ("TIFF",)}):
        with pytest.raises(UserError):
            Limits(**wrong)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_pillows_globals_are_neither_trusted_nor_changed(kind: str, options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(sample(), kind, **options)
    before = pillow(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(open_picture(data).pixels, before)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    if kind != "GIF":
        assert "cut short" in refusal(data[: len(data) * 2 // 3])
    assert Image.MAX_IMAGE_PIXELS == 1000 and ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_random_damage_gives_a_picture_or_a_sentence(kind: str, options: dict) -> None:
    data = bytearray(encoded(sample(), kind, **options))
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(200):
        damaged = bytearray(data)
        reach = len(data) if rng.random() < 0.3 else 64
        for _ in range(int(rng.integers(1, 5))):
            damaged[int(rng.integers(min(reach, len(data))))] = int(rng.integers(256))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                picture = open_picture(bytes(damaged))
            except BadPicture as e:
                refused += 1
                assert str(e).isprintable()
            else:
                measured = header(bytes(damaged))
                assert (measured.height, measured.width, 3) == picture.pixels.shape
    assert refused


def test_metadata_never_reaches_the_decoder() -> None:
    plain = encoded(sample(), "PNG")
    text_bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80 << 20), 9))
    assert np.array_equal(open_picture(plain[:33] + text_bomb + plain[33:]).pixels, pillow(plain))
    assert set(FORMATS) == {"JPEG", "PNG", "WebP", "GIF", "BMP"} and PNG + ihdr(48, 36) == plain[:33]
