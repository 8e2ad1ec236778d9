"""A golden case, and the two shapes of a metric over many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chiasm.errors import UserError

Case = Mapping[str, Any]
Values = dict[str, Any]
Metric = Callable[[Sequence[Case]], list[Values]]

RANDOM = "<RANDOM>"
"""Where the published code draws an answer."""


def each(values: Callable[[Case], Values]) -> Metric:
    """A metric whose cases know nothing of each other. Where the published code divides by zero, the name of that error is the
    value."""

    def compute(cases: Sequence[Case]) -> list[Values]:
        out = []
        for place, case in enumerate(cases):
            try:
                out.append(values(case))
            except KeyError as missing:
                raise UserError(f"Case {place} lacks the field {missing}") from missing
            except ZeroDivisionError:
                out.append({"expected": "ZeroDivisionError"})
        return out

    return compute


def value(compute: Callable[[Case], Any]) -> Metric:
    """One with a single value."""
    return each(lambda case: {"expected": compute(case)})


def rows_of(case: Case) -> Sequence[Case]:
    """The rows of a case that is a whole run."""
    rows: Sequence[Case] = one_of(case, "items", "samples", "rows", "results", "questions")
    return rows


def one_of(case: Case, *names: str) -> Any:
    """The field under the first of several names that is there."""
    for name in names:
        if name in case:
            return case[name]
    raise KeyError(names[0])
