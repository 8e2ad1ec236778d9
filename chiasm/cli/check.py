"""`chiasm check`: proofs against references."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from chiasm import registry
from chiasm.cli import families
from chiasm.cli.show import as_json
from chiasm.errors import ChiasmError, UnknownModel, UserError

if TYPE_CHECKING:
    from chiasm.check import Verdict

app = App(
    name="check",
    help="Prove that models compute what their references compute; exit code 1 if any proof fails. A folder is proved "
    "by its own expected.safetensors, or its cases.json if it is a table, a family by references that transformers rebuilds.",
    usage="Usage: chiasm check [OPTIONS] FOLDER-OR-FAMILY...",
    help_epilogue="""Example:
  chiasm check references/llava-0 references/clip-0 --json
  chiasm check llava-1.5
  chiasm check --all""",
)
FAILED, UNUSABLE = 1, 2


@app.default
def run(
    *what: Annotated[str, Parameter(name="FOLDER-OR-FAMILY", help="Reference folders or families.")],
    every: Annotated[bool, Parameter(name="--all", help="Every family of the registry.")] = False,
    seeds: Annotated[int, Parameter(help="Of a family: so many seeds for its weights.")] = 1,
    geometries: Annotated[int, Parameter(help="Of a family: so many redrawings of picture sizes.")] = 0,
    out: Annotated[Path | None, Parameter(help="Keep what was computed: OUT/<folder's name>.safetensors.")] = None,
    json: Annotated[bool, Parameter(help="One JSON array.")] = False,
    markdown: Annotated[bool, Parameter(help="With --all: the table in Markdown, as the README has it.")] = False,
) -> int:
    """Proves one after the other; what cannot be proved at all does not stop the rest. `--all` ends with the table of
    families, each with what was proved of it."""
    if markdown and not every:
        raise UserError("--markdown is a form of the table that --all ends with: say --all too.")
    if seeds < 1 or geometries < 0:
        raise UserError(
            f"--seeds {seeds} --geometries {geometries} proves nothing: at least 1 seed and 0 geometries are needed."
        )
    names = [*what, *(registry.families() if every else ())]
    if not names:
        raise UserError("There is nothing to prove: name reference folders or families, or say --all.")
    found: dict[str, list[Verdict]] = {}
    unusable = 0
    for name in names:
        try:
            for verdict in proved(name, out, seeds, geometries):
                found.setdefault(name, []).append(verdict)
                print(verdict.line(), file=sys.stderr if json or markdown else sys.stdout, flush=True)
        except ChiasmError as e:
            if len(names) == 1:
                raise
            unusable += 1
            print(" ".join(str(e).split()), file=sys.stderr)
    verdicts = [verdict for several in found.values() for verdict in several]
    if json:
        as_json([plain(verdict) for verdict in verdicts])
    elif every:
        families.table(registry.families(), markdown, {name: summed(several) for name, several in found.items()})
    if not all(verdict.passed for verdict in verdicts):
        return FAILED
    return UNUSABLE if unusable else 0


def proved(name: str, out: Path | None, seeds: int, geometries: int) -> Iterator[Verdict]:
    """The verdicts of one folder or family; a folder that is there wins over a family of the same name."""
    from chiasm.check import check, check_family

    if name in registry.families() and not Path(name).exists():
        yield from check_family(name, range(seeds), (None, *range(geometries)), out)
    elif Path(name).exists() or "/" in name:
        yield check(Path(name), out)
    else:
        raise UnknownModel(f"{name!r} is neither a folder here nor a family; {registry.nearest(name, registry.families())}")


def summed(verdicts: Sequence[Verdict]) -> str:
    """What several verdicts prove together: how many references hold, and where the proofs begin."""
    parts = []
    for start, said in (("raw", "from raw pictures"), ("tensors", "from tensors")):
        held = [verdict.passed for verdict in verdicts if verdict.start == start]
        if held:
            parts.append(f"{len(held)} {said}" if all(held) else f"{sum(held)} of {len(held)} {said}")
    return ", ".join(parts)


def plain(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON has it: a difference that is no number is null."""
    worst = {name: value if math.isfinite(value) else None for name, value in verdict.worst.items()}
    return {**asdict(verdict), "worst": worst}
