"""Where blocks meet, and nowhere else: each file is one kind of model, and here every kind is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from chiasm import spec as specs
from chiasm.heads.codes import MaskDecoder
from chiasm.layers.linear import Preparable
from chiasm.layers.same import shared, total
from chiasm.model.batch import Alike, Asks, Batch, Sight, Spots, Words
from chiasm.model.bind import Bind
from chiasm.model.causal import Causal
from chiasm.model.connect import Connect
from chiasm.model.encode import Encode, EncodeText
from chiasm.model.find import Find
from chiasm.model.match import Match
from chiasm.model.page import EncodePage
from chiasm.model.query_match import QueryMatch
from chiasm.model.see import See
from chiasm.model.segment import Segment
from chiasm.model.seq2seq import Seq2Seq
from chiasm.model.volume import EncodeVolume

__all__ = [
    "Alike",
    "AnyModel",
    "Asks",
    "Batch",
    "Bind",
    "Causal",
    "Connect",
    "Encode",
    "EncodePage",
    "EncodeText", "EncodeVolume",
    "Find",
    "MaskDecoder",
    "Match",
    "QueryMatch",
    "See",
    "Segment",
    "Seq2Seq",
    "Sight",
    "Spots",
    "Words",
    "Writer",
    "assemble",
    "blank",
    "counted",
    "parameters",
    "prepare",
]  # fmt: skip

Writer = Causal | Seq2Seq
"""Models that write."""

AnyModel = (
    Causal
    | Match
    | QueryMatch
    | Encode
    | Bind
    | EncodeText
    | EncodePage
    | Seq2Seq
    | Segment
    | Connect
    | See
    | EncodeVolume
    | MaskDecoder
    | Find
)


def assemble(spec: specs.Model) -> AnyModel:
    """The modules of a spec, freshly initialised."""
    match spec:
        case specs.Causal():
            return Causal(spec)
        case specs.Match():
            return Match(spec)
        case specs.QueryMatch():
            return QueryMatch(spec)
        case specs.Encode():
            return Encode(spec)
        case specs.Bind():
            return Bind(spec)
        case specs.EncodeText():
            return EncodeText(spec)
        case specs.EncodeVolume():
            return EncodeVolume(spec)
        case specs.EncodePage():
            return EncodePage(spec)
        case specs.Seq2Seq():
            return Seq2Seq(spec)
        case specs.See():
            return See(spec)
        case specs.Connect():
            return Connect(spec)
        case specs.CodedMasks():
            return MaskDecoder(spec)
        case specs.Segment():
            return Segment(spec)
        case specs.Find():
            return Find(spec)


INITIALISERS = (
    *(function for name, function in vars(nn.init).items() if name.endswith("_") and callable(function)),
    *(Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_),
)


class _Untouched(TorchFunctionMode):
    """Skips initialisers. On the meta device they compute nothing, and the first one imports torch's compiler, which takes
    longer than reading a small model."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in INITIALISERS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def blank(spec: specs.Model) -> AnyModel:
    """The modules of a spec on the meta device: shapes without numbers."""
    with torch.device("meta"), _Untouched():
        return assemble(spec)


def prepare(model: nn.Module) -> None:
    """Gives every layer its form for inference, for good: the parts can no longer be trained, saved apart, or moved."""
    for module in list(model.modules()):
        if isinstance(module, Preparable):
            module.prepare()


def parameters(spec: specs.Model) -> int:
    """How many parameters a spec has, tied ones once, measured statistics not; nothing is allocated."""
    return counted([spec])[0]


def counted(each: Iterable[specs.Model]) -> list[int]:
    """The parameters of many specs, quicker than one by one: what they have in common is made once."""
    known: dict[nn.Module, int] = {}
    with shared():
        return [total(blank(spec), known) for spec in each]
