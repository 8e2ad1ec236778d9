"""What `--model` names for a plan: a family's published size, whose spec needs no weights, or a folder with its
tokenizer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chiasm import registry
from chiasm.cli.near import suggesting
from chiasm.connect.compressed import shown_less
from chiasm.errors import UserError
from chiasm.spec import (
    Bind,
    Causal,
    CodedMasks,
    Connect,
    Encode,
    EncodePage,
    EncodeText,
    EncodeVolume,
    Find,
    Learned,
    Match,
    Model,
    QueryMatch,
    See,
    Segment,
    Seq2Seq,
    Writer,
)

if TYPE_CHECKING:
    from chiasm.prompt.planner import Planner

ENDLESS = 1 << 40
"""A context that is never full: a plan is to say by how much a request is too long, not to refuse it."""


@dataclass(frozen=True)
class Named:
    """A model that writes, by name."""

    name: str
    spec: Writer
    planner: Planner | None


@dataclass(frozen=True)
class Meant:
    """What a name means, whatever it does; `planner` counts its text, and is absent where there is no tokenizer or no template:
    of a family, of a bare folder."""

    name: str
    model: Model
    planner: Planner | None

    @property
    def writing(self) -> Named:
        """The same as a model that writes. Raises `UserError` where it does something else."""
        return Named(self.name, writes(self.name, self.model), self.planner)


def named(model: str | None, compress: str | None = None, budget: str | None = None) -> Meant:
    """The model that a name means: `family`, `family:size`, a folder, a hub's repository; none: the default one. `compress` and
    `budget` leave it fewer visual tokens, as `chiasm.load` has them."""
    family, _, size = (model or "").partition(":")
    if family in registry.families():
        found = sized(family, size)
        return replace(found, model=shown_less(found.model, compress, budget))
    from chiasm.loading import open_model

    with suggesting(model):
        opened = open_model(model, compress, budget)
    planner = opened.planner
    if planner is not None and (not planner.tokenizer.reads_text or planner.template.source is None):
        planner = None
    return Meant(opened.name, opened.described.model, planner)


def sized(name: str, size: str) -> Meant:
    """One published size of a family; its first where none is named."""
    family = registry.family(name)
    chosen = size or next(iter(family.sizes))
    if chosen not in family.sizes:
        raise UserError(f"{name} has no size {size!r}; its sizes are {', '.join(family.sizes)}")
    return Meant(f"{name}:{chosen}", family.at(chosen), None)


def writes(name: str, model: Model) -> Writer:
    """The model if it goes on with a text. Raises `UserError` where it does something else."""
    match model:
        case Causal() | Seq2Seq():
            return model
        case Match() | QueryMatch():
            does = "compares pictures with texts"
        case Encode() | Bind():
            does = "makes vectors of what it is shown"
        case See():
            does = "sees and says nothing"
        case Connect():
            does = "is a connector by itself"
        case CodedMasks():
            does = "draws masks"
        case EncodeVolume():
            does = "makes vectors of scans"
        case EncodePage():
            does = "encodes pages"
        case Find():
            does = "finds phrases in pictures"
        case EncodeText():
            does = "encodes texts"
        case Segment():
            does = "outlines what is pointed at"
    raise UserError(f"{name} {does} and has no context to fill: plan a model that writes")


def unbounded(planner: Planner) -> Planner:
    """The same planner of a model whose context never ends."""
    spec = planner.spec
    if isinstance(spec, Causal):
        return replace(planner, spec=replace(spec, decoder=replace(spec.decoder, context=ENDLESS)))
    if isinstance(spec.language.place, Learned):
        place = replace(spec.language.place, count=ENDLESS)
        return replace(planner, spec=replace(spec, language=replace(spec.language, place=place)))
    return planner
