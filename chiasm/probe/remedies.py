"""Ways against naming what is not there, before and after: on the same pictures, beside how often yes was said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chiasm.evaluate.intervals import paired
from chiasm.probe.run import Probed
from chiasm.probe.skills.absent import BEFORE, REMEDIES

HEAD = ("model", "way", "right", "yes was said", "of things not there", "change", "95 %", "p")


def rows(runs: Sequence[Probed]) -> Iterator[tuple[str, ...]]:
    """A line for each model and way, the plain one first; none where the plain one was not asked."""
    for before in (run for run in runs if run.skill.name == BEFORE):
        yield before.model, "plain", *_shares(before), "", "", ""
        for name, called in REMEDIES.items():
            for after in (run for run in runs if run.skill.name == name and run.model == before.model):
                yield before.model, called, *_shares(after), *_change(before, after)


def _shares(run: Probed) -> tuple[str, str, str]:
    yes = [sample.parsed == "yes" for sample in run.samples]
    absent = [said for said, sample in zip(yes, run.samples, strict=True) if sample.gold["answer"] == "no"]
    right = sum(sample.score or 0.0 for sample in run.samples)
    return _percent(right, len(yes)), _percent(sum(yes), len(yes)), _percent(sum(absent), len(absent))


def _change(before: Probed, after: Probed) -> tuple[str, str, str]:
    """Of the share of right answers to the questions that were asked in both ways."""
    plain = {sample.id: sample.score == 1 for sample in before.samples}
    pairs = [(sample.score == 1, plain[sample.id]) for sample in after.samples if sample.id in plain]
    if not pairs:
        return "", "", ""
    found = paired([new for new, _ in pairs], [old for _, old in pairs])
    change = found.difference
    p = f"{found.p:.3f}" if found.p >= 0.001 else "<0.001"
    return f"{100 * change.value:+.0f}", f"{100 * change.low:+.0f} to {100 * change.high:+.0f}", p


def _percent(part: float, whole: int) -> str:
    return f"{100 * part / whole:.0f}" if whole else ""
