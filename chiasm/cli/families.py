"""`chiasm families`: the registry as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import App, Parameter

from chiasm import registry
from chiasm.cli.show import as_json, columns
from chiasm.errors import UserError
from chiasm.spec import Family, Proof

app = App(
    name="families",
    help="List the model families: paper, sizes, how parity is proved, whether real weights ever ran.",
    usage="Usage: chiasm families [OPTIONS] [NAME...]",
    help_epilogue="""Example:
  chiasm families
  chiasm families --json""",
)
HEADINGS = ("name", "paper", "year", "kind", "sizes", "proof", "real weights")
PROOFS: dict[Proof, str] = {
    "exact": "equal to {reference}",
    "recorded": "equal to a recording of {reference}",
    "reduction": "reduced to {reference}",
}


@dataclass(frozen=True)
class Shown:
    """One family's facts; parameters by its modules' shapes."""

    family: Family
    sizes: dict[str, int]

    @property
    def proof(self) -> str:
        return PROOFS[self.family.proof].format(reference=self.family.reference)

    @property
    def ran(self) -> str:
        return "yes" if self.family.ran else "not yet"

    @property
    def paper(self) -> str:
        """An address as it is, anything else a number of arXiv's."""
        return self.family.paper if "://" in self.family.paper else f"arXiv:{self.family.paper}"

    def row(self) -> tuple[str, ...]:
        f = self.family
        sizes = ", ".join(f"{size} ({short(count)})" for size, count in self.sizes.items())
        return (f.name, self.paper, str(f.year), f.kind, sizes, self.proof, self.ran)

    def to_json(self) -> dict[str, Any]:
        f = self.family
        return {
            "name": f.name,
            "title": f.title,
            "paper": f.paper,
            "year": f.year,
            "kind": f.kind,
            "layout": f.layout,
            "sizes": self.sizes,
            "proof": f.proof,
            "reference": f.reference,
            "ran_on_real_weights": f.ran,
        }

    def cells(self) -> tuple[str, ...]:
        """A line of the table in Markdown."""
        f = self.family
        sizes = ", ".join(f"{size} ({short(count)})" for size, count in self.sizes.items())
        address = f.paper if "://" in f.paper else f"https://arxiv.org/abs/{f.paper}"
        paper = f"[{f.paper.removeprefix('https://')}]({address})"
        return (f.title, f"`{f.name}`", paper, str(f.year), f.kind, sizes, self.proof, self.ran)


@app.default
def run(
    *names: Annotated[str, Parameter(name="NAME", help="Families to show. [default: all]")],
    json: Annotated[bool, Parameter(help="One JSON array.")] = False,
    markdown: Annotated[bool, Parameter(help="A table in Markdown, as the README has it.")] = False,
) -> int:
    """The registry as a table."""
    if json and markdown:
        raise UserError("--json and --markdown are two forms of the same table: choose one.")
    chosen = {name: registry.family(name) for name in names} or registry.families()
    if json:
        as_json([one.to_json() for one in described(chosen)])
    else:
        table(chosen, markdown)
    return 0


def table(chosen: Mapping[str, Family], markdown: bool, proved: Mapping[str, str] | None = None) -> None:
    """Prints families by year; `proved` is what was just found of each, in a column of its own."""
    shown = [(one, () if proved is None else (proved.get(one.family.name, "nothing"),)) for one in described(chosen)]
    more = () if proved is None else ("proved",)
    if not markdown:
        print(columns([(*HEADINGS, *more), *((*one.row(), *cell) for one, cell in shown)]))
        return
    lines = [("family", *HEADINGS[:4], "sizes (parameters)", "proof of parity", "ran on real weights", *more)]
    lines += [("---",) * len(lines[0]), *((*one.cells(), *cell) for one, cell in shown)]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))


def described(chosen: Mapping[str, Family]) -> list[Shown]:
    """Families by year, with the parameters of each of their sizes."""
    from chiasm.model import counted

    ordered = sorted(chosen.values(), key=lambda family: (family.year, family.name))
    counts = iter(counted(family.at(size) for family in ordered for size in family.sizes))
    return [Shown(family, {size: next(counts) for size in family.sizes}) for family in ordered]


def short(count: int) -> str:
    """7.06B, 135M."""
    return f"{count / 1e9:.2f}B" if count >= 1e9 else f"{count / 1e6:.0f}M"
