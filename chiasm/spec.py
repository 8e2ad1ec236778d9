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
    k_bias: bool = True
    """Whether keys have a bias where queries and values have one; EVA's have none (arXiv:2211.07636)."""
    layer_scale: bool = False
    """What a branch adds is first scaled by a learned number per channel (arXiv:2103.17239)."""
    attention_norm: Norm | None = None
    mlp_norm: Norm | None = None
    """Norms inside the branches, of the mixed heads and of the MLP's hidden numbers (sub-LN, arXiv:2303.11331)."""
    extra_key: bool = False
    """One learned key and value that every query sees beside its own sequence."""
    qk_across: Norm | None = None
    """A norm of all heads' queries together, and of all keys, before they are turned (InternViT-6B)."""

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
    centre: Literal["low", "even"] = "low"
    """Where a crop with an odd margin begins: at the lower half pixel, or at the even one (torchvision's way)."""


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


@dataclass(frozen=True)
class Budget:
    """SigLIP 2's NaFlex (arXiv:2502.14786): the largest picture of about its own shape, both edges raised to multiples of
    `patch`, that has at most `most` patches."""

    patch: int
    most: int


@dataclass(frozen=True)
class DynamicTiles:
    """InternVL's tiling (arXiv:2404.16821): of all grids of `least` to `most` tiles the one whose shape is nearest to the
    picture's, the picture squashed into it and cut; where there are several tiles, the whole squashed to one comes last."""

    tile: int
    most: int
    least: int = 1


@dataclass(frozen=True)
class Longest:
    """Pixtral's variable resolution (arXiv:2410.07073): neither edge above `longest`, then both raised to multiples of
    `factor`; small pictures keep their size but for that."""

    longest: int
    factor: int


@dataclass(frozen=True)
class Bounded:
    """Idefics2's variable resolution (arXiv:2405.02246): the longest edge cut to `longest` by the ratio, then no edge below
    `shortest`; the rest of the last patch is not seen. `split`: the four quarters first, each as a picture of its own."""

    shortest: int
    longest: int
    split: bool = False


@dataclass(frozen=True)
class Letterbox:
    """DeepSeek-VL's one view (arXiv:2403.05525): the longest edge scaled to `side`, neither below `least`, then padded to a
    square in the colour of the mean."""

    side: int
    least: int = 14


Views = Resize | Pinpoints | TileGrid | Native | Budget | DynamicTiles | Longest | Bounded | Letterbox


# --- encoders -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A learned vector per cell of a square grid, resized to grids of another shape. `smooth` resampling is anti-aliased;
    `ratio` is bicubic by the ratio of the sides' areas, which rounds otherwise than the sides themselves do."""

    side: int
    resample: Literal["bicubic", "bicubic_smooth", "bilinear_smooth", "ratio"] = "bicubic"


@dataclass(frozen=True)
class Buckets:
    """A learned table that is looked up by the fraction of the picture where a patch stands (NaViT, arXiv:2307.06304)."""

    side: int


@dataclass(frozen=True)
class Axial:
    """Rotary positions in two dimensions: half of each head turns with the row, half with the column.

    `columns`: the same frequencies as rows have, or those that lie between them (Pixtral, arXiv:2410.07073).
    """

    theta: float = 10000.0
    side: int | None = None
    """Where grids are stretched to this many steps a side, so that every resolution turns alike (arXiv:2303.11331)."""
    columns: Literal["same", "between"] = "same"


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
    registers: int = 0
    """Learned tokens without a place that follow the class token (arXiv:2309.16588); dropped and kept with it."""
    turn: Axial | None = None
    """Rotary positions beside those of a table; class token and registers do not turn."""
    mask_token: bool = False
    """A learned vector that stood for hidden patches in training; here it is carried and never used."""

    @property
    def extra(self) -> int:
        """Tokens before each grid's cells inside the encoder."""
        return 0 if self.cls == "none" else 1 + self.registers

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


@dataclass(frozen=True)
class ResNet:
    """CLIP's residual network (arXiv:2103.00020): `stem` channels at stride 4, then stages of `blocks` bottlenecks, each
    stage but the first twice as wide at twice the stride."""

    stem: int
    blocks: tuple[int, int, int, int]
    patch: int = 32
    frames: int = 1

    @property
    def width(self) -> int:
        return self.stem * 32


@dataclass(frozen=True)
class ByKind:
    """Pictures through one tower, clips through another one of the same patches and width (Video-LLaVA, arXiv:2311.10122)."""

    pictures: ViT
    clips: ViT

    @property
    def patch(self) -> int:
        return self.pictures.patch

    @property
    def frames(self) -> int:
        return self.pictures.frames

    @property
    def width(self) -> int:
        return self.pictures.width


Encoder = ViT | ConvViT | ResNet | ByKind


# --- connectors -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mlp:
    """`depth` linear layers to `width`, an activation between them; `hidden` is the width in between."""

    width: int
    hidden: int
    depth: int = 2
    act: Activation = "gelu"
    bias: bool = True
    gated: bool = False
    """Two layers and a gate: down(act(gate(x)) * up(x))."""


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
    padding cut away by the picture's own shape, a learned newline after every row; "canvas", all of it, no newlines.

    `most`: a picture of clearly more tokens than so many tiles have is shrunk to about that, bilinearly (LLaVA-OneVision,
    arXiv:2408.03326). `clips`: as they are, or closed by one newline.
    """

    keeps: Literal["picture", "canvas"] = "picture"
    most: int | None = None
    clips: Literal["as_they_are", "closed"] = "as_they_are"


@dataclass(frozen=True)
class PoolClips:
    """Every frame of a clip made smaller by `side` in both directions; pictures pass. "average" and "max" leave out what is no
    whole square; "bilinear" rounds the number of cells up."""

    side: int = 2
    how: Literal["average", "max", "bilinear"] = "average"


@dataclass(frozen=True)
class Resampler:
    """A view's tokens read by `queries` learned ones in `depth` blocks, whose keys are the tokens and the queries themselves
    (a perceiver, arXiv:2103.03206, as Idefics2 has it, arXiv:2405.02246); a norm at the end."""

    block: Block
    depth: int
    queries: int


Step = Mlp | Normed | Merge | JoinTiles | PoolClips | Resampler


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


@dataclass(frozen=True)
class Around:
    """One mark before all of a picture's visual tokens and one after (InternVL)."""

    before: str
    after: str


@dataclass(frozen=True)
class Edges:
    """The same mark before every view of a picture and after its last one (Idefics2)."""

    edge: str


@dataclass(frozen=True)
class RowEnds:
    """A mark after each row of visual tokens, another one after the last (Pixtral, arXiv:2410.07073)."""

    between: str
    last: str


Marks = Bare | RowColumn | Around | Edges | RowEnds


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
    """The class token, normed, projected: without bias in CLIP, with one in a classifier."""

    width: int
    bias: bool = False


@dataclass(frozen=True)
class AttentionPool:
    """One learned query attends to all patches, then an MLP with residual (SigLIP, arXiv:2303.15343)."""

    mlp_width: int


@dataclass(frozen=True)
class First:
    """The class token as it leaves the encoder (DINOv2)."""


@dataclass(frozen=True)
class Tanh:
    """tanh of the class token through a linear layer (ViT)."""


@dataclass(frozen=True)
class MeanProject:
    """The mean of all tokens but the class token, projected without bias."""

    width: int


@dataclass(frozen=True)
class AddedPool:
    """One learned query attends to all tokens; what a gated MLP makes of its answer is added to every token, and the first
    one stands for the picture (Nomic Embed Vision, arXiv:2406.18587)."""

    mlp_width: int


@dataclass(frozen=True)
class GridPool:
    """The mean of a grid of `side` x `side` cells attends to them and itself, each at a learned place (CLIP's ResNets)."""

    width: int
    heads: int
    side: int


Pool = ClsProject | AttentionPool | First | Tanh | MeanProject | AddedPool | GridPool


@dataclass(frozen=True)
class Match:
    """Two towers in one space. `logits`: scaled cosine, with a learned bias for the sigmoid loss."""

    views: Views
    pixels: Pixels
    encoder: Encoder
    pool: Pool
    text: TextTower
    logits: Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class Encode:
    """An encoder by itself: features of a picture's cells, and one vector a picture."""

    views: Views
    pixels: Pixels
    encoder: Encoder
    pool: Pool


@dataclass(frozen=True)
class Signal:
    """A transformer over what is no picture for eyes: sound as a spectrogram, depth, heat, motion (ImageBind).

    A strided convolution of `kernel` over [channels, height, width] makes `places` tokens, normed, each with a learned place.
    """

    name: str
    block: Block
    depth: int
    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    places: int


@dataclass(frozen=True)
class Bind:
    """Pictures, texts and signals in one space (arXiv:2305.05665); all vectors but the pictures' are scaled."""

    views: Views
    pixels: Pixels
    encoder: ViT
    pool: ClsProject
    text: TextTower
    signals: tuple[Signal, ...]


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


Model = Causal | Match | Encode | Bind | EncodeText | Seq2Seq


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
            case Match() | Bind():
                return "contrastive"
            case Encode():
                return "encoder"
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
