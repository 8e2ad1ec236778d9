"""How dense rendered pictures are in edges, by what they show: where the constants of pixels/content.py come from.

    python benchmarks/density.py [--pictures 100]

A row is a kind of picture: the density that one in ten is below, half are, and nine in ten are, and the share of its family's
tiles, pixels or tokens that the picture in the middle is given.
"""

from __future__ import annotations

import argparse

import numpy as np

from chiasm.pixels.content import DENSE, content, density
from chiasm.render import Assets, sample

KINDS = ("one shape", "mixed shapes", "many shapes", "number", "word", "line", "curve", "bars", "receipt", "table", "page")
PLAIN = Assets((), (), ())
"""Pillow's own face, so that everybody measures the same pictures."""


def row(kind: str, pictures: int) -> str:
    drawn = [sample(number, 0, "train", kind, material=PLAIN).picture for number in range(pictures)]
    low, middle, high = np.percentile([density(pixels) for pixels in drawn], [10, 50, 90])
    return f"| {kind} | {low:.1f} | {middle:.1f} | {high:.1f} | {np.median([content(pixels) for pixels in drawn]):.0%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="How dense rendered pictures are in edges.")
    parser.add_argument("--pictures", type=int, default=100, help="of each kind (default 100)")
    given = parser.parse_args()
    print("| kind | 10 % | 50 % | 90 % | share |\n|---|---:|---:|---:|---:|")
    for kind in KINDS:
        print(row(kind, given.pictures))
    print(f"\n{given.pictures} pictures of each kind; all is given from {DENSE:g} on")


if __name__ == "__main__":
    main()
