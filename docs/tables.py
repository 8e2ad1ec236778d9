"""The tables of docs/tokens.md, counted by the library: python docs/tables.py one-picture|rules|window."""

from __future__ import annotations

import sys
from functools import partial
from itertools import groupby

from chiasm import registry
from chiasm.budget import PictureCost, Rule, Tokens, fit, picture_cost
from chiasm.geometry import Size
from chiasm.spec import Causal, Family

SIDE = 1344
RULES = (
    ("336 px at patch 14", "336x336", Rule(14)),
    ("224 px at patch 14", "224x224", Rule(14)),
    ("224 px at patch 16, with the class token", "224x224", Rule(16, cls=True)),
    ("1024 px at patch 14, rounding down", "1024x1024", Rule(14)),
    ("1024 px at patch 14, rounding up", "1024x1024", Rule(14, rounding="ceil")),
    ("1344 px at patch 16", "1344x1344", Rule(16)),
    ("1344 px at patch 14", "1344x1344", Rule(14)),
    ("36 tiles of 224 px at patch 16", "1344x1344", Rule(16, tile=224, grid=(6, 6))),
    ("the same and a thumbnail", "1344x1344", Rule(16, tile=224, grid=(6, 6), thumbnail=True)),
    ("a tile of 448 px at patch 14, pixel shuffle 2 x 2", "448x448", Rule(14, merge=2)),
    ("40 tiles of the same", "448x448", Rule(14, tile=448, grid=(8, 5), merge=2)),
    ("32 queries, any size", "1344x1344", Rule(14, queries=32)),
)


def one_picture() -> list[tuple[str, ...]]:
    """What one picture of 1344 x 1344 costs in each family that sees and writes, by what its checkpoint does."""
    rows: list[tuple[str, ...]] = [("family", "views, rows x columns of patches", "visual tokens", "marks")]
    rows.append(("---", "---", "--:", "--:"))
    for family in sorted(registry.families().values(), key=lambda family: (family.year, family.name)):
        for cost, sizes in groupby(family.sizes, partial(_cost, family)):
            if cost is not None:
                shapes = ", ".join(f"{high} x {wide}" for high, wide in dict.fromkeys(cost.views))
                views = f"{len(cost.views)} of {shapes}" if len(cost.views) > 1 else shapes
                rows.append((f"`{family.name}` {', '.join(sizes)}", views, f"{cost.visual:,}", str(cost.marks)))
    return rows


def rules() -> list[tuple[str, ...]]:
    """What plain rules give."""
    rows: list[tuple[str, ...]] = [("rule", "patches", "tokens"), ("---", "--:", "--:")]
    for name, size, rule in RULES:
        width, height = map(int, size.split("x"))
        count = rule.count(Size(width, height))
        rows.append((name, f"{count.patches:,}", f"{count.tokens:,}"))
    return rows


def window() -> list[tuple[str, ...]]:
    """How many pictures of LLaVA 1.5 a window of 4,096 holds beside so much text."""
    model = registry.family("llava-1.5").at("7b")
    assert isinstance(model, Causal)
    rows: list[tuple[str, ...]] = [("tokens of text", "pictures", "left over"), ("--:", "--:", "--:")]
    for text in (64, 640):
        found = fit(model, Size(336, 336), Tokens(model.decoder.context), text=text)
        left = model.decoder.context - text - found.pictures * found.given.tokens
        rows.append((str(text), str(found.pictures), str(left)))
    return rows


def _cost(family: Family, size: str) -> PictureCost | None:
    model = family.at(size)
    if not isinstance(model, Causal) or model.sight is None:
        return None
    return picture_cost(model.sight, Size(SIDE, SIDE))


TABLES = {"one-picture": one_picture, "rules": rules, "window": window}

if __name__ == "__main__":
    print("\n".join(f"| {' | '.join(row)} |" for row in TABLES[sys.argv[1]]()))
