"""Transformer blocks: norms, attention, MLPs and what may stand in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activation = Literal["quick_gelu", "gelu", "gelu_tanh", "relu", "relu2", "silu"]


@dataclass(frozen=True)
class Norm:
    """LayerNorm (weight and bias) or RMSNorm (weight alone). `weight`: as it is, or stored as what it adds to one (Gemma)."""

    kind: Literal["layer", "rms"] = "layer"
    eps: float = 1e-5
    weight: Literal["plain", "from_one"] = "plain"


@dataclass(frozen=True)
class Scores:
    """How products of queries and keys become scores: times `scale` (none: one over the root of the head's width), then
    bent into (-cap, cap) by tanh where there is a `cap` (Gemma 2, arXiv:2408.00118)."""

    scale: float | None = None
    cap: float | None = None


@dataclass(frozen=True)
class Latent:
    """Keys and values from one narrow vector a token (multi-head latent attention, arXiv:2405.04434).

    `keys` is that vector's width, `queries` the width through which queries pass (none: straight from the token), `values`
    a head's values. The last `turned` numbers of each head are turned by their place, neighbours in pairs, and those of keys
    are shared by all heads; `Block.head_width` counts them in.
    """

    keys: int
    turned: int
    values: int
    queries: int | None = None
    eps: float = 1e-6


@dataclass(frozen=True)
class Experts:
    """`count` gated MLPs of `width`, of which each token takes the `active` likeliest, weighted by their scores (a softmax over
    all of them) times `scale`; beside them one of `shared` width that every token passes (arXiv:2401.06066).

    With `groups` only experts of the `chosen` best groups are taken, a group being as good as its best expert.
    """

    count: int
    active: int
    width: int
    shared: int
    scale: float = 1.0
    groups: int = 1
    chosen: int = 1
    score: Literal["softmax", "sigmoid"] = "softmax"
    choice: Literal["by_score", "corrected"] = "by_score"
    """Corrected: a learned number per expert is added for the choice alone, and a group is as good as its two best experts
    together (arXiv:2408.15664)."""
    weights: Literal["scores", "shares"] = "scores"
    """Shares: the scores of the chosen divided by their sum."""


@dataclass(frozen=True)
class Attends:
    """Positions ask one another, as the block's heads say. `gate`: what the heads found is scaled by the sigmoid of a linear
    layer of the position's own state (arXiv:2505.06708)."""

    gate: Literal["none", "sigmoid"] = "none"


@dataclass(frozen=True)
class Delta:
    """A state that is read and rewritten position by position, by the gated delta rule (arXiv:2412.06464).

    Queries, keys and values pass a causal convolution over `kernel` positions of each channel. There are `heads` states of
    `key_width` times `value_width` numbers; each of `key_heads` queries and keys serves as many of them as there are to one.
    """

    heads: int
    key_heads: int
    key_width: int
    value_width: int
    kernel: int = 4

    @property
    def channels(self) -> int:
        """How many numbers of a position pass the convolution."""
        return 2 * self.key_heads * self.key_width + self.heads * self.value_width


DELTA_CHUNK = 64
"""Positions of a delta rule that are computed at once."""

Mixer = Attends | Delta
"""How a block's positions learn of one another."""


@dataclass(frozen=True)
class Block:
    """A transformer block: norm, attention, residual, norm, MLP, residual, unless `norms` puts the norms elsewhere.

    `kv_heads` below `heads` shares keys and values among heads (grouped-query attention, arXiv:2305.13245).
    A gated MLP computes down(act(gate(x)) * up(x)) (arXiv:2002.05202).
    """

    width: int
    heads: int
    mlp_width: int
    kv_heads: int
    head_width: int
    norm: Norm = Norm()
    act: Activation = "gelu"
    mlp: Literal["plain", "gated"] = "plain"
    qkv_bias: bool = True
    out_bias: bool = True
    mlp_bias: bool = True
    norms: Literal["before", "both", "after", "inside", "beside"] = "before"
    """Where norms stand: before attention and MLP; before and after each, inside the residual; after each sum; after each
    inside the residual (Swin 2, arXiv:2111.09883; EVA2-CLIP-E); or before both, which read the same state and are added at
    once (GPT-NeoX)."""
    scores: Scores = Scores()
    qk_norm: Norm | None = None
    """A norm of each head's query and key, before they are turned."""
    qk_norm_of: Literal["all", "each"] = "all"
    """Whether all heads share that norm's weights, or each has its own."""
    latent: Latent | None = None
    experts: Experts | None = None
    k_bias: bool = True
    """Whether keys have a bias where queries and values have one; EVA's have none (arXiv:2211.07636)."""
    layer_scale: bool = False
    """What a branch adds is first scaled by a learned number per channel (arXiv:2103.17239)."""
    branch_gate: Literal["none", "tanh"] = "none"
    """What a branch adds is first scaled by tanh of one learned number (arXiv:2204.14198)."""
    attention_norm: Norm | None = None
    mlp_norm: Norm | None = None
    """Norms inside the branches, of the mixed heads and of the MLP's hidden numbers (sub-LN, arXiv:2303.11331)."""
    extra_key: bool = False
    """One learned key and value that every query sees beside its own sequence."""
    qk_across: Norm | None = None
    """A norm of all heads' queries together, and of all keys, before they are turned (InternViT-6B)."""
    mixer: Mixer = Attends()

    @property
    def value_width(self) -> int:
        """The width of a head's values."""
        return self.head_width if self.latent is None else self.latent.values
