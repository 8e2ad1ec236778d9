"""A golden case, and the two shapes of a metric over many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Case = Mapping[str, Any]
Values = dict[str, Any]
Metric = Callable[[Sequence[Case]], list[Values]]

RANDOM = "<RANDOM>"
"""Where the published code draws an answer."""


def each(values: Callable[[Case], Values]) -> Metric:
    """A metric whose cases know nothing of each other.

    Where published code stops with an error (a division by zero, nine people in place of ten), the error's name is the value; a
    case that cannot be read holds what is wrong with it under "error", and the others are computed all the same.
    """

    def compute(cases: Sequence[Case]) -> list[Values]:
        return [_guarded(values, case) for case in cases]

    return compute


def _guarded(values: Callable[[Case], Values], case: Case) -> Values:
    try:
        return values(case)
    except KeyError as missing:
        return {"error": f"there is no field {missing}"}
    except (TypeError, AttributeError) as wrong:
        return {"error": f"a field is of another kind: {wrong}"}
    except (ZeroDivisionError, ValueError, IndexError) as stop:
        return {"expected": type(stop).__name__}


def value(compute: Callable[[Case], Any]) -> Metric:
    """One with a single value."""
    return each(lambda case: {"expected": compute(case)})


def rows_of(case: Case) -> Sequence[Case]:
    """The rows of a case that is a whole run: its first field that is a list of objects, or of nothing."""
    lists = [field for name, field in case.items() if isinstance(field, list) and not name.startswith("expected")]
    found = next((rows for rows in lists if rows and isinstance(rows[0], dict)), None)
    if found is None and [] not in lists:
        raise KeyError("of rows")
    return found or []


def one_of(case: Case, *names: str) -> Any:
    """The field under the first of several names that is there."""
    for name in names:
        if name in case:
            return case[name]
    raise KeyError(names[0])


def under_its_names(case: Case, known: Mapping[str, Any], usual: Values) -> Values:
    """A run's numbers under the names that a case asks for (`expected` holds several, `expected_NAME` one), else the usual."""
    out: Values = {}
    for field, asked in case.items():
        if field.startswith("expected_") and field.removeprefix("expected_") in known:
            out[field] = known[field.removeprefix("expected_")]
        elif field.startswith("expected") and isinstance(asked, dict):
            out[field] = {name: known[name] for name in asked if name in known}
    return out or usual
