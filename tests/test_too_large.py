"""Pictures beyond any family's budget: planned, or refused in one sentence that says what to do; nothing is allocated."""

import tracemalloc
from importlib import import_module

import pytest

from chiasm.cli import main
from chiasm.registry import families
from chiasm.spec import Causal, Seq2Seq

SEEING = [name for name, f in families().items() if isinstance(f.model, Causal | Seq2Seq) and f.model.sight is not None]
LARGEST = 300_000_000
"""Bytes that counting may take: a sixth of the pixels of the picture that is counted."""
ADVICE = ("crop it", "lower the resolution", "show it smaller")


@pytest.fixture(autouse=True)
def no_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts of parameters have tests of their own, and take most of the time here."""
    for module in ("cost", "fit"):
        monkeypatch.setattr(import_module(f"chiasm.budget.{module}"), "parameter_count", lambda spec: 10**9)


def planned(capsys: pytest.CaptureFixture[str], name: str, *words: str) -> tuple[int, str, str]:
    code = main(["plan", "--model", name, *words])
    said = capsys.readouterr()
    assert code in (0, 2), said
    if code == 2:
        sentence = said.err.strip()
        assert "\n" not in sentence and any(advice in sentence for advice in ADVICE), sentence
    return code, said.out, said.err


@pytest.mark.parametrize("name", SEEING)
def test_a_picture_of_600_million_pixels_is_counted_from_its_size(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    tracemalloc.start()
    try:
        code, out, err = planned(capsys, name, "--size", "30000x20000")
        assert tracemalloc.get_traced_memory()[1] < LARGEST
    finally:
        tracemalloc.stop()
    assert code == 0 or "more than the context of" in err
    assert "visual" in out


@pytest.mark.parametrize("size", ["1x20000", "20000x1"])
@pytest.mark.parametrize("name", SEEING)
def test_a_line_of_one_pixel_is_counted_or_refused_by_its_size(
    name: str, size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = planned(capsys, name, "--size", size)
    if code == 0:
        assert "visual" in out
    else:
        assert size.replace("x", " x ") in err or "more than the context of" in err


@pytest.mark.parametrize("name", SEEING)
def test_sixty_pictures_say_by_how_much_they_are_too_many(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = planned(capsys, name, *["--size", "320x240"] * 60)
    assert out.count("320 x 240") == 60
    if code == 2:
        assert "more than the context of" in err and "--fit tokens=" in err and "the number of pictures" in err


@pytest.mark.parametrize("name", ["llava-1.5", "qwen2-vl", "internvl-3"])
def test_what_is_advised_finds_what_fits(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--size", "900x600"] * 200
    assert main(["plan", "--model", name, *sizes]) == 2
    advised = capsys.readouterr().err.partition("--fit ")[2].partition(" ")[0]
    assert main(["plan", "--model", name, *sizes, "--fit", advised]) == 0
    pictures = capsys.readouterr().out.rpartition(": ")[2]
    assert 0 < int(pictures.split()[0].replace(",", "")) < 200
