"""Every benchmark, found by name: those that are asked by words, and those whose vectors are compared."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache

from chiasm.errors import UserError
from chiasm.evaluate import benchmarks
from chiasm.evaluate.benchmarks.compared import COMPARED
from chiasm.evaluate.benchmarks.task import Task

_MACHINERY = frozenset(
    ("__main__", "asking", "compared", "embedding", "figures", "lines", "registry", "rows", "shots", "sought", "task")
)


@cache
def tasks() -> dict[str, Task]:
    """Those that are asked, by name, in the order of their files. Every file beside this one holds `TASKS`."""
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in _MACHINERY)
    files = [importlib.import_module(f"{benchmarks.__name__}.{name}") for name in names]
    return {task.name: task for file in files for task in file.TASKS}


def find(name: str) -> Task:
    """One benchmark. Raises `UserError` with the nearest names."""
    known = {**tasks(), **{name: one.task for name, one in COMPARED.items()}}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"the nearest are {', '.join(near)}" if near else f"known are {', '.join(sorted(known))}"
        raise UserError(f"no benchmark is called {name!r}; {hint}")
    return known[name]
