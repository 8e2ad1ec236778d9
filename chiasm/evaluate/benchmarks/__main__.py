"""The benchmarks as a table in Markdown: python -m chiasm.evaluate.benchmarks."""

from __future__ import annotations

from chiasm.evaluate.benchmarks.compared import COMPARED
from chiasm.evaluate.benchmarks.registry import tasks
from chiasm.evaluate.benchmarks.rows import names
from chiasm.evaluate.benchmarks.task import Task

HEAD = ("name", "benchmark", "data", "prompts, the default first", "rules of, the default first", "what a score leaves out")


def _data(task: Task) -> str:
    """Where it is published, and the first file that a folder of it is known by."""
    return "; ".join(layout.repo or f"`{names(task, layout)[0]}`" for layout in task.layouts)


def main() -> None:
    print("| " + " | ".join(HEAD) + " |")
    print("| " + " | ".join("---" for _ in HEAD) + " |")
    for task in (*tasks().values(), *(one.task for one in COMPARED.values())):
        paper = f"[{task.title}](https://arxiv.org/abs/{task.paper})" if task.paper[0].isdigit() else task.title
        said = (", ".join(task.prompts), ", ".join(task.judges))
        print("| " + " | ".join((f"`{task.name}`", paper, _data(task), *said, task.note)) + " |")


if __name__ == "__main__":
    main()
