"""Charts of the probes: what is asked about them is true of their pixels, and stands out as far as it should."""

from __future__ import annotations

import math
import random
from itertools import groupby

import numpy as np
import pytest
from numpy.typing import NDArray

from chiasm.probe.skill import Drawn
from chiasm.probe.skills import charts, find
from chiasm.probe.skills.sheet import LETTERS, PAPER, STRONG
from chiasm.render import Assets
from chiasm.render.shapes import COLOURS

PLAIN = Assets((), (), ())
SEEDS = range(6)
INKS = np.array([COLOURS[name] for name in STRONG])


def cases(name: str) -> list[tuple[int, int]]:
    (skill,) = find((name,))
    return [(int(level), seed) for level in skill.levels for seed in SEEDS]


def drawn(name: str, level: int, seed: int) -> Drawn:
    (skill,) = find((name,))
    return skill.draw(level, random.Random(f"{level} {seed}"), PLAIN)


def inked(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where one of the colours that marks are drawn in stands; letters and axes are of another."""
    return (picture[:, :, None] == INKS).all(-1).any(-1)


def names(picture: Drawn, monkeypatch: pytest.MonkeyPatch, name: str, level: int, seed: int) -> list[str]:
    """What marks are called, in their order: drawn again, the letters that are taken listened to."""
    taken: list[list[str]] = []

    def listening(many: int, rng: random.Random) -> list[str]:
        taken.append(rng.sample(LETTERS, many))
        return taken[-1]

    monkeypatch.setattr(charts, "_named", listening)
    again = drawn(name, level, seed)
    assert np.array_equal(again.picture, picture.picture)
    return taken[-1]


@pytest.mark.parametrize(("level", "seed"), cases("chart"))
def test_the_tallest_bar_is_the_tallest(level: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = drawn("chart", level, seed)
    heights = [inked(one.picture)[: charts.FLOOR, x].sum() for x in middles(level)]
    assert_stands_out(heights, names(one, monkeypatch, "chart", level, seed), one.answer)


@pytest.mark.parametrize("name", ["line-high", "line-low"])
@pytest.mark.parametrize(("level", "seed"), cases("line-high"))
def test_the_highest_and_the_lowest_point_are_so(name: str, level: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = drawn(name, level, seed)
    # The dots are what is thicker than the line: seven pixels wide and high, and the line passes by two.
    heights = [charts.FLOOR - dot(one.picture, x) for x in middles(level)]
    sign = 1 if name == "line-high" else -1
    assert_stands_out([sign * high for high in heights], names(one, monkeypatch, name, level, seed), one.answer)
    assert name.removeprefix("line-") in one.question and min(heights) > 5


def middles(many: int) -> list[int]:
    return [round(charts.LEFT + (n + 0.5) * 208 / many) for n in range(many)]


def dot(picture: NDArray[np.uint8], x: int) -> float:
    """The row of a dot's middle: the one around which most is inked."""
    there = inked(picture)[:, x - 3 : x + 4].astype(int)
    around = np.convolve(there.sum(1), np.ones(7), "same")
    return float(np.flatnonzero(around == around.max()).mean())


def assert_stands_out(sizes: list[float], called: list[str], answer: str) -> None:
    order = np.argsort(sizes)
    assert called[order[-1]] == answer
    assert sizes[order[-1]] - sizes[order[-2]] > charts.CLEAR - 5


@pytest.mark.parametrize(("level", "seed"), cases("pie"))
def test_the_largest_slice_is_the_largest(level: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices are arcs between seams, counted along a circle; each letter stands beside the middle of its own."""
    one = drawn("pie", level, seed)
    arcs = runs(one.picture)
    assert len(arcs) == level
    order = sorted(arcs, key=lambda arc: arc[1])
    assert order[-1][1] > 1.2 * order[-2][1]
    called = names(one, monkeypatch, "pie", level, seed)
    assert written_at(one.picture, order[-1][0]), "no letter beside the largest slice"
    put = placed(monkeypatch, level, seed)
    apart = {name: abs((at - order[-1][0] + 180) % 360 - 180) for name, at in zip(called, put, strict=True)}
    assert min(apart, key=apart.__getitem__) == one.answer and apart[one.answer] < 3


def runs(picture: NDArray[np.uint8]) -> list[tuple[float, float]]:
    """Middle and width in degrees of every arc of one colour; what is thinner than a seam is its edge."""
    steps = 3600
    colours = []
    for step in range(steps):
        turned = math.radians(step * 360 / steps)
        x, y = (round(middle + 70 * part(turned)) for middle, part in zip(charts.CENTRE, (math.cos, math.sin), strict=True))
        colours.append(tuple(int(part) for part in picture[y, x]))
    begin = colours.index(PAPER)
    colours = colours[begin:] + colours[:begin]
    found, at = [], begin
    for colour, some in groupby(colours):
        many = len(list(some))
        if colour != PAPER and many * 360 / steps > 2:
            found.append((((at + many / 2) * 360 / steps) % 360, many * 360 / steps))
        at += many
    return found


def written_at(picture: NDArray[np.uint8], degrees: float) -> bool:
    x, y = (round(part) for part in charts._out(degrees, charts.RADIUS + 13))
    return bool((picture[y - 7 : y + 8, x - 7 : x + 8] != PAPER).any())


def placed(monkeypatch: pytest.MonkeyPatch, level: int, seed: int) -> list[float]:
    """Where letters were put, in degrees and in their order."""
    put: list[float] = []
    real = charts._out

    def listening(degrees: float, far: float) -> tuple[float, float]:
        if far > charts.RADIUS + 5:
            put.append(degrees % 360)
        return real(degrees, far)

    with monkeypatch.context() as patched:
        patched.setattr(charts, "_out", listening)
        drawn("pie", level, seed)
    return put


@pytest.mark.parametrize("many", [2, 3, 7, 12])
def test_neighbours_in_a_pie_are_of_two_colours(many: int) -> None:
    for seed in range(20):
        made = charts.ring(many, random.Random(seed))
        assert all(one != other for one, other in zip(made, [*made[1:], made[0]], strict=True))


@pytest.mark.parametrize("name", ["bar-value", "line-value"])
@pytest.mark.parametrize(("level", "seed"), cases("line-value"))
def test_a_value_is_where_its_axis_says(name: str, level: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = drawn(name, level, seed)
    called = names(one, monkeypatch, name, level, seed)
    asked = one.question.removesuffix("?").split()[-1]
    x = round(charts.ORIGIN[0] + (called.index(asked) + 0.5) * (214 - charts.ORIGIN[0]) / level)
    row = float(np.flatnonzero(inked(one.picture)[:, x])[0]) if name == "bar-value" else dot(one.picture, x)
    assert round((charts.ORIGIN[1] - row) / charts.TENTH) * 10 == int(one.answer)
    # The numbers of the axis stand at its lines, and the lines are faint.
    assert tuple(one.picture[charts._at(50), 213]) in {charts.FAINT, *COLOURS.values()}


def test_the_name_of_an_axis_is_asked_among_more_and_more_points() -> None:
    for level in (2, 24):
        one = drawn("axis-marks", level, 0)
        assert one.answer in charts.AXES and set(one.choices) == set(charts.AXES)
    few, many = (inked(drawn("axis-marks", level, 0).picture).sum() for level in (2, 24))
    assert many > 2 * few
