"""TableVQA-Bench: tables as pictures, in four parts that are scored in three ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chiasm.evaluate.benchmarks.asking import shown
from chiasm.evaluate.benchmarks.figures import Figure, grouped, macro
from chiasm.evaluate.benchmarks.rows import Layout, Row, hub
from chiasm.evaluate.benchmarks.task import Judged, Part, Record, Task
from chiasm.evaluate.scorers import tablevqa

WTQ = "\n".join(
    (
        "You are asked to answer questions asked on an image.",
        "You should answer the question with a single word.",
        "Example: ",
        "Question: what was the only year mr. wu competed in the olympic games?",
        "Answer: 2004",
        "Question: which township in pope county, arkansas has the least amount of water area?",
        "Answer: Freeman",
        "If you have multiple answers, please separate them with || marks. Example: Apple||Banana||Tomato",
        "",
        "Question: {question}",
        "Answer:",
    )
)
FACT = "\n".join(
    (
        "You are asked to answer whether the statement is True or False based on given image",
        "You should only answer True or False.",
        "Example: ",
        "Statement: the milwaukee buck win 6 game in the 2010 - 11 season",
        "Answer: True",
        "Statement: only the top team score above the average of 8.8",
        "Answer: False",
        "",
        "Statement: {question}",
        "Answer:",
    )
)
FINANCE = "\n".join(
    (
        "You are asked to answer questions asked on a image.",
        "You should answer the question within a single word or few words.",
        "If units can be known, the answer should include units such as $, %, million and etc.",
        "Example: ",
        "Question: What were the total financing originations for the fiscal year ended October 31, 2004?",
        "Answer: $3,852 million",
        "Question: What is the time period represented in the table?",
        "Answer: October 31",
        "Question: What was the percentage of net sales for selling, general and administrative expenses in 2006?",
        "Answer: 34.2%",
        "Question: {question}",
        "Answer:",
    )
)
PROMPTS = {"fintabnetqa": FINANCE, "vtabfact": FACT, "vwtq": WTQ, "vwtq_syn": WTQ}
TRUTH = {"1": True, "0": False, "True": True, "False": False, "true": True, "false": False}


def _hub(row: Row) -> Iterator[Row]:
    """The hub calls the answer gt; the part is the split, which is the file's name."""
    values = row.values
    part = values.get("split") or row.where.partition("-0")[0].partition(".")[0]
    answer = values["answer"] if "answer" in values else values.get("gt")
    yield Row({**values, "split": part, "answer": answer}, row.folder, row.where)


def _ask(row: Row) -> tuple[Part, ...]:
    return shown(row, PROMPTS[row.text("split")].format(question=row.text("question")))


def _judge(gold: Mapping[str, Any], reply: str) -> Judged:
    said = reply.removeprefix("Answer: ")
    match gold["part"]:
        case "vtabfact":
            heard = tablevqa.fact(said)
            return Judged(heard, float(heard is not None and heard == TRUTH[gold["answer"]]))
        case "fintabnetqa":
            return Judged(said.strip() or None, float(tablevqa.amount(said, gold["answer"])))
    return Judged(said.strip() or None, float(tablevqa.denotation(said, gold["answer"])))


def _sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """The mean of the four parts, then each."""
    parts = grouped(records, "part")
    return (macro("mean of parts", parts), *parts)


TASKS = (
    Task(
        name="tablevqa",
        title="TableVQA-Bench",
        paper="2404.19205",
        splits=("*",),
        layouts=(
            hub("terryoo/TableVQA-Bench", rows=_hub),
            Layout(("tablevqa-bench.tsv", "TableVQABench.tsv"), _hub),
        ),
        id=lambda row: f"{row.text('split')} {row.get('qa_id', 'index')}",
        prompts={"TableVQA-Bench": _ask},
        gold=lambda row: {"part": row.text("split"), "answer": str(row["answer"])},
        groups=lambda row: {"part": row.text("split")},
        judges={"TableVQA-Bench": _judge},
        sums=_sums,
        max_tokens=64,
    ),
)
