"""VQAv2, OK-VQA and TextVQA: how many of the other nine people said the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from chiasm.evaluate.scorers.vqa_text import LOOKING_BEHIND, PYTHON_3, evalai, normalize, plain

Reference = Literal["GT-Vision-Lab/VQA", "mmf TextVQA", "lmms-eval VQAv2", "lmms-eval OK-VQA", "VLMEvalKit"]
PEOPLE, ENOUGH = 10, 3


def accuracy(prediction: str, answers: Sequence[str], reference: Reference = "GT-Vision-Lab/VQA") -> float:
    """The mean over the people of min(1, how many of the others agree / 3): four who agree make an answer wholly right.

    The official script normalises only where people disagree, so a lower-case answer to ten capitalised ones is wrong; the
    ports always normalise. mmf wants exactly ten people (raises `ValueError`); lmms-eval's OK-VQA gives 0 without any.
    """
    match reference:
        case "GT-Vision-Lab/VQA":
            said, several = plain(prediction), [plain(answer) for answer in answers]
            if len(set(several)) > 1:
                said, several = normalize(said), [normalize(answer) for answer in several]
        case "lmms-eval VQAv2":
            said, several = normalize(plain(prediction), PYTHON_3), [normalize(plain(answer), PYTHON_3) for answer in answers]
        case "VLMEvalKit":
            said = normalize(plain(prediction), LOOKING_BEHIND)
            several = [normalize(plain(answer), LOOKING_BEHIND) for answer in answers]
        case "mmf TextVQA":
            if len(answers) != PEOPLE:
                raise ValueError(f"{len(answers)} answers: TextVQA has {PEOPLE} to a question")
            said, several = evalai(prediction), [evalai(answer) for answer in answers]
        case "lmms-eval OK-VQA":
            if not answers:
                return 0.0
            said, several = evalai(prediction), [evalai(answer) for answer in answers]
    alike = sum(answer == said for answer in several)
    return sum(min(1.0, (alike - (answer == said)) / ENOUGH) for answer in several) / len(several)


@dataclass(frozen=True)
class Judged:
    """A question's accuracy with the two kinds it is counted under."""

    accuracy: float
    question_type: str
    answer_type: str


@dataclass(frozen=True)
class Summary:
    """Percentages to two decimals, as the script prints them."""

    overall: float
    by_question_type: dict[str, float]
    by_answer_type: dict[str, float]


def percent(share: float) -> float:
    """To two decimals, halves away from zero as Python 2 rounds."""
    return float(Decimal(100 * share).quantize(Decimal("0.01"), ROUND_HALF_UP))


def summary(judged: Sequence[Judged]) -> Summary:
    """Means over all questions and by kind."""

    def by(kind: Callable[[Judged], str]) -> dict[str, float]:
        groups: dict[str, list[float]] = defaultdict(list)
        for one in judged:
            groups[kind(one)].append(one.accuracy)
        return {name: _percent_of(group) for name, group in groups.items()}

    return Summary(
        _percent_of([one.accuracy for one in judged]), by(lambda one: one.question_type), by(lambda one: one.answer_type)
    )


def _percent_of(shares: Sequence[float]) -> float:
    return percent(sum(shares) / len(shares))
