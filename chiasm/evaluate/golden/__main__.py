"""Checks the scorers from outside: computes the values of a file of golden cases.

    python -m chiasm.evaluate.golden IN.json --out OUT.json

IN.json holds lists of cases by the name of their metric; OUT.json gets, for every case in order, what it should expect under
the same names (`expected`, `expected_...`). A metric without a name here is an error, exit code 2; a case that cannot be read
holds "error" and is named.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chiasm.errors import ChiasmError, UserError
from chiasm.evaluate.golden import answers, sets
from chiasm.evaluate.golden.case import Case, Values
from chiasm.weights.write import write_text

METRICS = answers.METRICS | sets.METRICS


def compute(cases: Mapping[str, Sequence[Case]]) -> dict[str, list[Values]]:
    """The values of every case. Raises `UserError` for an unknown metric, before anything is computed."""
    for name in cases:
        if name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(METRICS)}"
            raise UserError(f"No metric is called {name!r}: {hint}")
    return {name: METRICS[name](several) for name, several in cases.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads IN, writes OUT; 2 for a file that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m chiasm.evaluate.golden", description=__doc__.split("\n")[0])
    parser.add_argument("cases", type=Path, metavar="IN.json", help="lists of cases by metric")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.json", help="where the values go")
    options = parser.parse_args(arguments)
    try:
        try:
            cases = json.loads(options.cases.read_text(encoding="utf-8"))
        except (OSError, ValueError) as broken:
            raise UserError(f"{options.cases} is not a file of JSON: {broken}") from broken
        if not isinstance(cases, dict):
            raise UserError(f"{options.cases} holds no lists of cases by metric")
        found = compute(cases)
        write_text(options.out, json.dumps(_plain(found), ensure_ascii=False, indent=1, allow_nan=False))
    except ChiasmError as mistake:
        print(mistake, file=sys.stderr)
        return 2
    for name, several in found.items():
        for place, values in enumerate(several):
            if "error" in values:
                print(f"{name}, case {place}: {values['error']}", file=sys.stderr)
    return 0


def _plain(found: Any) -> Any:
    """JSON has no word for numbers that are none: their names stand in for them."""
    match found:
        case float() if math.isnan(found):
            return "NaN"
        case float() if math.isinf(found):
            return "Infinity" if found > 0 else "-Infinity"
        case dict():
            return {name: _plain(one) for name, one in found.items()}
        case list() | tuple():
            return [_plain(one) for one in found]
    return found


if __name__ == "__main__":
    sys.exit(main())
