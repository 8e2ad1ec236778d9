"""VQAv2, OK-VQA and TextVQA: short answers that ten people gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chiasm.evaluate.benchmarks.asking import SHORT, shown
from chiasm.evaluate.benchmarks.rows import Layout, Row, Unusable, hub, joined
from chiasm.evaluate.benchmarks.sought import any_answer
from chiasm.evaluate.benchmarks.task import FewShot, Judge, Judged, Part, Task
from chiasm.evaluate.scorers import vqa

UNSURE = "\nWhen the provided information is insufficient, respond with 'Unanswerable'."


def _answers(row: Row) -> Mapping[str, Any]:
    """Of test splits there are none to score with."""
    several = row["answers"]
    if not isinstance(several, list) or not several:
        raise Unusable("answers are withheld in this split")
    return {"answers": [one["answer"] if isinstance(one, dict) else one for one in several]}


def _judge(reference: vqa.Reference) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        return Judged(reply.strip() or None, vqa.accuracy(reply, gold["answers"], reference))

    return judge


def _judges(*references: vqa.Reference) -> Mapping[str, Judge]:
    return MappingProxyType({reference: _judge(reference) for reference in references})


def _short(row: Row) -> tuple[Part, ...]:
    return shown(row, row.text("question") + SHORT)


def _capitalised(row: Row) -> tuple[Part, ...]:
    """lmms-eval's capital letter makes all others small."""
    return shown(row, row.text("question").capitalize() + SHORT)


def _bare(row: Row) -> tuple[Part, ...]:
    """The question alone; a template or examples say how it is answered."""
    return shown(row, row.text("question"))


def _with_tokens(row: Row) -> tuple[Part, ...]:
    tokens = f"\nReference OCR token: {', '.join(row.texts('ocr_tokens'))}"
    return shown(row, row.text("question").capitalize() + tokens + SHORT)


def _unsure(row: Row) -> tuple[Part, ...]:
    return shown(row, row.text("question") + UNSURE + SHORT)


def _kinds(row: Row) -> Mapping[str, str]:
    return {"answer type": row.text("answer_type"), "question type": row.text("question_type")}


@cache
def _annotations(folder: Path, split: str) -> Mapping[Any, Row]:
    return joined(folder / f"v2_mscoco_{split}_annotations.json", folder, "annotations", "question_id")


def _official(row: Row) -> Iterator[Row]:
    """Questions and annotations lie in two files, pictures in a folder named after the split."""
    split = row.where.partition("mscoco_")[2].partition("_questions")[0]
    annotation = _annotations(row.folder, split)[row["question_id"]].values
    picture = f"{split}/COCO_{split}_{row['image_id']:012d}.jpg"
    yield Row({**row.values, **annotation, "image": picture}, row.folder, row.where)


FLAMINGO = FewShot(lambda gold: Counter(gold["answers"]).most_common(1)[0][0])
"""An example's answer is what most people gave, of several the first (arXiv:2204.14198 does not say)."""

TASKS = (
    Task(
        name="vqav2",
        title="VQAv2",
        paper="1612.00837",
        splits=("validation",),
        layouts=(
            hub("lmms-lab/VQAv2"),
            Layout(("v2_OpenEnded_mscoco_{split}_questions.json",), _official, key="questions", split="val2014"),
        ),
        id=lambda row: str(row["question_id"]),
        prompts={"lmms-eval": _short, "Flamingo": _bare},
        gold=_answers,
        groups=_kinds,
        judges=_judges("GT-Vision-Lab/VQA", "lmms-eval VQAv2", "VLMEvalKit"),
        max_tokens=16,
        sought=any_answer,
        few=FLAMINGO,
    ),
    Task(
        name="okvqa",
        title="OK-VQA",
        paper="1906.00067",
        splits=("val2014",),
        layouts=(hub("lmms-lab/OK-VQA"),),
        id=lambda row: str(row["question_id"]),
        prompts={"lmms-eval": _unsure, "plain": _short, "Flamingo": _bare},
        gold=_answers,
        judges=_judges("GT-Vision-Lab/VQA", "lmms-eval OK-VQA"),
        max_tokens=16,
        sought=any_answer,
        few=FLAMINGO,
    ),
    Task(
        name="textvqa",
        title="TextVQA",
        paper="1904.08920",
        splits=("validation",),
        layouts=(hub("lmms-lab/textvqa"),),
        id=lambda row: str(row["question_id"]),
        prompts={
            "lmms-eval": _capitalised,
            "VLMEvalKit": _short,
            "lmms-eval with OCR tokens": _with_tokens,
            "Flamingo": _bare,
        },
        gold=_answers,
        judges=_judges("mmf TextVQA", "VLMEvalKit"),
        max_tokens=32,
        sought=any_answer,
        few=FLAMINGO,
    ),
)
