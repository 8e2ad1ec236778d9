"""The exam at a glance: one line a task, three conditions with their intervals, chance and target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chiasm.errors import need
from chiasm.evaluate.marks import CONDITIONS, Condition, Mark
from chiasm.weights.write import replacing

_LOOKS: dict[Condition, tuple[str, str, str]] = {
    "picture": ("with the picture", "#1f5fa8", "o"),
    "blank": ("blank picture", "#8c8c8c", "s"),
    "other": ("another picture", "#d98a1f", "D"),
}


def draw(marks: Sequence[Mark], file: Path) -> None:
    """Writes the plot as PNG. Raises `MissingExtra` where matplotlib is not installed."""
    figure = need("matplotlib.figure", extra="train").Figure(figsize=(8, 0.42 * len(marks) + 1.4), layout="constrained")
    axes = figure.subplots()
    for row, m in enumerate(marks):
        axes.plot([100 * m.chance] * 2, [row - 0.36, row + 0.36], color="#c03030", lw=1.2, ls=":")
        if m.target is not None:
            axes.plot([100 * m.target] * 2, [row - 0.36, row + 0.36], color="#208040", lw=2)
    for step, condition in enumerate(CONDITIONS):
        label, colour, shape = _LOOKS[condition]
        shares = [m.shares[condition] for m in marks]
        below = [100 * max(0.0, s.value - s.low) for s in shares]
        above = [100 * max(0.0, s.high - s.value) for s in shares]
        rows = [row + 0.2 * (step - 1) for row in range(len(marks))]
        values = [100 * s.value for s in shares]
        axes.errorbar(values, rows, xerr=[below, above], fmt=shape, ms=4, lw=1.2, color=colour, label=label)
    axes.plot([], [], color="#208040", lw=2, label="to reach")
    axes.plot([], [], color="#c03030", lw=1.2, ls=":", label="chance")
    axes.set_yticks(range(len(marks)), [m.task for m in marks])
    axes.set(xlim=(-1, 101), ylim=(len(marks) - 0.4, -0.6), xlabel="right answers, % (95 % intervals)")
    axes.grid(axis="x", color="#e4e4e4")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=5, fontsize=8, frameon=False)
    with replacing(file) as part:
        figure.savefig(part, format="png", dpi=110)
