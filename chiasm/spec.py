"""What a model is, as data: frozen values that every room reads and nothing else defines.

A `Family` is a name, its paper and a `Model` value; a model is made of views, an encoder, connector steps, a fusion and a
decoder (`Causal`), or of two towers that meet (`Match`). Widths are in numbers, sizes of pictures in pixels, angles' base as
`theta`. Sum types are unions of dataclasses: whoever handles one matches on all of its cases.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

Activation = Literal["quick_gelu", "gelu", "gelu_tanh", "relu", "silu"]
Resample = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]


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
    norms: Literal["before", "both", "after"] = "before"
    """Where norms stand: before attention and MLP; before and after each, inside the residual; or after each sum."""
    scores: Scores = Scores()
    qk_norm: Norm | None = None
    """A norm of each head's query and key, before they are turned."""
    latent: Latent | None = None
    experts: Experts | None = None

    @property
    def value_width(self) -> int:
        """The width of a head's values."""
        return self.head_width if self.latent is None else self.latent.values


# --- views: from a picture to grids of patches ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Pixels:
    """How resampled uint8 pixels become numbers: (x * scale - mean) / std per channel."""

    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    scale: float = 1 / 255
    resample: Resample = "bicubic"


@dataclass(frozen=True)
class Resize:
    """One view of a fixed size. `crop`: shortest edge to the size, then the centre; `squash`: both edges at once;
    `pad`: to a square in the colour of the mean first, then as `crop`."""

    height: int
    width: int
    fit: Literal["crop", "squash", "pad"] = "crop"
    shortest: int | None = None
    """Where the crop follows a resize of the shortest edge to another number of pixels than `height`."""


@dataclass(frozen=True)
class Pinpoints:
    """LLaVA-NeXT's any resolution: the whole picture squashed to one tile, then the best of `grids` (height, width), the
    picture resized into it, padded with zeros, cut into tiles row by row."""

    tile: int
    grids: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class TileGrid:
    """Idefics3's tiling (arXiv:2408.12637): longest edge scaled to `longest`, both edges raised to multiples of `tile`,
    tiles row by row, then the whole picture squashed to one tile; at most one tile means that view alone."""

    longest: int
    tile: int
    split: bool = True


@dataclass(frozen=True)
class Native:
    """Qwen2-VL's native resolution (arXiv:2409.12191): both edges rounded to multiples of `factor`, the number of pixels
    held between `least` and `most`; a ratio of edges above `ratio` is refused."""

    factor: int
    least: int
    most: int
    ratio: float = 200.0


Views = Resize | Pinpoints | TileGrid | Native


# --- encoders -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A learned vector per cell of a square grid, resized bicubically to grids of another shape."""

    side: int


@dataclass(frozen=True)
class Buckets:
    """A learned table that is looked up by the fraction of the picture where a patch stands (NaViT, arXiv:2307.06304)."""

    side: int


@dataclass(frozen=True)
class Axial:
    """Rotary positions in two dimensions: half of each head turns with the row, half with the column."""

    theta: float = 10000.0


Position = Table | Buckets | Axial


@dataclass(frozen=True)
class Windows:
    """Attention inside squares of `side` patches, but over the whole grid in the blocks named `full`."""

    side: int
    full: tuple[int, ...]


@dataclass(frozen=True)
class ViT:
    """A vision transformer (arXiv:2010.11929). Patches are `patch` x `patch` pixels and `frames` frames deep.

    `taps` are indices of hidden states as the field counts them: 0 is what enters the first block, -1 what leaves the last;
    several taps are joined by width. `post_norm`: absent, present but not applied to the taps, or applied.
    """

    block: Block
    depth: int
    patch: int
    position: Position
    frames: int = 1
    channels: int = 3
    stem_bias: bool = True
    cls: Literal["none", "drop", "keep"] = "none"
    pre_norm: bool = False
    post_norm: Literal["none", "idle", "applied"] = "none"
    taps: tuple[int, ...] = (-1,)
    windows: Windows | None = None

    @property
    def width(self) -> int:
        return self.block.width * len(self.taps)


@dataclass(frozen=True)
class ConvViT:
    """A pyramid of dense 3x3 convolutions, then transformer blocks over one token per `patch` pixels.

    `widths` are channels at strides 4, 8 and 16, `convs` residual blocks (two convolutions each) at strides 8 and 16; the
    learned places are a square of `side`. `gives` are the features that leave, joined by width: what the transformer made of
    a token's square, and the maps at stride 8 inside it, where small print is sharpest.
    """

    widths: tuple[int, int, int]
    convs: tuple[int, int]
    block: Block
    depth: int
    side: int
    patch: int = 32
    frames: int = 1
    gives: tuple[Literal["tokens", "local"], ...] = ("tokens",)

    @property
    def width(self) -> int:
        widths = {"tokens": self.block.width, "local": self.widths[1] * (self.patch // 8) ** 2}
        return sum(widths[part] for part in self.gives)


Encoder = ViT | ConvViT


# --- connectors -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mlp:
    """`depth` linear layers to `width`, an activation between them; `hidden` is the width in between."""

    width: int
    hidden: int
    depth: int = 2
    act: Activation = "gelu"
    bias: bool = True


@dataclass(frozen=True)
class Normed:
    """A norm over each token."""

    norm: Norm


@dataclass(frozen=True)
class Merge:
    """Neighbours of a `side` x `side` square joined by width, row by row: pixel shuffle, patch merging."""

    side: int = 2


@dataclass(frozen=True)
class JoinTiles:
    """LLaVA-NeXT's assembly: the tiles after the first view become one grid. `keeps` is what of it goes on: "picture", its
    padding cut away by the picture's own shape, a learned newline after every row; "canvas", all of it, no newlines."""

    keeps: Literal["picture", "canvas"] = "picture"


Step = Mlp | Normed | Merge | JoinTiles


# --- language -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plain:
    """Rotary frequencies as published (arXiv:2104.09864)."""


@dataclass(frozen=True)
class LinearScaling:
    """Every position divided by `factor` (arXiv:2306.15595)."""

    factor: float


@dataclass(frozen=True)
class Llama3Scaling:
    """Llama 3.1's frequencies: long wavelengths divided by `factor`, short ones kept, a blend between."""

    factor: float
    low: float
    high: float
    original: int


class Declares:
    """A part that breaks an invariant because its reference does: `breaks` says which one, and why."""

    breaks: ClassVar[dict[str, str]]


_BY_LENGTH = (
    "its frequencies follow the longest row that is read at once, as the reference's do: keys that were cached, and shorter "
    "rows beside a longer one, are turned by others where that length passes `original`"
)


@dataclass(frozen=True)
class LongRope(Declares):
    """Each frequency divided by its own number, another set of them past `original` positions (arXiv:2402.13753); what is
    turned is also multiplied by `attention`."""

    short: tuple[float, ...]
    long: tuple[float, ...]
    attention: float
    original: int
    breaks: ClassVar[dict[str, str]] = {"cached_is_uncached": _BY_LENGTH, "batch_is_single": _BY_LENGTH}


@dataclass(frozen=True)
class DynamicNtk(Declares):
    """A base that grows with the length L past `original` positions: times (factor L / original - (factor - 1)) to the power
    F / (F - 2), where F numbers of a head are turned."""

    factor: float
    original: int
    breaks: ClassVar[dict[str, str]] = {"cached_is_uncached": _BY_LENGTH, "batch_is_single": _BY_LENGTH}


@dataclass(frozen=True)
class Yarn:
    """Frequencies that turn less than `slow` times in `original` positions divided by `factor`, those that turn more than
    `fast` times kept, a blend between (arXiv:2309.00071); what is turned is also multiplied by `attention`."""

    factor: float
    original: int
    fast: float = 32.0
    slow: float = 1.0
    attention: float = 1.0


Scaling = Plain | LinearScaling | Llama3Scaling | LongRope | DynamicNtk | Yarn


@dataclass(frozen=True)
class Rope:
    """Rotary positions. `sections` splits the frequencies among the axes (time, row, column) of M-RoPE; none: one axis.
    `share` is how much of each head is turned, its first numbers."""

    theta: float = 10000.0
    scaling: Scaling = Plain()
    sections: tuple[int, ...] = ()
    share: float = 1.0

    @property
    def axes(self) -> int:
        return len(self.sections) or 1


@dataclass(frozen=True)
class Learned:
    """A learned vector for each of `count` positions, added to the embedding; the table begins with `before` idle rows."""

    count: int
    before: int = 0

    @property
    def axes(self) -> int:
        return 1


@dataclass(frozen=True)
class Decoder:
    """A causal transformer of the Llama kind. `tied`: the head is the embedding; `window`: keys further back are unseen."""

    block: Block
    depth: int
    vocab: int
    rope: Rope | Learned
    context: int
    tied: bool = False
    window: int | None = None
    full_every: int | None = None
    """Each layer of this number and its multiples sees past the window (Gemma 2: every second one)."""
    embed_scale: Literal["plain", "root_width"] = "plain"
    """What embeddings of ids are multiplied by."""
    embed_width: int | None = None
    """The embedding's and the head's own width, where linear layers lead from it to the blocks and back."""
    logit_cap: float | None = None
    """Logits are bent into (-cap, cap) by tanh."""
    dense: int = 0
    """The first blocks, that have an MLP where the others have experts."""

    @property
    def width(self) -> int:
        return self.block.width

    @property
    def inner(self) -> int:
        """The width of what the head reads."""
        return self.embed_width or self.block.width

    def window_of(self, layer: int) -> int | None:
        """How far back a layer sees; none: to the beginning."""
        return None if self.full_every is not None and (layer + 1) % self.full_every == 0 else self.window

    def block_of(self, layer: int) -> Block:
        """A layer's own block."""
        return dataclasses.replace(self.block, experts=None) if layer < self.dense else self.block


@dataclass(frozen=True)
class TextTower:
    """A text encoder with learned positions. `pool`: the first `end` token, the highest id (old CLIP), or the last place."""

    block: Block
    depth: int
    vocab: int
    positions: int
    mask: Literal["causal", "full"]
    pool: Literal["first_end", "highest", "last"]
    end: int
    project: int
    project_bias: bool


# --- how vision meets language --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Splice:
    """Visual tokens take the places of placeholder ids in the sequence.

    `time`: how many steps of the time axis one second of video takes (M-RoPE); none: one step a frame pair.
    """

    image: int
    video: int | None = None
    time: float | None = None


@dataclass(frozen=True)
class Bare:
    """One placeholder becomes as many as the picture has visual tokens."""


@dataclass(frozen=True)
class RowColumn:
    """Idefics3's marks: every tile led by `edge` and its row and column, a line feed after each row of tiles, the global view
    led by `whole`, one `edge` at the end."""

    edge: str
    tile: str
    whole: str


Marks = Bare | RowColumn


class Looks(Protocol):
    """Whatever turns pictures into patches: the seeing half of a writing model, or a model that compares."""

    @property
    def views(self) -> Views: ...
    @property
    def pixels(self) -> Pixels: ...
    @property
    def encoder(self) -> Encoder: ...


@dataclass(frozen=True)
class Causal:
    """A decoder that writes text; with `sight`, one that sees."""

    decoder: Decoder
    sight: Sight | None = None


@dataclass(frozen=True)
class Sight:
    """The seeing half: from pixels to visual tokens of the decoder's width, and where they go."""

    views: Views
    pixels: Pixels
    encoder: Encoder
    connector: tuple[Step, ...]
    fusion: Splice
    marks: Marks = Bare()


@dataclass(frozen=True)
class ClsProject:
    """The class token, normed, projected without bias (CLIP)."""

    width: int


@dataclass(frozen=True)
class AttentionPool:
    """One learned query attends to all patches, then an MLP with residual (SigLIP, arXiv:2303.15343)."""

    mlp_width: int


@dataclass(frozen=True)
class Match:
    """Two towers in one space. `logits`: scaled cosine, with a learned bias for the sigmoid loss."""

    views: Resize
    pixels: Pixels
    encoder: ViT
    pool: ClsProject | AttentionPool
    text: TextTower
    logits: Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class Bidirectional:
    """A text encoder whose tokens see the whole row (BERT, arXiv:1810.04805).

    Embeddings of ids, of `kinds` of segments and, where `place` is learned, of places are added and normed. `pool`: nothing,
    or tanh of the first token through a linear layer.
    """

    block: Block
    depth: int
    vocab: int
    place: Rope | Learned
    kinds: int
    context: int
    pool: Literal["none", "tanh"] = "none"


@dataclass(frozen=True)
class EncodeText:
    """A text encoder by itself: a state for each token."""

    text: Bidirectional


@dataclass(frozen=True)
class Relative:
    """A learned number per head for each of `buckets` of distances, added to the scores: half of them for single steps, the
    rest in widening ones up to `furthest` (T5, arXiv:1910.10683)."""

    buckets: int
    furthest: int


@dataclass(frozen=True)
class EncoderDecoder:
    """A transformer that reads a source as a whole and writes a target after it; one embedding for both (arXiv:1910.10683).

    `source` and `target` are depths. `head_scale`: hidden states times one over the root of their width before the head.
    `start` is the id that every target begins with.
    """

    block: Block
    source: int
    target: int
    vocab: int
    relative: Relative
    start: int
    tied: bool = True
    head_scale: Literal["plain", "by_root_width"] = "plain"

    @property
    def width(self) -> int:
        return self.block.width


@dataclass(frozen=True)
class Seq2Seq:
    """A model that writes a target after reading a source."""

    language: EncoderDecoder


Model = Causal | Match | EncodeText | Seq2Seq


# --- families -------------------------------------------------------------------------------------------------------------

Proof = Literal["exact", "recorded", "reduction"]


@dataclass(frozen=True)
class Family:
    """A published design, named. `sizes` are overrides of the model's fields by dotted path, the first being the model itself.

    `layout` names the reader of its folders, `proof` how parity is shown, `reference` the class that it was proved against,
    `ran` whether it ever ran on real weights here, `tiny` the reference cases that prove it.
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
    published: dict[str, int] = field(default_factory=dict)
    """Parameter counts of published sizes, facts with their source beside the fixture."""

    def at(self, size: str) -> Model:
        """The model of one published size."""
        return override(self.model, self.sizes[size])

    @property
    def kind(self) -> str:
        match self.model:
            case Match():
                return "contrastive"
            case EncodeText():
                return "text encoder"
            case Seq2Seq():
                return "seq2seq"
            case Causal(sight=None):
                return "text"
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


def breaks(value: Any) -> dict[str, str]:
    """The invariants that a model's parts declare to break, each with its reason."""
    if not dataclasses.is_dataclass(value):
        return {}
    own: dict[str, str] = dict(value.breaks) if isinstance(value, Declares) else {}
    inner = (breaks(getattr(value, f.name)) for f in dataclasses.fields(value))
    return {name: reason for found in (own, *inner) for name, reason in found.items()}
