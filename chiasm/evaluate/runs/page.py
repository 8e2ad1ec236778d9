"""Compared runs as one HTML file that asks nothing of any address: tables, plots, and a gallery to click through."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from chiasm.errors import UserError
from chiasm.evaluate.intervals import Interval
from chiasm.evaluate.judge import preferences
from chiasm.evaluate.judge.preferences import Preferences
from chiasm.evaluate.runs import differences
from chiasm.evaluate.runs.album import Album, Place, placed
from chiasm.evaluate.runs.compare import Compared, Side
from chiasm.evaluate.runs.report import SHOWN
from chiasm.evaluate.runs.store import Sample
from chiasm.weights.write import write_text

HERE = Path(__file__).parent
MEGABYTES = 12.0
"""Of pictures in a page, as they stand there."""


@dataclass(frozen=True)
class Line:
    """A line of a plot: a value between its bounds."""

    name: str
    value: float
    low: float
    high: float


def write(
    found: Sequence[Compared],
    file: Path,
    pictures: int,
    megabytes: float = MEGABYTES,
    preferred: Sequence[Preferences] = (),
) -> None:
    """Writes the page, with a judge's preferences where there are any. Raises `UserError` where it cannot be written."""
    album = Album(pictures, round(megabytes * 1e6))
    gallery = content(found, album, preferred)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("compare.html.jinja").render(
        tasks=found,
        scores=scores,
        changes=changes,
        reach=reach,
        cells=differences.cells,
        changed=differences.changed,
        meaning=differences.meaning,
        cost_names=differences.COSTS[1:],
        row_names=differences.ROWS[3:10],
        preferred=_by_task(preferred),
        style=Markup((HERE / "compare.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "compare.js").read_text(encoding="utf-8")),
        left_out=album.left_out,
        full=album.full,
        held=len(album.uris),
        data=Markup(embedded(gallery)),
    )
    try:
        write_text(file, page)
    except OSError as e:
        raise UserError(f"{file} cannot be written ({e.strerror}): name another place with --page") from e


def embedded(value: Any) -> str:
    """JSON that no text inside of it can end: a page's script element ends at the first </script>."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def content(found: Sequence[Compared], album: Album, preferred: Sequence[Preferences] = ()) -> dict[str, Any]:
    """What the gallery shows; where not all pictures fit, those of questions that runs disagree on come first."""
    judged = _judged(preferred)
    tasks = [
        _task(one, placed(album, one.sides[0], sorted(_shared(one), key=lambda name: _alike(one, name))), judged)
        for one in found
    ]
    return {"tasks": tasks, "pictures": album.uris}


def _by_task(preferred: Sequence[Preferences]) -> dict[str, tuple[list[tuple[str, ...]], list[str]]]:
    """Of each task the table of its pairs, its head first, and the sentences below it."""
    by_task: dict[str, list[Preferences]] = {}
    for one in preferred:
        by_task.setdefault(one.task, []).append(one)
    return {task: (list(preferences.rows(some)), list(preferences.notes(some))) for task, some in by_task.items()}


Verdicts = Mapping[tuple[str, str, str], str]
"""What a judge found, by task, by the second run, by question."""


def _judged(preferred: Sequence[Preferences]) -> Verdicts:
    several: dict[tuple[str, str, str], list[str]] = {}
    for one in preferred:
        for duel in one.duels.duels:
            several.setdefault((one.task, one.duels.second, duel.id), []).append(preferences.told(duel))
    return {key: "; ".join(dict.fromkeys(told)) for key, told in several.items()}


def _shared(one: Compared) -> list[str]:
    """Questions that the first run and any other answered."""
    return [name for name in one.sides[0].answers if any(name in side.answers for side in one.sides[1:])]


def _alike(one: Compared, name: str) -> bool:
    return len({side.score(name) for side in one.sides if name in side.answers}) == 1


def _asked(one: Compared, name: str) -> Sample:
    return one.sides[0].answers[name][0]


def _task(one: Compared, pictures: Mapping[str, list[Place]], judged: Verdicts) -> dict[str, Any]:
    questions = []
    for name in _shared(one):
        asked = _asked(one, name)
        questions.append(
            {
                "id": name,
                "prompt": asked.prompt,
                "choices": list(asked.choices),
                "gold": _gold(asked.gold),
                "slices": dict(asked.slices),
                "pictures": pictures[name],
                "runs": [
                    _run(side, name, judged.get((one.task, side.label, name), "")) if name in side.answers else None
                    for side in one.sides
                ],
            }
        )
    return {"name": one.task, "runs": [side.label for side in one.sides], "questions": questions}


def _run(side: Side, name: str, judged: str) -> dict[str, Any]:
    answers = [
        {
            "answer": s.answer,
            "parsed": s.parsed,
            "error": s.error,
            "way": f"{s.variant}, seed {s.seed}",
            "score": s.score or 0.0,
        }
        for s in side.answers[name]
    ]
    return {"score": side.score(name), "answers": answers, "judged": judged}


def _gold(gold: Mapping[str, Any]) -> str:
    """What was right, in a line; what the question shows already is left out."""
    kept = {name: value for name, value in gold.items() if name not in ("question", "choices")}
    said = {name: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in kept.items()}
    return next(iter(said.values())) if len(said) == 1 else "; ".join(f"{name}: {value}" for name, value in said.items())


def scores(one: Compared) -> list[Line]:
    """The task's own figure of each run, by what was shown."""
    return [
        Line(f"{side.label}, {SHOWN[shown]}", figure.value, figure.low, figure.high)
        for side in one.sides
        for shown, figure in side.figures.items()
    ]


def changes(one: Compared) -> list[Line]:
    """The change of each pair and slice."""

    def line(label: str, name: str, change: Interval) -> Line:
        return Line(f"{label}, {name}" if len(one.pairs) > 1 else name, change.value, change.low, change.high)

    return [line(pair.second.label, made.name, made.change) for pair in one.pairs for made in pair.differences]


def reach(lines: Sequence[Line]) -> float:
    """How far a plot around zero goes to either side: a round share that holds all bounds."""
    most = max(max(abs(line.low), abs(line.high)) for line in lines)
    return next(step for step in (0.05, 0.1, 0.2, 0.5, 1.0, float("inf")) if most <= step)
