"""What a model can be asked for, by what it is."""

from __future__ import annotations

from chiasm.assistant import Verb
from chiasm.model import (
    AnyModel,
    Bind,
    Causal,
    Connect,
    Encode,
    EncodePage,
    EncodeText,
    EncodeVolume,
    Find,
    MaskDecoder,
    Match,
    QueryMatch,
    See,
    Segment,
    Seq2Seq,
)
from chiasm.spec import MultiVector, Pointing


def verbs_of(model: AnyModel) -> frozenset[Verb]:
    match model:
        case Causal() if isinstance(model.spec.head, MultiVector):
            return frozenset({"plan", "embed"})
        case Causal() if isinstance(model.spec.head, Pointing):
            return frozenset({"plan", "generate", "score", "segment"})
        case Causal() | Seq2Seq():
            return frozenset({"plan", "generate", "score"})
        case QueryMatch():
            return frozenset({"embed", "score"})
        case Match() | Encode() | EncodeVolume() | Bind():
            return frozenset({"embed"})
        case Segment():
            return frozenset({"segment"})
        case Find():
            return frozenset({"locate"})
        case EncodeText() if model.spec.vector != "none":
            return frozenset({"embed"})
        case EncodeText() | EncodePage() | Connect() | See() | MaskDecoder():
            return frozenset()
