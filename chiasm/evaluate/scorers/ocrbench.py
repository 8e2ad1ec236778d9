"""OCRBench: a gold text anywhere in the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Reference = Literal["MultimodalOCR", "lmms-eval"]

FORMULAE = "HME100k"
"""The one data set whose case counts and whose spaces do not."""

_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def right(prediction: str, answers: str | Sequence[str], dataset: str, reference: Reference = "MultimodalOCR") -> bool:
    """Whether any gold text is found; an empty one always is. lmms-eval reads full-width ASCII as ASCII first."""
    golds = [answers] if isinstance(answers, str) else answers
    if dataset == FORMULAE:
        said = _tight(prediction)
        return any(_tight(gold) in said for gold in golds)
    said = _loose(prediction, reference)
    return any(_loose(gold, reference) in said for gold in golds)


def _tight(text: str) -> str:
    return text.strip().replace("\n", " ").replace(" ", "")


def _loose(text: str, reference: Reference) -> str:
    text = text.translate(_HALF_WIDTH) if reference == "lmms-eval" else text
    return text.lower().strip().replace("\n", " ")


GROUPS = {
    "Text Recognition": (
        "Regular Text Recognition", "Irregular Text Recognition", "Artistic Text Recognition", "Handwriting Recognition",
        "Digit String Recognition", "Non-Semantic Text Recognition",
    ),
    "Scene Text-centric VQA": ("Scene Text-centric VQA",),
    "Doc-oriented VQA": ("Doc-oriented VQA",),
    "Key Information Extraction": ("Key Information Extraction",),
    "Handwritten Mathematical Expression Recognition": ("Handwritten Mathematical Expression Recognition",),
}  # fmt: skip
"""The five parts of the score out of 1000 (300, 200, 200, 200 and 100), by type of question."""
