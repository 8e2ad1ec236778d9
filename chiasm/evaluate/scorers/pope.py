"""POPE: is it there, yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chiasm.evaluate.scorers.vqa_text import LOOKING_BEHIND, punctuation

Reference = Literal["RUCAIBox/POPE", "lmms-eval", "VLMEvalKit"]
NO = ("No", "no", "not")


def parse(answer: str, reference: Reference = "RUCAIBox/POPE") -> str | None:
    """What was said, `None` where it is neither.

    The official script reads no in a word of No, no or not before the first period, and yes in everything else: an empty
    answer, "NO" and "There isn't" too. lmms-eval takes the whole answer in lower case, so "yes." is neither; VLMEvalKit looks
    for one of the two words.
    """
    match reference:
        case "RUCAIBox/POPE":
            words = answer.partition(".")[0].replace(",", "").split(" ")
            return "no" if any(word in NO for word in words) else "yes"
        case "lmms-eval":
            said = answer.lower().strip()
            return said if said in ("yes", "no") else None
        case "VLMEvalKit":
            heard = set(punctuation(answer.lower(), LOOKING_BEHIND).split()) & {"yes", "no"}
            return heard.pop() if len(heard) == 1 else None


@dataclass(frozen=True)
class Summary:
    """How the answers fall; `yes_ratio` is how often yes was said, and in lmms-eval how often it is true."""

    tp: int
    fp: int
    tn: int
    fn: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    yes_ratio: float


def summary(answers: Sequence[str], labels: Sequence[str], reference: Reference = "RUCAIBox/POPE") -> Summary:
    """Counts and shares of answers to questions with labels "yes" and "no".

    The official script divides without asking: `ZeroDivisionError` where no yes was said, none is true, or none was right.
    """
    said = [parse(answer, reference) for answer in answers]
    true = ["no" if label == "no" else "yes" for label in labels]
    pairs = list(zip(said, true, strict=True))
    tp, fp, tn, fn = (pairs.count(pair) for pair in (("yes", "yes"), ("yes", "no"), ("no", "no"), ("no", "yes")))
    if reference == "RUCAIBox/POPE":
        precision, recall = tp / (tp + fp), tp / (tp + fn)
        f1 = 2 * precision * recall / (precision + recall)
    else:
        positives = tp + fn if reference == "lmms-eval" else true.count("yes")
        precision, recall = _share(tp, tp + fp), _share(tp, positives)
        f1 = _share(2 * precision * recall, precision + recall)
    yes = true if reference == "lmms-eval" else said
    accuracy = (tp + tn) / len(pairs)
    return Summary(tp, fp, tn, fn, accuracy, precision, recall, f1, yes.count("yes") / len(pairs))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
