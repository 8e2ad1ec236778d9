"""MathVista, scored without a judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chiasm.evaluate.benchmarks.asking import lettered, listed, shown, there
from chiasm.evaluate.benchmarks.rows import Layout, Row, Unusable, hub
from chiasm.evaluate.benchmarks.sought import Extract
from chiasm.evaluate.benchmarks.task import Judge, Judged, Part, Task
from chiasm.evaluate.scorers import mathvista

HINTS = {
    "multi_choice": "Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end.",
    "integer": "Please answer the question requiring an integer answer and provide the final value, e.g., 1, 2, 3, at the end.",
    "float, 1": "Please answer the question requiring a floating-point number with one decimal place and provide the final "
    "value, e.g., 1.2, 1.3, 1.4, at the end.",
    "float, 2": "Please answer the question requiring a floating-point number with two decimal places and provide the final "
    "value, e.g., 1.23, 1.34, 1.45, at the end.",
    "list": "Please answer the question requiring a Python list as an answer and provide the final list, e.g., [1, 2, 3], "
    "[1.2, 1.3, 1.4], at the end.",
}
FORMATS = {
    "multi_choice": "Answer with the option's letter from the given choices directly.",
    "integer": "Answer the question using a single integer number.",
    "float, 1": "Answer the question using a single floating-point number with one decimal place.",
    "float, 2": "Answer the question using a single floating-point number with two decimal places.",
    "list": "Answer the question using a Python list.",
}


def _kind(row: Row) -> str:
    if row.text("question_type") == "multi_choice":
        return "multi_choice"
    kind = row.text("answer_type")
    kind = f"float, {int(row['precision'])}" if kind == "float" else kind
    if kind not in HINTS:
        raise Unusable(f"there is no hint for an answer of kind {kind}")
    return kind


def _unit(row: Row) -> str:
    return f" (Unit: {row['unit']})" if there(row.get("unit")) else ""


def _choices(row: Row) -> list[str]:
    return row.texts("choices") if row["choices"] else []


def _picture(row: Row) -> str:
    """The hub's column holds the picture; the authors' files name it."""
    return "decoded_image" if "decoded_image" in row.values else "image"


def _hinted(order: Callable[[str, str], list[str]]) -> Callable[[Row], tuple[Part, ...]]:
    def ask(row: Row) -> tuple[Part, ...]:
        question = f"Question: {row.text('question')}{_unit(row)}"
        choices = _choices(row)
        body = f"{question}\nChoices:\n{listed(lettered(choices), '({}) {}')}" if choices else question
        return shown(row, "\n".join(order(body, f"Hint: {HINTS[_kind(row)]}")), _picture(row))

    return ask


def _query(row: Row) -> tuple[Part, ...]:
    return shown(row, row.text("query"), _picture(row))


def _format(row: Row) -> tuple[Part, ...]:
    choices = _choices(row)
    lines = [row.text("question") + _unit(row), *([listed(lettered(choices))] if choices else []), FORMATS[_kind(row)]]
    return shown(row, "\n".join(lines), _picture(row))


def _gold(row: Row) -> Mapping[str, Any]:
    if not there(row["answer"]):
        raise Unusable("answers are withheld in this split")
    return {
        "answer": row.text("answer"), "choices": _choices(row), "question_type": row.text("question_type"),
        "answer_type": row.text("answer_type"), "precision": row.get("precision"),
    }  # fmt: skip


def _judge(reference: mathvista.Reference) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        kinds = gold["question_type"], gold["answer_type"]
        found = mathvista.extract(reply.strip(), *kinds, gold["choices"])
        said = mathvista.normalize(found or "", gold["choices"], *kinds, gold["precision"])
        return Judged(None if found is None else said, float(mathvista.equal(said, gold["answer"], reference)))

    return judge


def _judge_loose(gold: Mapping[str, Any], reply: str) -> Judged:
    """The whole reply taken for what was extracted: a letter or a number that was asked for and given alone."""
    kinds = gold["question_type"], gold["answer_type"]
    found = mathvista.extract(reply.strip(), *kinds, gold["choices"])
    said = mathvista.normalize(found or reply.strip(), gold["choices"], *kinds, gold["precision"], ignore_empty=True)
    return Judged(said, float(mathvista.equal(said, gold["answer"])))


def _sought(gold: Mapping[str, Any]) -> Extract:
    """The official script asks its language model where a reply is no answer yet; the words asked here are our own."""
    return Extract(_wanted(gold), 'The answer is "{}".')


def _wanted(gold: Mapping[str, Any]) -> str:
    if gold["question_type"] == "multi_choice":
        return f"one of these choices, its text exactly as it stands here: {'; '.join(gold['choices'])}"
    match gold["answer_type"]:
        case "integer":
            return "a whole number in digits, without a unit"
        case "float":
            return f"a number in digits with {int(gold['precision'])} decimal places, without a unit"
        case _:
            return "a list as Python writes it"


def _groups(row: Row) -> Mapping[str, str]:
    about = row.get("metadata") or {}
    return {kind: str(about[kind]) for kind in ("task", "context", "grade") if there(about.get(kind))}


TASKS = (
    Task(
        name="mathvista",
        title="MathVista, testmini",
        paper="2310.02255",
        splits=("testmini",),
        layouts=(hub("AI4Math/MathVista"), Layout(("{split}.json", "data/{split}.json"))),
        id=lambda row: str(row["pid"]),
        prompts={
            "query": _query,
            "MathVista": _hinted(lambda body, hint: [body, hint, "Solution: "]),
            "lmms-eval": _format,
        },
        gold=_gold,
        groups=_groups,
        judges={"MathVista": _judge("MathVista"), "lmms-eval": _judge("lmms-eval"), "whole reply": _judge_loose},
        max_tokens=512,
        note="without the language model that the authors extract answers with this is a lower bound",
        sought=_sought,
    ),
)
