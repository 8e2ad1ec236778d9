"""ChartQA and ChartQAPro: values read off charts, within 5 %."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chiasm.evaluate.benchmarks.asking import SHORT, shown
from chiasm.evaluate.benchmarks.figures import Figure, grouped, macro, mean, scores
from chiasm.evaluate.benchmarks.rows import Layout, Row, Unusable, hub
from chiasm.evaluate.benchmarks.sought import any_answer
from chiasm.evaluate.benchmarks.task import Judge, Judged, Part, Record, Task
from chiasm.evaluate.scorers import chartqa

WORD = "\nAnswer the question with a single word."
PHRASE = "\nAnswer the question with a short phrase."
HUMAN, AUGMENTED = "human", "augmented"


def _ending(words: str) -> Callable[[Row], tuple[Part, ...]]:
    return lambda row: shown(row, row.text("question") + words)


def _gold(row: Row) -> Mapping[str, Any]:
    return {"answers": row.texts("answer")}


def _split(row: Row) -> Mapping[str, str]:
    kind = row.text("type")
    return {"split": HUMAN if kind.startswith(HUMAN) else AUGMENTED}


def _judge(reference: chartqa.Reference) -> Judge:
    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        right = any(chartqa.relaxed(reply, answer, reference) for answer in gold["answers"])
        return Judged(reply.strip() or None, float(right))

    return judge


def _sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """The mean of the human and the augmented split, which are equally large, then each."""
    splits = grouped(records, "split")
    return (macro("relaxed accuracy", splits), *splits)


def _dataset_card(row: Row) -> Iterator[Row]:
    """The authors' columns: query, a list of labels, and a number that says who wrote the question."""
    kind = HUMAN if row["human_or_machine"] in (0, "0", HUMAN) else AUGMENTED
    yield Row({**row.values, "question": row["query"], "answer": row["label"], "type": kind}, row.folder, row.where)


def _either(row: Row) -> Iterator[Row]:
    yield from _dataset_card(row) if "query" in row.values else iter((row,))


def _conversation(row: Row) -> str:
    asked, said = row.texts("Question"), row.texts("Answer")
    if row.text("Question Type") != "Conversational" or len(asked) == 1:
        return asked[-1].strip()
    lines = []
    for turn, (question, answer) in enumerate(zip(asked[:-1], said, strict=False), 1):
        lines += [f"Q{turn}: {question.strip()}", f"A{turn}: {answer.strip()}"]
    return "\n".join([*lines, f"Q{len(asked)}: {asked[-1].strip()}"])


def _pro(row: Row) -> tuple[Part, ...]:
    paragraph = (row.get("Paragraph") or "").strip()
    context = f"Context: {paragraph}\n\n" if paragraph else ""
    return shown(row, context + _conversation(row) + PHRASE)


def _pro_gold(row: Row) -> Mapping[str, Any]:
    """The last answer, and its flags of years; of a conversation only the last flag is meant."""
    answers, years, kind = row.texts("Answer"), row.texts("Year"), row.text("Question Type")
    if not answers or not years:
        raise Unusable("there is no answer, or no flag of years")
    exact = kind in ("Fact Checking", "Multi Choice")
    return {"answer": answers[-1], "years": years[-1:] if kind == "Conversational" else years, "exact": exact}


def _judge_pro(gold: Mapping[str, Any], reply: str) -> Judged:
    answer, said = (text.strip(".").strip("\n") for text in (gold["answer"], reply))
    return Judged(reply.strip() or None, chartqa.pro(said, answer, gold["years"], gold["exact"]))


TASKS = (
    Task(
        name="chartqa",
        title="ChartQA",
        paper="2203.10244",
        layouts=(hub("lmms-lab/ChartQA", rows=_either), Layout(("ChartQA_{split}.jsonl",))),
        id=lambda row: row.where,
        prompts={"lmms-eval": _ending(WORD), "VLMEvalKit": _ending(SHORT)},
        gold=_gold,
        groups=_split,
        judges={"pix2struct": _judge("pix2struct"), "VLMEvalKit": _judge("VLMEvalKit"), "Qwen-VL": _judge("Qwen-VL")},
        sums=_sums,
        max_tokens=16,
        note="years are numbers: 1950 is right for 2010",
        sought=any_answer,
    ),
    Task(
        name="chartqapro",
        title="ChartQAPro",
        paper="2504.05506",
        layouts=(hub("ahmed-masry/ChartQAPro"),),
        id=lambda row: row.where,
        prompts={"lmms-eval": _pro},
        gold=_pro_gold,
        groups=lambda row: {"question type": row.text("Question Type")},
        judges={"ChartQAPro": _judge_pro},
        sums=lambda records: (mean("relaxed accuracy", scores(records)), *grouped(records, "question type")),
        max_tokens=128,
    ),
)
