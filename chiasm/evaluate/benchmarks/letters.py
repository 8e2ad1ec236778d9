"""MMStar, RealWorldQA, ScienceQA and AI2D: one letter among the options."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from typing import Any

from chiasm.evaluate.benchmarks.asking import LETTER, lettered, listed, shown
from chiasm.evaluate.benchmarks.figures import Figure, grouped, macro, mean, scores
from chiasm.evaluate.benchmarks.rows import Layout, Row, hub
from chiasm.evaluate.benchmarks.sought import option
from chiasm.evaluate.benchmarks.task import Judge, Judged, Part, Record, Task
from chiasm.evaluate.scorers import letters, mcq
from chiasm.prompt.messages import Text


def _answer(row: Row) -> Mapping[str, Any]:
    return {"answer": row.text("answer").strip()}


def _mmstar(row: Row) -> tuple[Part, ...]:
    return shown(row, row.text("question").strip() + LETTER.rstrip("."))


def _judge_mmstar(reference: letters.MmstarReference) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        return Judged(reply.strip() or None, float(letters.mmstar(reply, gold["answer"], reference)))

    return judge


def _mmstar_sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """Over all questions, as officially; the mean of the six abilities is lmms-eval's."""
    abilities = grouped(records, "ability")
    return (mean("accuracy", scores(records)), macro("mean of abilities", abilities), *abilities, *grouped(records, "detail"))


def _as_is(row: Row) -> tuple[Part, ...]:
    return shown(row, row.text("question").strip())


def _judge_realworldqa(gold: Mapping[str, Any], reply: str) -> Judged:
    true = gold["answer"]
    said = mcq.extract(reply, letters.FOUR) if true.upper() in letters.FOUR else reply.strip() or None
    return Judged(said, float(letters.realworldqa(reply, true)))


def _scienceqa(row: Row) -> tuple[Part, ...]:
    context = f"Context: {row.text('hint')}\n" if row["hint"] else ""
    text = f"{context}{row.text('question')}\n{listed(lettered(row.texts('choices')))}{LETTER}"
    return shown(row, text) if row["image"] else (Text(text),)


def _scienceqa_groups(row: Row) -> Mapping[str, str]:
    """As LLaVA's table: by subject, by what the context is, by grades."""
    kinds = {"subject": row.get("subject"), "grade": row.get("grade")}
    context = "image" if row["image"] else "text" if row["hint"] else "none"
    return {kind: str(name) for kind, name in kinds.items() if name} | {"context": context}


def _judge_scienceqa(reference: letters.ScienceqaReference) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        right = letters.scienceqa_right(reply, gold["answer"], gold["options"], reference)
        return Judged(letters.scienceqa(reply) if reference == "LLaVA" else reply.strip()[:1] or None, float(right))

    return judge


def _ai2d(row: Row) -> tuple[Part, ...]:
    return shown(row, f"{row.text('question')}\n{listed(lettered(row.texts('options')))}{LETTER}")


def _ai2d_gold(row: Row) -> Mapping[str, Any]:
    return {"answer": string.ascii_uppercase[int(row["answer"])], "options": lettered(row.texts("options"))}


def _judge_ai2d(gold: Mapping[str, Any], reply: str) -> Judged:
    return Judged(letters.ai2d(reply).strip() or None, float(letters.ai2d_right(reply, gold["answer"])))


def _judge_ai2d_kit(gold: Mapping[str, Any], reply: str) -> Judged:
    letter = mcq.infer(reply, gold["options"])
    return Judged(letter, float(letter == gold["answer"]))


TASKS = (
    Task(
        name="mmstar",
        title="MMStar",
        paper="2403.20330",
        splits=("val",),
        layouts=(hub("Lin-Chen/MMStar"), Layout(("mmstar.parquet", "MMStar.tsv"))),
        id=lambda row: str(row["index"]),
        prompts={"lmms-eval": _mmstar, "as it is": _as_is},
        gold=_answer,
        groups=lambda row: {"ability": row.text("category"), "detail": row.text("l2_category")},
        judges={"MMStar": _judge_mmstar("MMStar"), "lmms-eval": _judge_mmstar("lmms-eval")},
        sums=_mmstar_sums,
        max_tokens=64,
    ),
    Task(
        name="realworldqa",
        title="RealWorldQA",
        paper="x.ai/blog/grok-1.5v",
        layouts=(hub("xai-org/RealworldQA"), Layout(("RealWorldQA.tsv",))),
        id=lambda row: row.where,
        prompts={"as it is": _as_is},
        gold=_answer,
        judges={"lmms-eval": _judge_realworldqa},
        max_tokens=16,
        note="xAI published no scorer",
    ),
    Task(
        name="scienceqa",
        title="ScienceQA, questions with a picture",
        paper="2209.09513",
        layouts=(hub("lmms-lab/ScienceQA", "ScienceQA-IMG"), hub("derek-thomas/ScienceQA")),
        id=lambda row: row.where,
        prompts={"lmms-eval": _scienceqa},
        gold=lambda row: {"answer": int(row["answer"]), "options": len(row.texts("choices"))},
        groups=_scienceqa_groups,
        judges={"LLaVA": _judge_scienceqa("LLaVA"), "lmms-eval": _judge_scienceqa("lmms-eval")},
        max_tokens=16,
    ),
    Task(
        name="ai2d",
        title="AI2D",
        paper="1603.07396",
        layouts=(hub("lmms-lab/ai2d"),),
        id=lambda row: row.where,
        prompts={"lmms-eval": _ai2d},
        gold=_ai2d_gold,
        judges={"VLMEvalKit": _judge_ai2d_kit, "lmms-eval": _judge_ai2d},
        max_tokens=16,
        note="pictures with and without masked labels give different scores",
        sought=option,
    ),
)
