"""A person's own questions as a task: a table of JSON lines, JSON, CSV, TSV or parquet, or a folder that holds one.

Columns: `question`; `answer` or `answers`; and where wanted `image` (a file beside the table, or several in `images`), `id`,
`choices` (a list, or text with | between), `box`; every other column of short text is a slice.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chiasm.errors import UserError
from chiasm.evaluate.benchmarks import registry
from chiasm.evaluate.benchmarks.asking import LETTER, SHORT, lettered, listed
from chiasm.evaluate.benchmarks.figures import Figure, mean, scores
from chiasm.evaluate.benchmarks.rows import Bad, Layout, Row, Unusable, readable, rows_of
from chiasm.evaluate.benchmarks.sought import Grade, Pick, any_answer
from chiasm.evaluate.benchmarks.task import Item, Judged, Part, Record, Task
from chiasm.evaluate.scorers import mcq
from chiasm.prompt.messages import Image, Text

NAME, TURNED = "own", "own-circular"
KNOWN = frozenset(("question", "answer", "answers", "image", "images", "picture", "id", "choices", "box", "boxes"))
TABLES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
LONGEST_SLICE = 64


def table(path: Path) -> Path:
    """The table that a path names, or the only one in a folder. Raises `UserError` where there is none or more than one."""
    if not path.exists():
        raise UserError(f"there is no {path}: name a table ({', '.join(TABLES)}) or a folder with one")
    if path.is_file():
        if path.suffix not in TABLES:
            raise UserError(f"{path} is no table: {', '.join(TABLES)} are read")
        return path
    found = sorted(file for file in path.iterdir() if file.suffix in TABLES)
    if len(found) != 1:
        many = ", ".join(file.name for file in found) or "none"
        raise UserError(f"{path} should hold one table ({', '.join(TABLES)}) and holds {many}: name the file")
    return found[0]


def items(path: Path, limit: int | None = None) -> Iterator[Item | Bad]:
    """The questions of a table, and the rows that make none."""
    file, known = table(path), set[str]()
    for number, row in enumerate(_rows(file)):
        if limit is not None and number >= limit:
            return
        try:
            item = _item(row, number)
            if item.id in known:
                raise Unusable(f"another row has the id {item.id!r} already")
        except Unusable as why:
            yield Bad(row.where, str(why))
            continue
        known.add(item.id)
        yield item


def task() -> Task:
    """How own questions are judged: a chosen option, or an answer that equals one of those given, case and a final full stop
    aside."""
    return Task(
        name=NAME,
        title="your own questions",
        paper="",
        layouts=(Layout(()),),
        id=lambda row: str(row.get("id") or row.where),
        prompts={"as it is": lambda row: ()},
        gold=lambda row: {},
        judges={"own": judge},
        max_tokens=64,
        answers="chosen",
        sought=sought,
    )


def turned() -> Task:
    """Own questions asked once for every turn of their options, and right only if each turn is (CircularEval,
    arXiv:2307.06281): a model that likes a letter gains nothing."""
    return replace(task(), name=TURNED, title="your own questions, options turned", answers="written", sums=_circular)


def turned_items(path: Path, limit: int | None = None) -> Iterator[Item | Bad]:
    """The questions of a table once for every turn of their options; those without options once."""
    for one in items(path, limit):
        match one:
            case Bad():
                yield one
            case Item():
                yield from _turns(one)


def _turns(item: Item) -> Iterator[Item]:
    choices = item.gold["choices"]
    for turn in range(max(1, len(choices))):
        order = [*choices[turn:], *choices[:turn]]
        words = (Text(_words(item.gold["question"], order)),)
        parts = (*(part for part in item.parts if not isinstance(part, Text)), *words)
        yield replace(item, id=f"{item.id} turn {turn}", parts=parts, gold={**item.gold, "choices": order, "of": item.id})


def _circular(records: Sequence[Record]) -> tuple[Figure, ...]:
    right: dict[str, float] = {}
    for record in records:
        right[record.gold["of"]] = min(right.get(record.gold["of"], 1.0), record.judged.score)
    return (mean("circular accuracy", list(right.values())), mean("accuracy of single turns", scores(records)))


def named(name: str) -> Task:
    """The task of a run by the name that it wrote down: own questions or a benchmark."""
    match name:
        case "own":
            return task()
        case "own-circular":
            return turned()
        case _:
            return registry.find(name)


def judge(gold: Mapping[str, Any], reply: str) -> Judged:
    """Of options the letter or the text that was said; else whether the reply is one of the answers."""
    if gold["choices"]:
        options = lettered(gold["choices"])
        said = reply.strip()
        exact = next((letter for letter, text in options.items() if text == said), None)
        letter = exact or mcq.extract(reply, tuple(options)) or mcq.infer(reply, options)
        option = options.get(letter or "")
        return Judged(option, float(option in gold["answers"]))
    said = _plain(reply)
    return Judged(said or None, float(said in {_plain(answer) for answer in gold["answers"]}))


def sought(gold: Mapping[str, Any]) -> Grade | Pick:
    """Of options, which one; else whether the reply means one of the answers."""
    return Pick(lettered(gold["choices"])) if gold["choices"] else any_answer(gold)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")


def _rows(file: Path) -> Iterator[Row]:
    yield from rows_of_csv(file) if file.suffix == ".csv" else rows_of(file, file.parent)


def rows_of_csv(file: Path) -> Iterator[Row]:
    """Empty cells are columns that a row does not have."""
    csv.field_size_limit(sys.maxsize)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        for number, values in enumerate(readable(csv.DictReader(opened), file)):
            full = {name: cell for name, cell in values.items() if name is not None and cell not in ("", None)}
            yield Row(full, file.parent, f"{file.name}, row {number}")


def _item(row: Row, number: int) -> Item:
    if row.get("question") is None or row["question"] == "":
        raise Unusable("there is no question")
    answers = _words_of(row, "answers", "answer")
    if not answers:
        raise Unusable("there is no answer")
    choices = _words_of(row, "choices")
    if choices and not set(answers) & set(choices):
        raise Unusable(f"the answer {answers[0]!r} is none of the choices")
    pictures = [_picture(row, name) for name in _several(row.get("images", "image", "picture"))]
    parts: tuple[Part, ...] = (*pictures, Text(_words(row.text("question"), choices)))
    slices = {
        name: value for name, value in row.values.items()
        if name not in KNOWN and isinstance(value, str) and 0 < len(value) <= LONGEST_SLICE
    }  # fmt: skip
    gold = {"answers": answers, "choices": choices, "question": row.text("question")}
    return Item(str(row.get("id") or number), parts, gold, slices)


def _words(question: str, choices: Sequence[str]) -> str:
    return question + (f"\n{listed(lettered(choices))}{LETTER}" if choices else SHORT)


def _picture(row: Row, name: Any) -> Image:
    return Row({"image": name}, row.folder, row.where).picture()


def _words_of(row: Row, *names: str) -> list[str]:
    """What is written in a column of texts or numbers. Raises `Unusable` for anything else."""
    several = _several(row.get(*names))
    for one in several:
        if isinstance(one, bool) or not isinstance(one, str | int | float):
            raise Unusable(f"{names[-1]} is {one!r}, neither text nor a number")
    return [str(one) for one in several]


def _several(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str):
        return [part.strip() for part in value.split("|")] if "|" in value else [value]
    return list(value) if isinstance(value, list | tuple) else [value]
