"""Where blocks meet, and nowhere else: `Causal` writes (and may see), `Match` compares pictures with texts, `Encode` makes
vectors of pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from chiasm import spec as specs
from chiasm.connect.steps import Connector, Visual
from chiasm.heads.contrastive import Logits, unit
from chiasm.heads.pool import pool, pooled
from chiasm.language.bidirectional import BidirectionalEncoder
from chiasm.language.decoder import CausalDecoder
from chiasm.language.seq2seq import Memory, SourceTarget
from chiasm.language.text import TextEncoder
from chiasm.layers.attention import Wanted
from chiasm.layers.cache import KVCache
from chiasm.layers.linear import Preparable, scores
from chiasm.place import Grid, Laid
from chiasm.sequence.splice import splice
from chiasm.shapes import check
from chiasm.vision import encoder
from chiasm.vision.signal import SignalTransformer
from chiasm.vision.vit import VisionTransformer


@dataclass(frozen=True)
class Sight:
    """What the encoder is given: packed patches, their grids, and the items' upright (width, height) in pixels."""

    patches_PK: Tensor
    grids: tuple[Grid, ...]
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Batch:
    """A plan's tensors. `slot_BT` is the visual token of each position or -1, `valid_BT` false at pads,
    `supervise_BT` true where training may look; `next_B` is the position of each row's next token. `segment_BT` is for rows
    with branches: 0 where all of a row's branches share the tokens, the branch's number elsewhere. `sight` is what is to be
    seen, or visual tokens that were seen before."""

    ids_BT: Tensor
    slot_BT: Tensor
    where_ABT: Tensor
    valid_BT: Tensor
    next_B: Tensor
    supervise_BT: Tensor
    segment_BT: Tensor | None = None
    sight: Sight | Visual | None = None

    def __post_init__(self) -> None:
        check(
            ids_BT=self.ids_BT,
            slot_BT=self.slot_BT,
            where_ABT=self.where_ABT,
            valid_BT=self.valid_BT,
            next_B=self.next_B,
            supervise_BT=self.supervise_BT,
        )

    def to(self, device: torch.device | str) -> Batch:
        match self.sight:
            case Sight():
                sight: Sight | Visual | None = replace(self.sight, patches_PK=self.sight.patches_PK.to(device))
            case Visual():
                sight = replace(self.sight, tokens_VD=self.sight.tokens_VD.to(device))
            case None:
                sight = None
        return Batch(
            ids_BT=self.ids_BT.to(device),
            slot_BT=self.slot_BT.to(device),
            where_ABT=self.where_ABT.to(device),
            valid_BT=self.valid_BT.to(device),
            next_B=self.next_B.to(device),
            supervise_BT=self.supervise_BT.to(device),
            segment_BT=None if self.segment_BT is None else self.segment_BT.to(device),
            sight=sight,
        )


class Causal(nn.Module):
    """A decoder that writes text after text and pictures."""

    def __init__(self, spec: specs.Causal) -> None:
        super().__init__()
        self.spec = spec
        if spec.sight is not None:
            self.vision = encoder(spec.sight.encoder)
            self.connect = Connector(spec.sight.connector, spec.sight.encoder.width)
        self.language = CausalDecoder(spec.decoder)
        if not spec.decoder.tied:
            self.head = nn.Linear(spec.decoder.inner, spec.decoder.vocab, bias=False)

    def forward(self, batch: Batch, cache: KVCache | None = None, wanted: Wanted = "all") -> Tensor:
        """Normed hidden states of the batch's positions (or the last one alone), [B, T, D]; `logits` scores them."""
        visual = self.see(batch.sight) if isinstance(batch.sight, Sight) else batch.sight
        return self.read(batch, visual, cache, wanted)

    def see(self, sight: Sight) -> Visual:
        """Visual tokens of all pictures of a batch."""
        features_PE = self.vision(sight.patches_PK, sight.grids)
        return self.connect(features_PE, self.vision.laid(sight.grids), sight.sizes)

    def read(self, batch: Batch, visual: Visual | None, cache: KVCache | None = None, wanted: Wanted = "all") -> Tensor:
        """The language half: ids and visual tokens to hidden states."""
        text_BT = batch.ids_BT.masked_fill(batch.slot_BT >= 0, 0)
        hidden_BTD = self.language.embed(text_BT)
        if visual is not None:
            hidden_BTD = splice(hidden_BTD, visual.tokens_VD, batch.slot_BT)
        return self.language(hidden_BTD, batch.where_ABT, batch.valid_BT, cache, batch.segment_BT, wanted)

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """Scores of the vocabulary, [..., S]."""
        weight = self.language.embed.weight if self.spec.decoder.tied else self.head.weight
        logits, cap = scores(hidden_BTD, weight), self.spec.decoder.logit_cap
        return logits if cap is None else (logits / cap).tanh() * cap

    def room(self, rows: int, length: int) -> KVCache:
        """An empty cache for `rows` sequences of up to `length` positions."""
        block, weight = self.spec.decoder.block, self.language.embed.weight
        shape = (self.spec.decoder.depth, rows, block.kv_heads, length, block.head_width)
        return KVCache(*shape, dtype=weight.dtype, device=weight.device, value_width=block.value_width)


class Match(nn.Module):
    """Two towers in one space: cosines of pictures and texts."""

    def __init__(self, spec: specs.Match) -> None:
        super().__init__()
        self.spec = spec
        self.vision = encoder(spec.encoder)
        self.pool = pool(spec.pool, spec.encoder)
        self.text = TextEncoder(spec.text)
        self.logits = Logits(bias=spec.logits == "sigmoid")

    def embed_pictures(self, sight: Sight) -> Tensor:
        """Unit vectors of pictures, [I, width]."""
        features_PE = self._normed(self.vision(sight.patches_PK, sight.grids))
        return unit(pooled(self.pool, features_PE, lengths(self.vision.laid(sight.grids))))

    def _normed(self, features_PE: Tensor) -> Tensor:
        """CLIP norms the class token alone, SigLIP every patch; norming all gives both."""
        if isinstance(self.vision, VisionTransformer) and self.vision.spec.post_norm == "idle":
            return self.vision.post_norm(features_PE)
        return features_PE

    def embed_texts(self, ids_BT: Tensor, valid_BT: Tensor) -> Tensor:
        """Unit vectors of texts, [B, width]."""
        return unit(self.text(ids_BT, valid_BT))

    def forward(self, image_ID: Tensor, text_BD: Tensor) -> Tensor:
        """logits [texts, images] of unit vectors."""
        return self.logits(image_ID, text_BD)


class Encode(nn.Module):
    """An encoder by itself."""

    def __init__(self, spec: specs.Encode) -> None:
        super().__init__()
        self.spec = spec
        self.vision = encoder(spec.encoder)
        self.pool = pool(spec.pool, spec.encoder)

    def forward(self, sight: Sight) -> tuple[Tensor, Tensor]:
        """Features of all tokens, packed picture by picture as `vision.laid` says, and a vector a picture, [I, width]."""
        features_PE = self.vision(sight.patches_PK, sight.grids)
        return features_PE, pooled(self.pool, features_PE, lengths(self.vision.laid(sight.grids)))

    def embed_pictures(self, sight: Sight) -> Tensor:
        """Unit vectors of pictures, [I, width]."""
        return unit(self(sight)[1])


class Bind(nn.Module):
    """Pictures, texts and signals in one space."""

    def __init__(self, spec: specs.Bind) -> None:
        super().__init__()
        self.spec = spec
        self.vision = encoder(spec.encoder)
        self.pool = pool(spec.pool, spec.encoder)
        self.text = TextEncoder(spec.text)
        self.signals = nn.ModuleDict({one.name: SignalTransformer(one, spec.pool.width) for one in spec.signals})
        self.scales = nn.ParameterDict({"text": nn.Parameter(torch.zeros(()))})
        self.scales.update({one.name: nn.Parameter(torch.zeros(()), requires_grad=False) for one in spec.signals})

    def embed_pictures(self, sight: Sight) -> Tensor:
        """Unit vectors of pictures, [I, width]."""
        features_PE = self.vision(sight.patches_PK, sight.grids)
        return unit(pooled(self.pool, features_PE, lengths(self.vision.laid(sight.grids))))

    def embed_texts(self, ids_BT: Tensor, valid_BT: Tensor) -> Tensor:
        """Unit vectors of texts, [B, width]."""
        return unit(self.text(ids_BT, valid_BT))

    def embed_signals(self, name: str, values: Tensor) -> Tensor:
        """Unit vectors of signals [B, channels, height, width], or [B, channels, width] where they have no height."""
        return unit(self.signals[name](values))

    def scaled(self, name: str, vectors: Tensor) -> Tensor:
        """Vectors of one kind as they are compared with pictures'; no scale goes beyond 100."""
        return vectors * self.scales[name].exp().clamp(max=100)


def lengths(laid: Laid) -> list[int]:
    """How many tokens each grid has."""
    counts: list[int] = np.bincount(laid.place_V4[:, 0], minlength=len(laid.grids)).tolist()
    return counts


class EncodeText(nn.Module):
    """A text encoder by itself."""

    def __init__(self, spec: specs.EncodeText) -> None:
        super().__init__()
        self.spec = spec
        self.text = BidirectionalEncoder(spec.text)

    def forward(self, ids_BT: Tensor, valid_BT: Tensor, kinds_BT: Tensor | None = None) -> Tensor:
        """A state for each token, [B, T, D]; pads on the right."""
        states_BTD: Tensor = self.text(ids_BT, valid_BT, kinds_BT)
        return states_BTD


class Seq2Seq(nn.Module):
    """Reads a source as a whole, then writes a target."""

    def __init__(self, spec: specs.Seq2Seq) -> None:
        super().__init__()
        self.spec = spec
        self.language = SourceTarget(spec.language)
        if not spec.language.tied:
            self.head = nn.Linear(spec.language.width, spec.language.vocab, bias=False)

    def read(self, ids_BT: Tensor, valid_BT: Tensor) -> Memory:
        """What the decoder asks of a source; pads may stand anywhere."""
        return self.language.read(self.language.embed(ids_BT), valid_BT)

    def forward(self, ids_BT: Tensor, memory: Memory, cache: KVCache | None = None) -> Tensor:
        """Normed hidden states of a target's positions, [B, T, D]; with a cache they are the newest ones."""
        hidden_BTD: Tensor = self.language(self.language.embed(ids_BT), memory, cache)
        return hidden_BTD

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """Scores of the vocabulary, [..., S]."""
        spec = self.spec.language
        if spec.head_scale == "by_root_width":
            hidden_BTD = hidden_BTD * spec.width**-0.5
        return scores(hidden_BTD, self.language.embed.weight if spec.tied else self.head.weight)

    def room(self, rows: int, length: int) -> KVCache:
        """An empty cache for `rows` targets of up to `length` positions."""
        spec, weight = self.spec.language, self.language.embed.weight
        return KVCache(spec.target, rows, spec.block.kv_heads, length, spec.block.head_width, weight.dtype, weight.device)


AnyModel = Causal | Match | Encode | Bind | EncodeText | Seq2Seq


def assemble(spec: specs.Model) -> AnyModel:
    """The modules of a spec, freshly initialised."""
    match spec:
        case specs.Causal():
            return Causal(spec)
        case specs.Match():
            return Match(spec)
        case specs.Encode():
            return Encode(spec)
        case specs.Bind():
            return Bind(spec)
        case specs.EncodeText():
            return EncodeText(spec)
        case specs.Seq2Seq():
            return Seq2Seq(spec)


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
    return sum(p.numel() for p in blank(spec).parameters() if p.requires_grad)
