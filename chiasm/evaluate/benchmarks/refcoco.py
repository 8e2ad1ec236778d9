"""RefCOCO, RefCOCO+ and RefCOCOg: the box of what a phrase means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chiasm.evaluate.benchmarks.asking import shown
from chiasm.evaluate.benchmarks.figures import Figure, mean, open_mean, scores
from chiasm.evaluate.benchmarks.rows import Row, hub, size_of
from chiasm.evaluate.benchmarks.task import Judged, Part, Record, Task
from chiasm.evaluate.scorers import boxes

UNITS = (
    "Bounding box coordinates are specified in the format (top-left x, top-left y, bottom-right x, bottom-right y). All values "
    "are floating point numbers bounded between 0 and 1. Please provide the bounding box coordinate of the region this "
    "sentence describes: "
)
ENOUGH = 0.5


def _expressions(row: Row) -> Iterator[Row]:
    """One row for each of the phrases about a box."""
    for place, phrase in enumerate(row.texts("answer")):
        yield Row({**row.values, "answer": phrase, "phrase": place}, row.folder, row.where)


def _shares(row: Row) -> tuple[Part, ...]:
    return shown(row, UNITS + row.text("answer"))


def _json(row: Row) -> tuple[Part, ...]:
    words = f'Locate every object that matches the description "{row.text("answer")}" in the image.'
    return shown(row, f"{words} Report bbox coordinates in JSON format.")


def _qwen(row: Row) -> tuple[Part, ...]:
    return shown(row, f"<ref>{row.text('answer')}</ref><box>")


def _gold(row: Row) -> Mapping[str, Any]:
    """Left, top, right, bottom in pixels, and the picture's size."""
    left, top, width, height = row["bbox"]
    return {"box": [left, top, left + width, top + height], "size": size_of(row.picture())}


def _judged(gold: Mapping[str, Any], box: Sequence[float] | None, iou: float) -> Judged:
    parsed = None if box is None else {"box": list(box), "iou": iou, "centred": boxes.centred(gold["box"], box)}
    return Judged(parsed, float(iou >= ENOUGH))


def _scaled(box: Sequence[float] | None, gold: Mapping[str, Any], unit: float) -> tuple[float, ...] | None:
    """A box in pixels; `unit` is what a whole side is called."""
    sides = [*gold["size"], *gold["size"]]
    return None if box is None else tuple(edge / unit * side for edge, side in zip(box, sides, strict=True))


def _judge_shares(gold: Mapping[str, Any], reply: str) -> Judged:
    box = _scaled(boxes.parse_rec(reply), gold, 1)
    return _judged(gold, box, boxes.iou(gold["box"], box or boxes.EMPTY))


def _judge_kit(gold: Mapping[str, Any], reply: str) -> Judged:
    read = boxes.parse_kit(reply)
    box = None if read is None else boxes.pixels_kit(read, *gold["size"])
    return _judged(gold, box, boxes.iou_guarded(gold["box"], box or boxes.EMPTY))


def _judge_qwen(gold: Mapping[str, Any], reply: str) -> Judged:
    box = _scaled(boxes.parse_qwen(reply), gold, 999)
    return _judged(gold, box, boxes.iou_qwen(reply, gold["box"], *gold["size"]))


def _judge_grounding(gold: Mapping[str, Any], reply: str) -> Judged:
    """The best of all boxes, each taken for pixels and for thousandths, as lmms-eval does it."""
    read = boxes.parse_grounding(reply)
    either = [box for one in read for box in (one, _scaled(one, gold, 1000)) if box is not None]
    best = max(either, key=lambda box: boxes.iou_guarded(gold["box"], box), default=None)
    return _judged(gold, best, boxes.iou_guarded(gold["box"], best or boxes.EMPTY))


def _sums(records: Sequence[Record]) -> tuple[Figure, ...]:
    """Accuracy at IoU 0.5, then IoU itself, other thresholds, and middles that lie inside."""
    read = [record.judged.parsed or {"iou": 0.0, "centred": False} for record in records]
    covers = [one["iou"] for one in read]
    return (
        mean("ACC@0.5", scores(records)),
        open_mean("IoU", covers),
        *(mean(f"ACC@{least}", [float(cover >= least) for cover in covers]) for least in boxes.THRESHOLDS if least != ENOUGH),
        mean("Center_ACC", [float(one["centred"]) for one in read]),
    )


def _task(name: str, title: str, repo: str, splits: tuple[str, ...]) -> Task:
    return Task(
        name=name,
        title=title,
        paper="1608.00272",
        splits=splits,
        layouts=(hub(repo, rows=_expressions),),
        id=lambda row: f"{row['question_id']} {row['phrase']}",
        prompts={"lmms-eval": _shares, "lmms-eval grounding": _json, "Qwen-VL": _qwen},
        gold=_gold,
        judges={
            "lmms-eval": _judge_shares,
            "lmms-eval grounding": _judge_grounding,
            "Qwen-VL": _judge_qwen,
            "VLMEvalKit": _judge_kit,
        },
        sums=_sums,
        max_tokens=64,
        note="prompt and reader must speak of the same unit",
    )  # fmt: skip


TASKS = (
    _task("refcoco", "RefCOCO", "lmms-lab/RefCOCO", ("val", "test", "testA", "testB")),
    _task("refcoco+", "RefCOCO+", "lmms-lab/RefCOCOplus", ("val", "testA", "testB")),
    _task("refcocog", "RefCOCOg", "lmms-lab/RefCOCOg", ("val", "test")),
)
