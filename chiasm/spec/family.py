"""Families: published designs, named."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from chiasm.spec.fusions import Cross, Expert
from chiasm.spec.heads import MultiVector
from chiasm.spec.masks import Segment
from chiasm.spec.models import Bind, CodedMasks, Connect, Encode, EncodeText, Find, Match, Model, QueryMatch, See
from chiasm.spec.numbers import PLAIN, Numbers
from chiasm.spec.pages import EncodePage
from chiasm.spec.volumes import EncodeVolume
from chiasm.spec.writers import Causal, Seq2Seq, Sight

Proof = Literal["exact", "recorded", "reduction"]


@dataclass(frozen=True)
class Family:
    """A published design, named. `sizes` are overrides of the model's fields by dotted path, the first being the model itself.

    `paper` is its number at arXiv, or the address of what was published in its stead.
    `layout` names the reader of its folders, `proof` how parity is shown, `reference` the class that it was proved against,
    `ran` whether it ever ran on real weights here, `tiny` the reference cases that prove it, `numbers` how several pictures of
    one conversation are told apart.
    """

    name: str
    title: str
    paper: str
    year: int
    layout: str
    model: Model
    sizes: dict[str, dict[str, Any]]
    reference: str
    proof: Proof = "exact"
    ran: bool = False
    chat: str | None = None
    numbers: Numbers = PLAIN
    published: dict[str, int] = field(default_factory=dict)
    """Parameter counts of published sizes, facts with their source beside the fixture."""

    def at(self, size: str) -> Model:
        """The model of one published size."""
        return override(self.model, self.sizes[size])

    @property
    def kind(self) -> str:
        match self.model:
            case Match() | QueryMatch() | Bind():
                return "contrastive"
            case Encode():
                return "encoder"
            case See():
                return "seeing"
            case Connect():
                return "connector"
            case CodedMasks():
                return "masks"
            case EncodeVolume():
                return "volume encoder"
            case EncodePage():
                return "page encoder"
            case EncodeText():
                return "text encoder"
            case Seq2Seq(sight=None):
                return "seq2seq"
            case Seq2Seq():
                return "visual seq2seq"
            case Segment():
                return "outlines"
            case Causal(head=MultiVector()):
                return "vectors"
            case Find():
                return "detector"
            case Causal(sight=None):
                return "text"
            case Causal(sight=Sight(fusion=Cross())):
                return "cross-attention"
            case Causal(sight=Sight(fusion=Expert())):
                return "visual expert"
            case Causal():
                return "prefix"


def override(value: Any, changes: dict[str, Any]) -> Any:
    """A copy of a frozen value with fields replaced by dotted path; raises `KeyError` for a field that does not exist."""
    for path, new in changes.items():
        head, _, rest = path.partition(".")
        if head not in {f.name for f in dataclasses.fields(value)}:
            raise KeyError(f"{type(value).__name__} has no field {head!r}")
        inner = override(getattr(value, head), {rest: new}) if rest else new
        value = dataclasses.replace(value, **{head: inner})
    return value
