"""DocVQA, InfographicVQA and ST-VQA: how near the written answer comes to the nearest gold one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from chiasm.evaluate.scorers.distance import levenshtein

Reference = Literal["RRC", "mmf ST-VQA", "pix2struct", "anls package"]


def anls(prediction: str, answers: Sequence[str], threshold: float = 0.5, reference: Reference = "RRC") -> float:
    """One less the smallest normalised distance to a gold answer, 0 below the threshold.

    RRC's script compares stripped lower-case texts with runs of space as one, but divides by the length of the raw ones (in
    capitals), so spaces around a prediction make its distance smaller; exactly the threshold counts. mmf divides by the length
    of the stripped texts and keeps runs of space; pix2struct strips nothing and drops exactly the threshold; both divide by
    zero where two texts are empty. The `anls` package divides by the length of the collapsed texts and drops the threshold.
    """
    match reference:
        case "RRC":
            score = 1 - min(_rrc(prediction, answer) for answer in answers)
            return score if score >= threshold else 0.0
        case "mmf ST-VQA":
            score = max(1 - _share(prediction.strip().lower(), answer.strip().lower()) for answer in answers)
            return score if score >= threshold else 0.0
        case "pix2struct":
            return max(_below(_share(prediction.lower(), answer.lower()), threshold) for answer in answers)
        case "anls package":
            return max(_below(_rrc(_collapsed(prediction), _collapsed(answer)), threshold) for answer in answers)


def _collapsed(text: str) -> str:
    return " ".join(text.strip().lower().split())


def _rrc(prediction: str, answer: str) -> float:
    distance = levenshtein(_collapsed(answer), _collapsed(prediction))
    length = max(len(answer.upper()), len(prediction.upper()))
    return distance / length if length else 0.0


def _share(prediction: str, answer: str) -> float:
    return levenshtein(prediction, answer) / max(len(prediction), len(answer))


def _below(distance: float, threshold: float) -> float:
    return 1 - distance if distance < threshold else 0.0
