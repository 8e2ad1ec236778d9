"""Small machines of many designs, and families' own specs, for tests of budgets."""

from dataclasses import replace

from chiasm import registry
from chiasm.geometry import Size
from chiasm.spec import (
    VQ,
    AddByBox,
    Align,
    Alone,
    Bend,
    Block,
    Both,
    Buckets,
    Canvas,
    Coarsened,
    ConvViT,
    Cross,
    Discrete,
    Enclose,
    Encoder,
    EndRows,
    Letterbox,
    LowHigh,
    Merge,
    MergingViT,
    Mlp,
    Native,
    Norm,
    Normed,
    Pixels,
    Resampler,
    Resize,
    ResNet,
    Rope,
    Splice,
    Step,
    Swin,
    Table,
    TiledViT,
    TileGrid,
    Views,
    ViT,
    WindowedViT,
    Windows,
)
from chiasm.spec import Causal as CausalSpec

SIZE = Size(1344, 1344)


def model(name: str, size: str) -> CausalSpec:
    spec = registry.family(name).at(size)
    assert isinstance(spec, CausalSpec)
    return spec


def tower(name: str, size: str) -> ViT:
    sight = model(name, size).sight
    assert sight is not None and isinstance(sight.encoder, ViT)
    return sight.encoder


def square(side: int) -> Size:
    return Size(side, side)


def plain(width: int = 32, heads: int = 4, mlp: int = 48) -> Block:
    return Block(width, heads, mlp, heads, width // heads, Norm("layer"))


def tiny(name: str, size: str, encoder: Encoder | None = None, views: Views | None = None) -> CausalSpec:
    """A family's own shape with small widths."""
    spec = model(name, size)
    sight = spec.sight
    assert sight is not None
    block = Block(24, 3, 40, 1, 8, Norm("rms"), "silu", "gated", qkv_bias=False, out_bias=False, mlp_bias=False)
    sections = (1, 1, 2) if isinstance(spec.decoder.rope, Rope) and spec.decoder.rope.sections else ()
    decoder = replace(spec.decoder, block=block, depth=2, vocab=97, rope=Rope(sections=sections), silent=())
    eye = encoder or sight.encoder
    width, steps = eye.width, list[Step]()
    for step in sight.connector:
        match step:
            case Mlp():
                step = replace(step, width=24, hidden=30 if step.depth > 1 else 24)
                width = 24
            case Merge(side):
                width *= side**2
            case Align():
                step = Align((eye.high.width, eye.low.width), 24) if isinstance(eye, Both) else step
                width = 24
            case Resampler():
                step = replace(step, block=replace(plain(width), qk_norm=step.block.qk_norm), depth=2, queries=5)
            case Normed() | EndRows() | Bend() | Enclose():
                pass
        steps.append(step)
    assert not isinstance(sight.fusion, Alone | AddByBox)
    fusion = replace(sight.fusion, image=90)
    fusion = replace(fusion, video=None) if isinstance(fusion, Splice) else fusion
    if isinstance(fusion, Discrete):
        fusion = replace(fusion, runs=((60, 30),), ends=(91,))
    if isinstance(fusion, Cross):
        fusion = replace(fusion, block=replace(block, qk_norm=fusion.block.qk_norm), before=(0, 1, 2))
    small = replace(sight, encoder=eye, connector=tuple(steps), fusion=fusion, views=views or sight.views, carried=None)
    return CausalSpec(decoder, small)


EYE = ViT(plain(), 3, 14, Table(6), cls="drop", pre_norm=True, taps=(-2,), post_norm="idle")

MERGING = MergingViT(ViT(plain(), 3, 7, Buckets(4, "divided"), post_norm="applied"), 2, 160)

TOWER = WindowedViT(plain(), 3, 7, 8, 3, (1,), 12)

MACHINES = {
    "llava-1.5": (tiny("llava-1.5", "7b", EYE), [square(336)]),
    "registers": (tiny("llava-1.5", "7b", replace(EYE, registers=3)), [square(336)]),
    "llava-next": (tiny("llava-next", "mistral-7b", EYE), [Size(500, 300), Size(90, 400)]),
    "idefics3": (
        tiny("smolvlm", "256m", ViT(plain(), 2, 16, Table(4), post_norm="applied"), TileGrid(256, 64)),
        [Size(200, 90)],
    ),
    "qwen2-vl": (
        tiny("qwen2-vl", "2b", replace(tower("qwen2-vl", "2b"), block=plain(), depth=3)),
        [Size(280, 140), Size(84, 84)],
    ),
    "qwen2.5-vl": (
        tiny(
            "qwen2.5-vl",
            "3b",
            replace(tower("qwen2.5-vl", "3b"), block=plain(), depth=3, windows=Windows(8, (1,))),
        ),
        [Size(308, 168), Size(84, 280)],
    ),
    "two resolutions": (
        tiny(
            "deepseek-vl-hybrid",
            "7b",
            Both(replace(EYE, patch=4, cls="none", taps=(-1,), position=Table(5)), Coarsened(TOWER, 1, 5)),
            LowHigh(20, Letterbox(56), Pixels()),
        ),
        [square(70), Size(30, 90)],
    ),
    "words": (
        tiny("emu3", "8.5b", VQ(32, (32, 32, 64, 64), 2, 8, 30, 6, (2, 3), "attends", 2), Native(8, 16 * 16, 1024)),
        [Size(200, 90), Size(40, 40)],
    ),
    "words of pictures alone": (
        tiny("chameleon", "7b", VQ(32, (32, 64, 32), 1, 8, 30, 6, (), "plain"), Resize(32, 32)),
        [Size(200, 90)],
    ),
    "tiles that are asked": (
        tiny("llama-3.2-vision", "11b", TiledViT(plain(), 2, 1, 7, 4, 4, (0, 1)), Canvas(28, 4)),
        [Size(60, 20), square(40)],
    ),
    "queries that are asked": (
        tiny("idefics", "9b", replace(EYE, patch=7, cls="keep", taps=(-1,), position=Table(4)), Resize(28, 28, "squash")),
        [square(70)],
    ),
    "experts": (
        tiny("cogvlm2", "19b", replace(EYE, patch=7, taps=(-1,), position=Table(4)), Resize(28, 28, "squash")),
        [square(70), Size(30, 90)],
    ),
    "shifted windows": (
        tiny("llava-1.5", "7b", Swin(plain(16, 2, 40), (2, 3), (2, 4), 4), Resize(52, 52)),
        [Size(200, 90), square(50)],
    ),
    "windows over one square": (tiny("llava-1.5", "7b", replace(TOWER, side=5), Resize(35, 35)), [Size(200, 90), square(50)]),
    "a residual network": (tiny("llava-1.5", "7b", ResNet(8, (1, 2, 1, 2)), Resize(64, 64)), [Size(200, 90), square(50)]),
    "merging half-way": (tiny("qwen2-vl", "2b", MERGING, Native(28, 28 * 28, 10**6)), [Size(56, 84), Size(28, 140)]),
    "merging that is idle": (tiny("qwen2-vl", "2b", replace(MERGING, after=None), Native(14, 14 * 14, 10**6)), [Size(56, 42)]),
    "convolutions": (
        tiny("llava-1.5", "7b", ConvViT((8, 12, 16), (2, 1), plain(), 2, 7)),
        [square(336)],
    ),
}
