"""One page with everything that probes found: it opens anywhere and asks nothing of the network."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from itertools import groupby
from statistics import fmean

from chiasm.evaluate.benchmarks.figures import mean
from chiasm.probe import curves, plot, remedies
from chiasm.probe.run import Probed, choices
from chiasm.probe.skill import Skill
from chiasm.probe.tasks import AS_DRAWN

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c1c1c;background:#fff;max-width:1040px;margin:2em auto;padding:0 1em}
h1{font-size:1.6em}h2{font-size:1.15em;margin:2.2em 0 .3em}table{border-collapse:collapse}
td,th{padding:.15em .8em;border-bottom:1px solid #ddd;text-align:left}td.n{text-align:right}
.plots{display:flex;flex-wrap:wrap;gap:12px}svg{width:460px;max-width:100%;font:11px system-ui,sans-serif}
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
        f"<title>Skills of {escape(names)}</title><style>{STYLE}{plot.STYLE}</style></head><body>"
        f"<h1>Skills of {escape(names)}</h1>"
        f"<p>{escape(about)} Bars are 95 % intervals; a dashed line is chance. Again: <code>{escape(command)}</code></p>"
        f"{_table(by_skill)}{_remedies(runs)}{body}</body></html>\n"
    )


def picture(runs: Sequence[Probed]) -> str:
    """The curves of all skills as one small SVG, pictures as they were drawn."""
    panels = []
    for skill, some in groupby(_sorted(runs), key=lambda run: run.skill):
        several = [replace(run, samples=tuple(s for s in run.samples if s.variant == AS_DRAWN)) for run in some]
        guessed = choices(several[0].samples)
        shares = curves.accuracy(several)
        panels.append((skill.title, plot.svg(shares, skill.swept, "share right", 0, 1, [] if guessed is None else [guessed])))
    return plot.sheet(panels)


def _sorted(runs: Sequence[Probed]) -> list[Probed]:
    order = list(dict.fromkeys(run.skill for run in runs))
    return sorted(runs, key=lambda run: order.index(run.skill))


def rows(runs: Sequence[Probed]) -> Iterator[tuple[str, ...]]:
    """A line for each skill and model: share right with its interval, chance, how often yes was said where it could be, how
    many, how many could not be read."""
    yield "skill", "model", "right", "95 %", "chance", "yes", "n", "unparsed", "failed"
    for run in runs:
        shown = [sample for sample in run.samples if sample.variant == AS_DRAWN]
        found, guessed = mean(run.skill.name, [sample.score or 0.0 for sample in shown]), choices(shown)
        failed = sum(sample.error is not None for sample in shown)
        unparsed = sum(sample.parsed is None for sample in shown) - failed
        chance = "" if guessed is None else f"{100 * guessed:.0f}"
        interval = f"{100 * found.low:.0f} to {100 * found.high:.0f}"
        yes = f"{100 * fmean(sample.parsed == 'yes' for sample in shown):.0f}" if of_yes_or_no(run) else ""
        counts = (str(found.n), str(unparsed), str(failed))
        yield run.skill.name, run.model, f"{100 * found.value:.0f}", interval, chance, yes, *counts


def of_yes_or_no(run: Probed) -> bool:
    """Whether every question is answered by one of the two."""
    return all(sample.gold["answer"] in ("yes", "no") for sample in run.samples)


def _table(by_skill: Sequence[tuple[Skill, list[Probed]]]) -> str:
    head, *lines = rows([run for _, some in by_skill for run in some])
    linked = [[f'<a href="#{escape(skill)}">{escape(skill)}</a>', *map(escape, rest)] for skill, *rest in lines]
    return _tabled(head, linked)


def _tabled(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Cells as they stand in HTML; numbers from the third on."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    cells = ((f'<td class="n">{cell}</td>' if n > 1 else f"<td>{cell}</td>" for n, cell in enumerate(line)) for line in lines)
    body = "".join(f"<tr>{''.join(line)}</tr>" for line in cells)
    return f"<table><tr>{top}</tr>{body}</table>"


def _remedies(runs: Sequence[Probed]) -> str:
    lines = [[escape(cell) for cell in line] for line in remedies.rows(runs)]
    if not lines:
        return ""
    return (
        '<h2 id="remedies">Against naming what is not there, before and after</h2><p>The same pictures and questions, answered '
        "in words; the change is of the share that is right, with its 95 % interval and McNemar's p. A remedy that only says "
        f"no more often shows in the share of yes.</p>{_tabled(remedies.HEAD, lines)}"
    )


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
    if all(map(of_yes_or_no, runs)):
        notes = " Right: how often yes was said; it is true of half."
        plots.append(plot.svg(curves.yes_rate(runs), skill.swept, "share of yes", 0, 1, [0.5]))
    more = ""
    if any(len(run.tokens) > 1 for run in runs):
        spent = curves.by_tokens(runs)
        more += _beside("By visual tokens spent on a picture, over all levels.", spent, "visual tokens")
    if skill.signed and len(runs) == 1 and skill.name != "count":
        more += _beside("By how many there were.", curves.by_number(runs[0]), skill.swept)
    return (
        f'<h2 id="{escape(skill.name)}">{escape(skill.title)}</h2>{plot.legend(shares)}'
        f'<p>Left: the share of right answers.{notes}</p><div class="plots">{"".join(plots)}</div>{more}'
        f"{''.join(_examples(skill, runs))}"
    )


def _beside(told: str, shares: Sequence[curves.Curve], swept: str) -> str:
    """A plot of its own with its legend."""
    drawn = plot.svg(shares, swept, "share right", 0, 1)
    return f'<p>{told}</p>{plot.legend(shares)}<div class="plots">{drawn}</div>'


def _examples(skill: Skill, runs: Sequence[Probed]) -> Iterator[str]:
    """The first picture of the lowest, the middle and the highest level, with what was said."""
    levels = [str(level) for level in skill.levels]
    for level in dict.fromkeys((levels[0], levels[len(levels) // 2], levels[-1])):
        shown = [next(s for s in run.samples if s.slices["level"] == level and s.variant == AS_DRAWN) for run in runs]
        data = base64.b64encode((runs[0].pictures / shown[0].pictures[0]).read_bytes()).decode()
        said = "".join(
            f'<br><span class="{"right" if sample.score == 1 else "wrong"}">{escape(run.model)}: '
            f"{escape(sample.answer if sample.answer is not None else sample.error or '')}</span>"
            for run, sample in zip(runs, shown, strict=True)
        )
        asked = f"{escape(str(shown[0].gold['question']))} <b>{escape(str(shown[0].gold['answer']))}</b>"
        image = f'<img alt="{escape(level)}" src="data:image/png;base64,{data}">'
        yield f"<figure>{image}<figcaption>{asked}{said}</figcaption></figure>"
