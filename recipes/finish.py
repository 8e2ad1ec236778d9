"""Ends what recipes/refine.py began: answers had moved the tally far from exact counts.

    chiasm train recipes/finish.py --out runs/finish

The tally alone is taught exact counts again, then the adapters alone learn to read it, everything that sees standing still.
"""

from dataclasses import replace
from pathlib import Path
from runpy import run_path

from chiasm.train.conversations import Diet
from chiasm.train.naming import Naming
from chiasm.train.talk import Stage

REFINE = run_path(str(Path(__file__).with_name("refine.py")))["RECIPE"]

COUNTED = {"many shapes": 0.55, "mixed shapes": 0.25, "bars": 0.10, "number": 0.10}
ASKED = {
    "number": 0.24, "word": 0.02, "one shape": 0.05, "mixed shapes": 0.17, "many shapes": 0.42, "receipt": 0.02,
    "table": 0.02, "named": 0.06,
}  # fmt: skip

RECIPE = replace(
    REFINE,
    name="chiasm-finished",
    onto="runs/refine/model",
    seed=7,
    naming=(Naming("count", minutes=2, rates={"tally": 3e-3}, mix=COUNTED, batch=16, warmup=10, length=12.0),),
    stages=(
        Stage(
            "finish", minutes=8, rates={"lora": 7e-4}, diet=Diet(ASKED, batch=6, branches=6, captions=0.0, room=300), warmup=15,
        ),
    ),
)  # fmt: skip
