"""MMMU and MMMU-Pro: college questions with up to seven pictures."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chiasm.evaluate.benchmarks.asking import SHORT, lettered, listed
from chiasm.evaluate.benchmarks.figures import Figure, by, mean, scores
from chiasm.evaluate.benchmarks.rows import Layout, Row, Unusable, hub
from chiasm.evaluate.benchmarks.task import Judge, Judged, Part, Record, Task
from chiasm.evaluate.scorers import mmmu
from chiasm.prompt.messages import Text

SEED = 42
"""MMMU's own; here each question draws by itself, so that one reply changes no other's score."""

CHOICE = "Answer with the option's letter from the given choices directly."
PRO = "Answer with the option letter from the given choices directly."
LAST_LINE = (
    "The last line of your response should be of the following format: 'Answer: $LETTER' (without quotes) where LETTER is one "
    "of options."
)
THINK = f"Answer the preceding multiple choice question. {LAST_LINE} Think step by step before answering."
READ_AND_THINK = (
    f"Write out the multiple-choice question in the image and then solve it. {LAST_LINE} Think step by step before answering."
)

_MARK = re.compile(r"<image (\d)>")


def _options(row: Row) -> dict[str, str]:
    """A list, or the text of one."""
    found = row["options"]
    return lettered([str(one) for one in (ast.literal_eval(found) if isinstance(found, str) else found)])


def _interleaved(row: Row, text: str) -> tuple[Part, ...]:
    """Pictures where the text first marks them."""
    pieces, seen = _MARK.split(text), set()
    if len(pieces) == 1:
        raise Unusable("the question marks no picture")
    parts: list[Part] = []
    for place, piece in enumerate(pieces):
        if place % 2 and piece not in seen:
            seen.add(piece)
            parts.append(row.picture(f"image_{piece}"))
        elif place % 2:
            parts.append(Text(f"<image {piece}>"))
        elif piece:
            parts.append(Text(piece))
    return tuple(parts)


def _ask(template: str, option: str) -> Callable[[Row], tuple[Part, ...]]:
    def ask(row: Row) -> tuple[Part, ...]:
        question = row.text("question")
        if row.text("question_type") == "multiple-choice":
            return _interleaved(row, template.format(question=question, options=listed(_options(row), option)))
        return _interleaved(row, f"{question}\n{SHORT}")

    return ask


_OFFICIAL = _ask(f"{{question}}\n\n{{options}}\n\n\n{CHOICE}", "({}) {}")
_LMMS = _ask(f"{{question}}\n{{options}}\n\n{CHOICE}", "{}. {}")


def _gold(row: Row) -> Mapping[str, Any]:
    gold = row["answer"]
    if gold in (None, "?"):
        raise Unusable("answers are withheld in this split")
    return {"id": row["id"], "answer": gold, "kind": row.get("question_type") or "multiple-choice", "options": _options(row)}


def _judge(reference: mmmu.Reference, drawn: bool) -> Judge:
    """`drawn`: a letter that cannot be read is drawn, as the official code does."""

    def judge(gold: Mapping[str, Any], reply: str) -> Judged:
        if gold["kind"] != "multiple-choice":
            meant = mmmu.parse_open(reply)
            return Judged(meant if reply.strip() else None, float(mmmu.right_open(meant, gold["answer"])))
        letter = mmmu.parse_choice(reply, gold["options"], reference)
        counted = letter
        if letter is None and drawn:
            counted = random.Random(f"{SEED} {gold['id']}").choice(list(gold["options"]))
        return Judged(letter, float(mmmu.right_choice(counted, gold["answer"])))

    return judge


def _judges(own: mmmu.Reference) -> Mapping[str, Judge]:
    return {
        own: _judge(own, drawn=True),
        f"{own} (unread is wrong)": _judge(own, drawn=False),
        "lmms-eval": _judge("lmms-eval", drawn=True),
    }


def _sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """Over all, by domain and by subject, every question alike."""
    subjects = by(records, "subject")
    figures = [mean("accuracy", scores(records))]
    for domain, names in mmmu.DOMAINS.items():
        present = [name for name in names if name in subjects]
        if present:
            figures.append(mean(domain, [score for name in present for score in scores(subjects[name])]))
            figures += [mean(f"{domain}: {name}", scores(subjects[name])) for name in present]
    return tuple(figures)


def _pro_standard(words: str) -> Callable[[Row], tuple[Part, ...]]:
    return lambda row: _interleaved(row, f"{row.text('question')}\n{listed(_options(row))}\n{words}")


def _pro_vision(words: str) -> Callable[[Row], tuple[Part, ...]]:
    return lambda row: (row.picture(), Text(words))


def _pro(name: str, config: str, prompts: Mapping[str, Callable[[Row], tuple[Part, ...]]]) -> Task:
    return Task(
        name=name,
        title=f"MMMU-Pro, {config}",
        paper="2409.02813",
        layouts=(hub("MMMU/MMMU_Pro", config),),
        id=lambda row: row.text("id"),
        prompts=prompts,
        gold=_gold,
        groups=lambda row: {"subject": row.text("subject")},
        judges=_judges("MMMU-Pro"),
        max_tokens=1024,
        note="the official score is the mean of the vision and the ten-option setting",
    )


_STANDARD = {"MMMU-Pro direct": _pro_standard(PRO), "MMMU-Pro CoT": _pro_standard(THINK)}

TASKS = (
    Task(
        name="mmmu",
        title="MMMU",
        paper="2311.16502",
        splits=("validation",),
        layouts=(Layout(("*/{split}-*.parquet", "data/{split}-*.parquet", "{split}-*.parquet"), repo="MMMU/MMMU"),),
        id=lambda row: row.text("id"),
        prompts={"MMMU": _OFFICIAL, "lmms-eval": _LMMS},
        gold=_gold,
        groups=lambda row: {"subject": mmmu.subject(row.text("id"))},
        judges=_judges("MMMU"),
        sums=_sums,
        max_tokens=128,
    ),
    _pro("mmmu-pro", "standard (10 options)", _STANDARD),
    _pro("mmmu-pro-4", "standard (4 options)", _STANDARD),
    _pro(
        "mmmu-pro-vision",
        "vision",
        {"MMMU-Pro direct": _pro_vision(f"{PRO} {LAST_LINE}"), "MMMU-Pro CoT": _pro_vision(READ_AND_THINK)},
    ),
)
