"""From answers to marks: what counts as right, shares with intervals, how far from the target and from chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chiasm.evaluate.examinee import Said
from chiasm.evaluate.intervals import Interval, Paired, paired, wilson
from chiasm.evaluate.tasks import Asked, Task, chance

Condition = Literal["picture", "blank", "other"]
CONDITIONS: tuple[Condition, ...] = ("picture", "blank", "other")
NEAR = 0.05
"""How far from chance answers about a blank picture may be."""


def normal(text: str) -> str:
    """An answer as it is compared: without space around it and one final period; case counts."""
    return text.strip().removesuffix(".").rstrip()


def right(said: Said, asked: Asked) -> bool:
    return normal(said.text) == normal(asked.answer)


@dataclass(frozen=True)
class Mark:
    """One task's outcome: shares of right answers by condition, and the picture's own part in them.

    `unended` counts written answers about the true picture that were cut off at the limit of tokens.
    """

    task: str
    samples: int
    written: bool
    target: float | None
    chance: float
    shares: Mapping[Condition, Interval]
    over_blank: Paired
    over_other: Paired
    unended: int

    @property
    def reached(self) -> bool:
        """Whether the share itself, not its bounds, is at the target; true where there is none."""
        return self.target is None or self.shares["picture"].value >= self.target

    @property
    def missing(self) -> float:
        """What the share lacks to the target; negative beyond it, nothing where there is none."""
        return 0.0 if self.target is None else self.target - self.shares["picture"].value

    @property
    def excess(self) -> float:
        """How far answers about a blank picture are above chance: what the question's words alone give away."""
        return self.shares["blank"].value - self.chance

    @property
    def near(self) -> bool:
        """Whether a blank picture is answered within 5 points of chance, either way."""
        return abs(self.excess) <= NEAR + 1e-9

    @property
    def betrayed(self) -> bool:
        """Whether a blank picture is answered more than 5 points above chance. Far below is no leak: a fixed answer that is
        never true, such as 1 where 6 to 9 things are counted."""
        return self.excess > NEAR + 1e-9


def mark(task: Task, asked: Sequence[Asked], said: Mapping[Condition, Sequence[Said]]) -> Mark:
    """Marks all answers to one task's questions."""
    hits = {c: [right(s, a) for s, a in zip(said[c], asked, strict=True)] for c in CONDITIONS}
    return Mark(
        task.name,
        len(asked),
        not asked[0].candidates,
        task.target,
        chance(task.how, asked),
        {c: wilson(sum(hits[c]), len(asked)) for c in CONDITIONS},
        paired(hits["picture"], hits["blank"]),
        paired(hits["picture"], hits["other"]),
        sum(not s.ended for s in said["picture"]),
    )


def table(marks: Sequence[Mark]) -> str:
    """All marks as a table in Markdown, in percent."""
    lines = [
        "| task | n | with the picture | blank | another picture | chance | to reach | |",
        "|---|---:|---|---|---|---:|---:|---|",
    ]
    for m in marks:
        shares = " | ".join(_percent(m.shares[c]) for c in CONDITIONS)
        target = "" if m.target is None else f"{100 * m.target:.0f}"
        lines.append(f"| {m.task} | {m.samples} | {shares} | {100 * m.chance:.1f} | {target} | {verdict(m)} |")
    return "\n".join(lines) + "\n"


def verdict(m: Mark) -> str:
    """Whether the target was reached, by how much not, and whether a blank picture betrays more than chance."""
    said = []
    if m.target is not None:
        said.append("reached" if m.reached else f"**missed by {100 * m.missing:.1f}**")
    if not m.near:
        said.append(f"blank {100 * abs(m.excess):.1f} {'above' if m.excess > 0 else 'below'} chance")
    return ", ".join(said)


def summary(marks: Sequence[Mark]) -> str:
    """One sentence over all tasks."""
    aimed = [m for m in marks if m.target is not None]
    near, above = sum(m.near for m in marks), sum(m.betrayed for m in marks)
    return (
        f"{sum(m.reached for m in aimed)} of {len(aimed)} targets reached; blank pictures within {100 * NEAR:.0f} points of "
        f"chance in {near} of {len(marks)} tasks, above in {above}, below in {len(marks) - near - above}."
    )


def _percent(share: Interval) -> str:
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"
