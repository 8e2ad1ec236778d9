"""Goes on from the default model with what it does worst: sides, counts, bars, emoji in styles that it never saw.

    chiasm train recipes/refine.py --out runs/refine

The connector and the eye first learn to name things once each, in their middle, and to say which bar is the tallest; then
connector, eye and adapters answer many questions about each picture. Run once as it stands, it counted better and read longer
numbers worse than what it began with, so its model does not ship: LOG.md (2026-11-26) says what was missing.
"""

from dataclasses import replace
from pathlib import Path
from runpy import run_path

import chiasm
from chiasm.train.conversations import Diet
from chiasm.train.naming import Naming
from chiasm.train.talk import Stage

DEFAULT = run_path(str(Path(__file__).with_name("default.py")))["RECIPE"]

SEEN = {
    "number": 0.08, "word": 0.03, "line": 0.03, "page": 0.04, "one shape": 0.03, "mixed shapes": 0.12,
    "many shapes": 0.15, "bars": 0.20, "table": 0.02, "receipt": 0.02, "named": 0.12, "crowd": 0.16,
}  # fmt: skip
ASKED = {
    "number": 0.12, "word": 0.03, "line": 0.02, "one shape": 0.03, "mixed shapes": 0.24, "many shapes": 0.20,
    "bars": 0.18, "curve": 0.01, "table": 0.02, "receipt": 0.02, "named": 0.10, "pair": 0.03,
}  # fmt: skip

RECIPE = replace(
    DEFAULT,
    name="chiasm-refined",
    onto=str(Path(chiasm.__file__).parent / "weights" / "default"),
    naming=(Naming("again", minutes=22, rates={"connect": 1e-3, "vision": 3e-4}, mix=SEEN, batch=16, size=0.0),),
    stages=(
        Stage(
            "answer", minutes=58, rates={"connect": 5e-4, "lora": 1e-3, "vision": 1e-4},
            diet=Diet(ASKED, batch=6, branches=6, captions=0.02, room=260),
        ),
    ),
)  # fmt: skip
