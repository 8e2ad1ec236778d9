"""A person's own questions as a task: a table of JSON lines, JSON, CSV, TSV or parquet, or a folder that holds one.

Columns: `question`; `answer` or `answers`, or `box` (left, top, right, bottom in upright pixels) where the answer is a place;
and where wanted `image` (a file beside the table, or several in `images`), `id`, `choices` (a list, or text with | between);
every other column of short text is a slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from chiasm.evaluate.benchmarks import registry
from chiasm.evaluate.benchmarks.asking import LETTER, SHORT, lettered, listed
from chiasm.evaluate.benchmarks.figures import Figure, mean, scores
from chiasm.evaluate.benchmarks.rows import Bad, Layout, Row, Unusable, size_of
from chiasm.evaluate.benchmarks.sought import Grade, Pick, any_answer
from chiasm.evaluate.benchmarks.task import Item, Judged, Part, Record, Task
from chiasm.evaluate.runs.own_table import KNOWN, rows, table
from chiasm.evaluate.scorers import boxes, mcq
from chiasm.prompt.messages import Image, Text

NAME, TURNED = "own", "own-circular"
LONGEST_SLICE = 64
PLACE = "\nAnswer with its bounding box [left, top, right, bottom], in shares of the picture's width and height from 0 to 1."
ENOUGH = 0.5
"""Of a box's area and the gold one's, what they must have in common to all that either covers."""


def items(path: Path, limit: int | None = None) -> Iterator[Item | Bad]:
    """The questions of a table, and the rows that make none."""
    file, known = table(path), set[str]()
    for number, row in enumerate(rows(file)):
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
    """How own questions are judged: a chosen option, a box that covers the one given, or an answer that equals one of those
    given, case and a final full stop aside."""
    return Task(
        name=NAME,
        title="your own questions",
        paper="",
        layouts=(Layout(()),),
        id=lambda row: str(row.get("id") or row.where),
        prompts={"as it is": lambda row: ()},
        gold=lambda row: {},
        judges={"own": judge, "own, boxes in pixels": judge_pixels},
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


def judge_pixels(gold: Mapping[str, Any], reply: str) -> Judged:
    """As `judge`, for models that speak of boxes in pixels."""
    return judge(gold, reply, pixels=True)


def judge(gold: Mapping[str, Any], reply: str, pixels: bool = False) -> Judged:
    """Of options the letter or the text that was said; of boxes whether the first covers the gold one, in shares of the picture
    or, where it has a number above 1.5, in thousandths; else whether the reply is one of the answers."""
    if "box" in gold:
        return _judge_box(gold["box"], gold["size"], boxes.parse_kit(reply), pixels)
    if gold["choices"]:
        options = lettered(gold["choices"])
        said = reply.strip()
        exact = next((letter for letter, text in options.items() if text == said), None)
        letter = exact or mcq.extract(reply, tuple(options)) or mcq.infer(reply, options)
        option = options.get(letter or "")
        return Judged(option, float(option in gold["answers"]))
    said = _plain(reply)
    return Judged(said or None, float(said in {_plain(answer) for answer in gold["answers"]}))


def _judge_box(gold: Sequence[float], size: Sequence[int], said: boxes.Four | None, pixels: bool) -> Judged:
    if said is None:
        return Judged(None, 0.0)
    unit = 1000 if max(map(abs, said)) > 1.5 else 1
    sides = (1, 1, 1, 1) if pixels else tuple(side / unit for side in (*size, *size))
    box = [edge * side for edge, side in zip(said, sides, strict=True)]
    cover = boxes.iou_guarded(gold, box)
    return Judged({"box": box, "iou": cover}, float(cover >= ENOUGH))


def sought(gold: Mapping[str, Any]) -> Grade | Pick | None:
    """Of options, which one; of boxes nothing; else whether the reply means one of the answers."""
    if "box" in gold:
        return None
    return Pick(lettered(gold["choices"])) if gold["choices"] else any_answer(gold)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")


def _item(row: Row, number: int) -> Item:
    if row.get("question") is None or row["question"] == "":
        raise Unusable("there is no question")
    answers = _words_of(row, "answers", "answer")
    if not answers and row.get("box", "boxes") is not None:
        return _place(row, number)
    if not answers:
        raise Unusable("there is no answer")
    choices = _words_of(row, "choices")
    if choices and not set(answers) & set(choices):
        raise Unusable(f"the answer {answers[0]!r} is none of the choices")
    pictures = [_picture(row, name) for name in _several(row.get("images", "image", "picture"))]
    parts: tuple[Part, ...] = (*pictures, Text(_words(row.text("question"), choices)))
    gold = {"answers": answers, "choices": choices, "question": row.text("question")}
    return Item(str(row.get("id") or number), parts, gold, _slices(row))


def _slices(row: Row) -> dict[str, str]:
    return {
        name: value for name, value in row.values.items()
        if name not in KNOWN and isinstance(value, str) and 0 < len(value) <= LONGEST_SLICE
    }  # fmt: skip


def _place(row: Row, number: int) -> Item:
    """A question that a box answers."""
    pictures = [_picture(row, name) for name in _several(row.get("images", "image", "picture"))]
    if len(pictures) != 1:
        raise Unusable(f"a box lies in one picture, and there are {len(pictures)}")
    gold = {"answers": [], "choices": [], "question": row.text("question")}
    where = {"box": _edges(row.get("box", "boxes")), "size": size_of(pictures[0])}
    parts: tuple[Part, ...] = (*pictures, Text(row.text("question") + PLACE))
    return Item(str(row.get("id") or number), parts, {**gold, **where}, _slices(row))


def _edges(value: Any) -> list[float]:
    """Four numbers, as a list or as text. Raises `Unusable` for anything else, and for a box turned inside out."""
    several = value.strip("[]() ").replace(",", " ").split() if isinstance(value, str) else value
    several = several[0] if isinstance(several, list) and len(several) == 1 and isinstance(several[0], list) else several
    try:
        left, top, right, bottom = map(float, several)
    except (TypeError, ValueError):
        raise Unusable(f"box is {value!r}: left, top, right and bottom in pixels were expected") from None
    if not (left < right and top < bottom):
        raise Unusable(f"box is {value!r}, which has no area: left, top, right, bottom in pixels were expected")
    return [left, top, right, bottom]


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
