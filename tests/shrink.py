"""Any family at a size that runs in a moment: the same design, few and narrow layers, small pictures."""

from dataclasses import replace

from chiasm.model import AnyModel, assemble
from chiasm.reference.make import redraw
from chiasm.spec import (
    VQ,
    AddedPool,
    Align,
    Asker,
    Attends,
    AttentionPool,
    Axial,
    Bidirectional,
    Bind,
    Block,
    Both,
    Bounded,
    Buckets,
    Budget,
    ByKind,
    Candidates,
    Canvas,
    Carried,
    Causal,
    ClipSines,
    ClipTable,
    ClsProject,
    Coarsened,
    CodedMasks,
    Connect,
    Corner,
    CoverTiles,
    Cross,
    Decoder,
    Deformable,
    Delta,
    Discrete,
    Disparity,
    DynamicNtk,
    DynamicTiles,
    Encode,
    EncodePage,
    Encoder,
    EncoderDecoder,
    EncodeText,
    EncodeVolume,
    Expert,
    Experts,
    Find,
    First,
    Fitted,
    Flat,
    GridPool,
    Head,
    Heat,
    JoinTiles,
    Latent,
    Learned,
    Letterbox,
    Llama3Scaling,
    Longest,
    LongRope,
    LowHigh,
    MaskDecoder,
    Match,
    MeanProject,
    Mel,
    Merge,
    MergingViT,
    Mixer,
    Mlp,
    Model,
    Native,
    PageBias,
    Phrases,
    Pinpoints,
    Pointing,
    Pool,
    PoolTime,
    Position,
    QFormer,
    QueryMatch,
    Reader,
    Reads,
    Regions,
    Relative,
    Resampler,
    Resize,
    ResNet,
    ResNet3d,
    Rope,
    See,
    Segment,
    Seq2Seq,
    Sheet,
    Shortest,
    Sight,
    Signal,
    Sines,
    Slices,
    Splice,
    Step,
    StepNtk,
    Strides,
    Swin,
    Table,
    Tanh,
    TiledViT,
    TileGrid,
    TwoMeans,
    Views,
    ViT,
    Window,
    WindowedViT,
    Windows,
    Words,
    Yarn,
)

PATCH, CELLS, HEAD, VOCAB = 4, 4, 8, 128
TILE = PATCH * CELLS
IMAGE, VIDEO, ENDS = 120, 121, (122, 123)
WORDS = (100, 20)
"""The ids of a picture's codes, where those are words: the first, and how many."""


def tiny(model: Model, seed: int = 0) -> AnyModel:
    """The modules of a shrunk model, every parameter drawn."""
    modules = assemble(shrunk(model)).eval()
    redraw(modules, seed)
    return modules


def shrunk(model: Model) -> Model:
    match model:
        case Match():
            text = replace(model.text, block=_block(model.text.block), depth=2, vocab=VOCAB, positions=16, project=20)
            text = replace(text, end=min(text.end, VOCAB - 1))
            pool = _pool(model.pool)
            if "width" not in vars(pool):
                text = replace(text, project=32)
            if isinstance(model.encoder, ResNet):
                side = 2 * model.encoder.patch
                views: Views = Resize(side, side, centre="even")
                return replace(model, views=views, encoder=ResNet(4, (1, 2, 1, 1)), pool=pool, text=text)
            return replace(model, views=_views(model.views, 1), encoder=_eye(model.encoder), pool=pool, text=text)
        case QueryMatch():
            views, queries = _views(model.views, 1), _step(model.queries, 32, 32)
            assert isinstance(queries, QFormer)
            return replace(model, views=views, encoder=_eye(model.encoder), queries=queries, project=20)
        case Encode():
            return replace(model, views=_views(model.views, 1), encoder=_eye(model.encoder), pool=_pool(model.pool))
        case Bind():
            text = replace(model.text, block=_block(model.text.block), depth=2, vocab=VOCAB, positions=16, project=20)
            text, signals = replace(text, end=VOCAB - 1), tuple(_signal(one) for one in model.signals)
            views = _views(model.views, 1)
            return replace(model, views=views, encoder=_eye(model.encoder), pool=ClsProject(20), text=text, signals=signals)
        case EncodeVolume():
            return EncodeVolume(
                Window(16, 16, 8, -1000.0, 1000.0, (1.5, 1.5, 3.0)), ResNet3d(4, (1, 2, 1, 1), (4, 4, 6, 6)), 12, 7
            )
        case EncodePage(words, boxes, bias, sight):
            corner, size = (32, 32) if boxes.join == "added" else (5, 6)
            tables = replace(boxes, corner=corner, size=size)
            told = None if bias.line is None else Relative(8, 20), None if bias.page is None else Relative(16, 60)
            if sight is not None:
                sight = replace(sight, views=_views(sight.views, 1), encoder=replace(_eye(sight.encoder), depth=0))
            return replace(model, text=_both_ways(words), boxes=tables, bias=PageBias(*told), sight=sight)
        case EncodeText(words, vector):
            return EncodeText(_both_ways(words), vector)
        case Connect() | See() | CodedMasks():
            return model
        case Seq2Seq(language, sight):
            small = _language(language)
            return Seq2Seq(small, None if sight is None else _sight(sight, small.width))
        case Segment():
            masks = MaskDecoder(32, CELLS, model.masks.depth, 4, 48, score_width=20, mask_channels=8)
            return replace(model, views=_views(model.views, 1), encoder=_windowed(model.encoder), masks=masks)
        case Find():
            asks = replace(_both_ways(model.text), place=Learned(64), context=64)
            layers = Deformable(2, 4, 2, 48)
            detector = replace(model.detector, width=64, queries=9, encoder=layers, decoder=layers)
            phrases = Phrases((101, 102, 112, 119), 24)
            views = _views(model.views, 1)
            return Find(views, model.pixels, _swin(model.encoder), asks, phrases, detector)
        case Causal():
            decoder = _decoder(model.decoder)
            sight = None if model.sight is None else _sight(model.sight, decoder.width)
            regions = None if model.regions is None else Regions(VOCAB - 2, (-3, -2), 2, 3, 4, 6, "<bbox>")
            return replace(model, decoder=decoder, sight=sight, head=_head(model.head, decoder.width), regions=regions)


def _head(head: Head | None, width: int) -> Head | None:
    match head:
        case Pointing():
            outlines = shrunk(head.outlines)
            assert isinstance(outlines, Segment)
            return Pointing(VOCAB - 1, Mlp(outlines.masks.width, width, act="relu"), outlines)
        case _:
            return head


def _pool(pool: Pool) -> Pool:
    match pool:
        case GridPool():
            return GridPool(20, 4, 2)
        case ClsProject() | MeanProject():
            return replace(pool, width=20)
        case AttentionPool() | AddedPool():
            return replace(pool, mlp_width=48)
        case First() | Tanh():
            return pool


def _signal(one: Signal) -> Signal:
    flat = one.kernel[0] == 1
    kernel, stride = ((1, 4), (1, 4)) if flat else ((4, 4), (4, 4) if one.kernel == one.stride else (3, 3))
    reads: Reads = one.reads
    match one.reads:
        case Mel():
            reads = replace(one.reads, bins=10, frames=10)
        case Disparity() | Heat():
            reads = replace(one.reads, side=12)
        case Strides():
            reads = Strides(36)
    return replace(one, block=_block(one.block), depth=2, kernel=kernel, stride=stride, places=9, reads=reads)


def _block(block: Block) -> Block:
    shared = 2 if block.kv_heads < block.heads else 4
    latent, experts = block.latent, block.experts
    if latent is not None:
        latent = Latent(16, 4, 10, None if latent.queries is None else 12)
    if experts is not None:
        experts = Experts(4, 2, 24, 48, experts.scale, *((2, 1) if experts.groups > 1 else (1, 1)))
    return replace(
        block, width=4 * HEAD, heads=4, kv_heads=shared, head_width=HEAD, mlp_width=48, latent=latent, experts=experts
    )


def _eye(encoder: Encoder) -> ViT:
    assert isinstance(encoder, ViT)
    match encoder.position:
        case Table():
            position: Position = replace(encoder.position, side=CELLS)
        case Buckets():
            position = replace(encoder.position, side=CELLS)
        case ClipSines():
            position = ClipSines(CELLS, 2)
        case ClipTable():
            position = ClipTable(CELLS, 3, ClipSines(CELLS, 2))
        case Axial():
            position = encoder.position
    windows = None if encoder.windows is None else Windows(2, (1,))
    return replace(encoder, block=_block(encoder.block), depth=3, patch=PATCH, position=position, windows=windows)


def _windowed(encoder: WindowedViT) -> WindowedViT:
    """Windows of three cells do not fill a square of four."""
    return WindowedViT(_block(encoder.block), 3, PATCH, CELLS, 3, (1,), 32)


def _swin(encoder: Swin) -> Swin:
    """Windows of three cells fill no map; where the last map alone leaves, two stages, so that it is as wide as a decoder."""
    block = replace(_block(encoder.block), width=16, heads=2, kv_heads=2, mlp_width=24)
    stages = len(encoder.depths) if encoder.normed else 2
    return replace(encoder, block=block, depths=(1, 2, 1, 1)[:stages], heads=(2, 2, 4, 4)[:stages], window=3)


def _encoder(encoder: Encoder) -> ViT | MergingViT | ByKind | Both | Flat | TiledViT | VQ | Swin:
    if isinstance(encoder, Swin):
        return _swin(encoder)
    if isinstance(encoder, TiledViT):
        return replace(encoder, block=_block(encoder.block), depth=3, wide=2, patch=PATCH, side=CELLS, taps=(0, 2))
    if isinstance(encoder, Flat):
        return Flat(PATCH)
    if isinstance(encoder, MergingViT):
        return replace(encoder, eye=_eye(encoder.eye), after=encoder.after and 1, hidden=64)
    if isinstance(encoder, Both):
        # Another patch in each of the two: packed together, the smaller one ends in zeros.
        tower = replace(_windowed(encoder.high.tower), patch=PATCH + 1, neck=12)
        return Both(_eye(encoder.low), Coarsened(tower, 1, CELLS))
    if isinstance(encoder, VQ):
        halvings = None if encoder.halvings is None else 1
        return VQ(32, (32, 32, 64), 1, 8, WORDS[1], 8, (2,) if encoder.attends else (), encoder.middle, halvings)
    if isinstance(encoder, ByKind):
        return ByKind(_eye(encoder.pictures), _eye(encoder.clips))
    assert isinstance(encoder, ViT)
    return _eye(encoder)


def _both_ways(text: Bidirectional) -> Bidirectional:
    place = _rope(text.place)
    assert not isinstance(place, Sines)
    return replace(text, block=_block(text.block), depth=2, vocab=VOCAB, place=place, context=1024)


def _decoder(decoder: Decoder) -> Decoder:
    window = None if decoder.window is None else 6
    inner = None if decoder.embed_width is None else 24
    more, depth = min(decoder.more, 2), len(decoder.turns) or 2
    block = _block(decoder.block)
    if decoder.turns:
        # What leaves a delta rule may be near zero: in half precision the norm after it makes anything of it.
        norm = replace(block.norm, eps=1e-3)
        block = replace(block, norm=norm, qk_norm=norm)
    return replace(
        decoder, block=block, depth=depth, turns=tuple(map(_mixer, decoder.turns)), vocab=VOCAB - more,
        rope=_rope(decoder.rope), context=1024, window=window, embed_width=inner, more=more,
        silent=(WORDS,) if decoder.silent else (),
    )  # fmt: skip


def _mixer(mixer: Mixer) -> Mixer:
    """Two states for each query and key, or as many as of them, as in the whole."""
    return mixer if isinstance(mixer, Attends) else Delta(4, 2 if mixer.key_heads < mixer.heads else 4, 6, 10, mixer.kernel)


def _language(language: EncoderDecoder) -> EncoderDecoder:
    place = Relative(8, 20) if isinstance(language.place, Relative) else replace(language.place, count=1024)
    source = 2 if language.source else 0
    return replace(language, block=_block(language.block), source=source, target=3, vocab=VOCAB, place=place)


def _rope(rope: Rope | Learned | Sines) -> Rope | Learned | Sines:
    """Frequencies that follow the length change within the rows that the tests read."""
    if isinstance(rope, Sines):
        return rope
    if isinstance(rope, Learned):
        return replace(rope, count=1024)
    scaling = rope.scaling
    match scaling:
        case Llama3Scaling() | Yarn():
            scaling = replace(scaling, original=32)
        case DynamicNtk() | StepNtk():
            scaling = replace(scaling, original=4)
        case LongRope():
            pairs = int(HEAD * rope.share) // 2
            scaling = replace(scaling, short=scaling.short[:pairs], long=scaling.long[-pairs:], original=7)
    return replace(rope, scaling=scaling, sections=(2, 1, 1) if rope.sections else (), calm=rope.calm and 4)


def _sight(sight: Sight, width: int) -> Sight:
    eye = _encoder(sight.encoder)
    merged = next((step.side for step in sight.connector if isinstance(step, Merge)), 1)
    steps = tuple(_step(step, eye.width * merged**2, width) for step in sight.connector)
    fusion = sight.fusion
    match fusion:
        case Discrete():
            fusion = Discrete(IMAGE, runs=(WORDS,), ends=ENDS[: len(fusion.ends)])
        case Splice(image, video, time):
            fusion = Splice(min(image, IMAGE), None if video is None else VIDEO, time)
        case Expert():
            fusion = replace(fusion, image=IMAGE)
        case Cross():
            before = (0, 1) if 0 in fusion.before else (1, 2)
            fusion = replace(fusion, image=VOCAB - 1, block=_block(fusion.block), before=before)
    carried = None if sight.carried is None else Carried((("one.weight", (3, 4)), ("two.0.bias", (5,))))
    return replace(sight, views=_views(sight.views, merged), encoder=eye, connector=steps, fusion=fusion, carried=carried)


def _step(step: Step, joined: int, width: int) -> Step:
    match step:
        case Mlp(gated=True):
            return replace(step, width=width, hidden=48)
        case Mlp():
            return replace(step, width=width, hidden=width if step.hidden == step.width else joined)
        case Align():
            return replace(step, parts=(48, joined - 48), width=width)
        case Reader():
            return replace(step, width=width, heads=4, queries=4)
        case Asker():
            return Asker(width, 4, 3)
        case Resampler():
            return replace(step, block=_block(step.block), depth=2, queries=3)
        case PoolTime():
            return PoolTime(3, 3, 2, 2)
        case TwoMeans():
            return TwoMeans(4)
        case QFormer():
            words = None if step.words is None else Words(VOCAB, 24)
            return replace(step, block=_block(step.block), depth=3, queries=3, words=words, added=min(step.added, 2))
        case JoinTiles(most=int()):
            return replace(step, most=2)
        case _:
            return step


def _views(views: Views, merged: int) -> Views:
    match views:
        case Resize():
            return replace(views, height=TILE, width=TILE, shortest=None)
        case Pinpoints(tile, grids):
            return Pinpoints(TILE, tuple((high // tile * TILE, wide // tile * TILE) for high, wide in grids))
        case TileGrid():
            return replace(views, longest=2 * TILE, tile=TILE)
        case Native():
            factor = PATCH * merged
            return Native(factor, factor**2, factor**2 * 16, views.ratio)
        case DynamicTiles():
            return replace(views, tile=TILE, most=4)
        case Slices():
            return replace(views, side=TILE, most=4)
        case Longest():
            return Longest(2 * TILE, PATCH)
        case Bounded():
            return replace(views, shortest=TILE, longest=2 * TILE)
        case Letterbox():
            return Letterbox(TILE, PATCH)
        case Canvas():
            return replace(views, tile=TILE)
        case Sheet():
            return replace(views, height=3 * TILE, width=2 * TILE)
        case Shortest():
            return Shortest(2 * TILE, 5 * TILE)
        case Corner():
            return Corner(TILE)
        case Fitted():
            return Fitted(2 * TILE, 3 * TILE)
        case CoverTiles():
            return CoverTiles(TILE, 4)
        case Candidates(tile, grids):
            return Candidates(TILE, tuple((high // tile * TILE, wide // tile * TILE) for high, wide in grids))
        case LowHigh():
            return LowHigh(TILE, Letterbox(TILE + CELLS, PATCH), views.pixels)
        case Budget():
            return Budget(PATCH, 16)
