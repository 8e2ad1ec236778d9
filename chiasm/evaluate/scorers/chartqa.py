"""ChartQA's relaxed accuracy: a number may be 5 % off, a year too; and ChartQAPro's, where a year may not."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Literal

from chiasm.evaluate.scorers.anls import anls

Reference = Literal["pix2struct", "VLMEvalKit", "Qwen-VL"]
TOLERANCE = 0.05


def relaxed(prediction: str, target: str, reference: Reference = "pix2struct") -> bool:
    """Within 5 % of a target that is a number other than 0, else the same text in lower case.

    Nothing is stripped and no comma or unit removed; "5%" is 0.05. VLMEvalKit strips the prediction first. Qwen-VL's script
    hands over its two texts the other way round, so its tolerance is relative to the prediction.
    """
    match reference:
        case "pix2struct":
            return _relaxed(target, prediction)
        case "VLMEvalKit":
            return _relaxed(target, prediction.strip())
        case "Qwen-VL":
            return _relaxed(prediction, target)


def _relaxed(target: str, prediction: str) -> bool:
    said, true = number(prediction), number(target)
    if said is not None and true:
        return abs(said - true) / abs(true) <= TOLERANCE
    return prediction.lower() == target.lower()


def number(text: str) -> float | None:
    """What Python's `float` takes for a number, a percentage as its hundredth."""
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


def pro(prediction: str, target: str, years: Sequence[str], exact: bool = False) -> float:
    """ChartQAPro: answers may be lists, compared place by place, where a missing or an extra one scores 0.

    `years` says YES of an answer that must be the same text (repeated where there are more answers than flags); `exact` says
    so of all. Otherwise a number may be 5 % off, per cent signs ignored, and other text scores its ANLS.
    """
    true = _listed(str(_quoted(target))) or [target]
    said = _listed(prediction) or [prediction]
    flags = list(years) * (len(true) if len(years) < len(true) else 1)
    scores = [0.0] * max(len(true), len(said))
    for place, (one, other) in enumerate(zip(true, said, strict=False)):
        if exact or flags[place].upper() == "YES":
            scores[place] = float(one.strip().lower() == other.strip().lower())
        else:
            scores[place] = _near(one, other)
    return sum(scores) / len(scores)


def _near(target: str, prediction: str) -> float:
    true, said = (text.strip().strip("%").strip() for text in (target, prediction))
    wanted, got = _bare_number(true), _bare_number(said)
    if wanted is None or got is None:
        return anls(said.lower(), [true.lower()], reference="anls package")
    if wanted == 0:
        return float(got == 0)
    return float(abs(got - wanted) / abs(wanted) <= TOLERANCE)


def _bare_number(text: str) -> float | None:
    try:
        return float(text.strip().strip("%"))
    except ValueError:
        return None


def _quoted(text: str) -> list[object] | str:
    """A list whose words may stand without quotes, read; else the text itself."""
    inside = re.match(r"^\[(.*)\]$", text.strip())
    if not inside:
        return text
    quoted = re.sub(r"(?<!['\w])(\w[^,]*?)(?!['\w])", r"'\1'", inside[1])
    try:
        read: list[object] = ast.literal_eval(f"[{quoted}]")
    except (SyntaxError, ValueError):
        return text
    return read


def _listed(text: str) -> list[str] | None:
    try:
        read = ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None
    return [str(one).strip(" '") for one in read] if isinstance(read, list) else None
