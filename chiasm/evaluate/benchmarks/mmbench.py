"""MMBench: each question once for every turn of its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chiasm.evaluate.benchmarks.asking import listed, options, shown, there
from chiasm.evaluate.benchmarks.figures import Figure, mean, scores
from chiasm.evaluate.benchmarks.rows import Layout, Row, Unusable, hub
from chiasm.evaluate.benchmarks.sought import option
from chiasm.evaluate.benchmarks.task import Judge, Judged, Part, Record, Task
from chiasm.evaluate.scorers import mcq, mmbench

PLEASE = "Please select the correct answer from the options above. \n"
LETTER = "Answer with the option's letter from the given choices directly."


def _kit(row: Row) -> tuple[Part, ...]:
    hint = f"Hint: {row['hint']}\n" if there(row.get("hint")) else ""
    return shown(row, f"{hint}Question: {row.text('question')}\nOptions:\n{listed(options(row))}\n{PLEASE}")


def _lmms(row: Row) -> tuple[Part, ...]:
    hint = f"{row['hint']} " if there(row.get("hint")) else ""
    choices = listed(options(row, "ABCDE"))
    return shown(row, f"{hint}{row.text('question')} There are several options:\n{choices}\n\n{LETTER}")


def _gold(row: Row) -> Mapping[str, Any]:
    if not there(row.get("answer")):
        raise Unusable("answers are withheld in this split: it is scored by the authors' server")
    return {"index": int(row["index"]), "answer": row.text("answer"), "options": options(row)}


def _groups(row: Row) -> Mapping[str, str]:
    wide = row.get("l2-category", "L2-category")
    return {kind: str(name) for kind, name in (("ability", wide), ("category", row.get("category"))) if there(name)}


def _judged(reader: Any) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        letter = reader(reply, gold["options"])
        return Judged(letter, float(letter == gold["answer"]))

    return judge


def _questions(records: Sequence[Record]) -> dict[int, list[Record]]:
    turns: dict[int, list[Record]] = {}
    for record in records:
        turns.setdefault(record.gold["index"] % mmbench.TURN, []).append(record)
    return turns


def _sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """Questions that are right in every turn (CircularEval), by ability and category too; then every asking by itself."""
    questions = _questions(records)
    right = {index: float(all(turn.judged.score for turn in turns)) for index, turns in questions.items()}
    figures = [mean("circular accuracy", list(right.values()))]
    for kind in ("ability", "category"):
        names = {index: turns[0].groups[kind] for index, turns in questions.items() if kind in turns[0].groups}
        for name in sorted(set(names.values())):
            figures.append(mean(f"{kind}: {name}", [right[index] for index, own in names.items() if own == name]))
    return (*figures, mean("accuracy of single turns", scores(records)))


def _task(name: str, title: str, config: str, file: str) -> Task:
    return Task(
        name=name,
        title=title,
        paper="2307.06281",
        splits=("dev",),
        layouts=(hub("lmms-lab/MMBench", config), Layout((file,))),
        id=lambda row: str(row["index"]),
        prompts={"VLMEvalKit": _kit, "lmms-eval": _lmms},
        gold=_gold,
        groups=_groups,
        judges={"VLMEvalKit": _judged(mcq.infer), "lmms-eval": _judged(mcq.infer_mmbench)},
        sums=_sums,
        max_tokens=128,
        note="without a judge a reply that names no option is wrong",
        sought=option,
    )


TASKS = (
    _task("mmbench", "MMBench, English", "en", "MMBench_DEV_EN*.tsv"),
    _task("mmbench-cn", "MMBench, Chinese", "cn", "MMBench_DEV_CN*.tsv"),
)
