"""Goes on from the default model with what it does worst: sides and counts.

    chiasm train recipes/refine.py --out runs/refine

A tally learns to count from exact numbers while squares learn to name what they show; then connector, eye and adapters answer
many questions about each picture.
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
    "number": 0.14, "word": 0.03, "line": 0.03, "page": 0.05, "one shape": 0.04, "mixed shapes": 0.16,
    "many shapes": 0.32, "bars": 0.07, "table": 0.01, "receipt": 0.02, "named": 0.06, "crowd": 0.07,
}  # fmt: skip
ASKED = {
    "number": 0.28, "word": 0.03, "line": 0.02, "one shape": 0.04, "mixed shapes": 0.22, "many shapes": 0.20,
    "bars": 0.07, "curve": 0.01, "table": 0.02, "receipt": 0.02, "named": 0.09,
}  # fmt: skip

RECIPE = replace(
    DEFAULT,
    name="chiasm-refined",
    onto=str(Path(chiasm.__file__).parent / "weights" / "default"),
    loud=14.0,
    naming=(
        Naming("again", minutes=22, rates={"connect": 1e-3, "tally": 1e-3, "vision": 3e-4}, mix=SEEN, batch=10, length=12.0),
    ),
    stages=(
        Stage(
            "answer", minutes=50, rates={"connect": 5e-4, "lora": 1e-3, "vision": 1e-4},
            diet=Diet(ASKED, batch=6, branches=6, captions=0.02, room=300),
        ),
    ),
)  # fmt: skip
