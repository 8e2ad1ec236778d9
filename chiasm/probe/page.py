"""One page with everything that probes found: it opens anywhere and asks nothing of the network."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from chiasm.evaluate.benchmarks.figures import mean
from chiasm.probe import curves, plot
from chiasm.probe.run import AS_DRAWN, Probed, choices
from chiasm.probe.skill import Skill

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c1c1c;background:#fff;max-width:1040px;margin:2em auto;padding:0 1em}
h1{font-size:1.6em}h2{font-size:1.15em;margin:2.2em 0 .3em}table{border-collapse:collapse}
td,th{padding:.15em .8em;border-bottom:1px solid #ddd;text-align:left}td.n{text-align:right}
.plots{display:flex;flex-wrap:wrap;gap:12px}svg{width:460px;max-width:100%;font:11px system-ui,sans-serif}
.grid{stroke:#e4e4e4}.chance{stroke:#888;stroke-dasharray:4 3}
.legend span{margin-right:1.2em}.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}
figure{display:inline-block;margin:.4em .8em .4em 0;width:170px;vertical-align:top;font-size:12px}
figure img{width:168px;border:1px solid #ccc}.right{color:#217a35}.wrong{color:#b03020}
"""


def page(runs: Sequence[Probed], about: str, command: str) -> str:
    """HTML of one model's probes, or of several, overlaid; `command` makes it again."""
    by_skill = [(skill, list(some)) for skill, some in groupby(_sorted(runs), key=lambda run: run.skill)]
    names = ", ".join(dict.fromkeys(run.model for run in runs))
    body = "".join(_section(skill, some) for skill, some in by_skill)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Skills of {escape(names)}</title><style>{STYLE}</style></head><body><h1>Skills of {escape(names)}</h1>"
        f"<p>{escape(about)} Bars are 95 % intervals; a dashed line is chance. Again: <code>{escape(command)}</code></p>"
        f"{_table(by_skill)}{body}</body></html>\n"
    )


def _sorted(runs: Sequence[Probed]) -> list[Probed]:
    order = list(dict.fromkeys(run.skill for run in runs))
    return sorted(runs, key=lambda run: order.index(run.skill))


def rows(runs: Sequence[Probed]) -> Iterator[tuple[str, ...]]:
    """A line for each skill and model: share right with its interval, chance, how many, how many could not be read."""
    yield "skill", "model", "right", "95 %", "chance", "n", "unparsed", "failed"
    for run in runs:
        shown = [sample for sample in run.samples if sample.variant == AS_DRAWN]
        found, guessed = mean(run.skill.name, [sample.score or 0.0 for sample in shown]), choices(shown)
        failed = sum(sample.error is not None for sample in shown)
        unparsed = sum(sample.parsed is None for sample in shown) - failed
        chance = "" if guessed is None else f"{100 * guessed:.0f}"
        interval = f"{100 * found.low:.0f} to {100 * found.high:.0f}"
        yield run.skill.name, run.model, f"{100 * found.value:.0f}", interval, chance, str(found.n), str(unparsed), str(failed)


def _table(by_skill: Sequence[tuple[Skill, list[Probed]]]) -> str:
    head, *lines = rows([run for _, some in by_skill for run in some])
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(_cell(n, cell) for n, cell in enumerate(line))}</tr>" for line in lines)
    return f"<table><tr>{top}</tr>{body}</table>"


def _cell(column: int, text: str) -> str:
    match column:
        case 0:
            return f'<td><a href="#{escape(text)}">{escape(text)}</a></td>'
        case 1:
            return f"<td>{escape(text)}</td>"
        case _:
            return f'<td class="n">{escape(text)}</td>'


def _section(skill: Skill, runs: Sequence[Probed]) -> str:
    shares = curves.accuracy(runs)
    guessed = choices(runs[0].samples)
    notes = ""
    plots = [plot.svg(shares, skill.swept, "share right", 0, 1, [] if guessed is None else [guessed])]
    if skill.signed:
        wrong = curves.errors(runs)
        far = max((abs(edge) for curve in wrong for p in curve.points for edge in (p.at.low, p.at.high)), default=1.0) or 1.0
        notes = " Right: by how much answers are off; below 0 is too few."
        plots.append(plot.svg(wrong, skill.swept, "answer less truth", -far, far, [0]))
    if all(sample.gold["answer"] in ("yes", "no") for run in runs for sample in run.samples):
        notes = " Right: how often yes was said; it is true of half."
        plots.append(plot.svg(curves.yes_rate(runs), skill.swept, "share of yes", 0, 1, [0.5]))
    return (
        f'<h2 id="{escape(skill.name)}">{escape(skill.title)}</h2>{plot.legend(shares)}'
        f'<p>Left: the share of right answers.{notes}</p><div class="plots">{"".join(plots)}</div>'
        f"{''.join(_examples(skill, runs))}"
    )


def _examples(skill: Skill, runs: Sequence[Probed]) -> Iterator[str]:
    """The first picture of the lowest, the middle and the highest level, with what was said."""
    levels = [str(level) for level in skill.levels]
    for level in dict.fromkeys((levels[0], levels[len(levels) // 2], levels[-1])):
        shown = [next(s for s in run.samples if s.slices["level"] == level and s.variant == AS_DRAWN) for run in runs]
        data = base64.b64encode(Path(shown[0].pictures[0]).read_bytes()).decode()
        said = "".join(
            f'<br><span class="{"right" if sample.score == 1 else "wrong"}">{escape(run.model)}: '
            f"{escape(sample.answer if sample.answer is not None else sample.error or '')}</span>"
            for run, sample in zip(runs, shown, strict=True)
        )
        asked = f"{escape(str(shown[0].gold['question']))} <b>{escape(str(shown[0].gold['answer']))}</b>"
        image = f'<img alt="{escape(level)}" src="data:image/png;base64,{data}">'
        yield f"<figure>{image}<figcaption>{asked}{said}</figcaption></figure>"
