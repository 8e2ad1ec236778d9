"""Budgets against the modules that run, against the field's folklore, and against what checkpoints really do."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from chiasm import registry
from chiasm.budget import BYTES, Memory, Rule, Tokens, budget, fit, picture_cost
from chiasm.errors import BadPicture, BadPrompt, UserError
from chiasm.generate.engine import prefill
from chiasm.geometry import Size
from chiasm.language.gated import Gallery
from chiasm.layers.cache import KVCache
from chiasm.model import Causal
from chiasm.prompt.items import lay
from chiasm.prompt.plan import Plan
from chiasm.spec import (
    VQ,
    Align,
    Bend,
    Block,
    Both,
    Canvas,
    Coarsened,
    ConvViT,
    Cross,
    Discrete,
    Enclose,
    EndRows,
    Letterbox,
    LowHigh,
    Merge,
    Mlp,
    Native,
    Norm,
    Normed,
    Pinpoints,
    Pixels,
    Resampler,
    Resize,
    Rope,
    Splice,
    Step,
    Swin,
    Table,
    TiledViT,
    TileGrid,
    ViT,
    WindowedViT,
    Windows,
)
from chiasm.spec import Causal as CausalSpec

SIZE = Size(1344, 1344)
CHECKPOINTS = {
    "llama-3.2-vision": {"11b": 6404, "90b": 6404},
    "cogvlm2": {"19b": 48 * 48 + 2},
    "llava-1.5": {"7b": 576, "13b": 576},
    "llava-next": {"mistral-7b": 2928},
    "qwen2-vl": {"2b": 2304, "7b": 2304, "72b": 2304},
    "qwen2.5-vl": {"3b": 2304, "7b": 2304, "72b": 2304},
    "idefics3": {"8b-llama3": 17 * 169},
    "smolvlm": {"256m": 17 * 64, "500m": 17 * 64},
}


def model(name: str, size: str) -> CausalSpec:
    spec = registry.family(name).at(size)
    assert isinstance(spec, CausalSpec)
    return spec


def square(side: int) -> Size:
    return Size(side, side)


# --- the table of 1344 x 1344: by the checkpoint, and by rules ------------------------------------------------------


@pytest.mark.parametrize(("name", "size", "tokens"), [(n, s, t) for n, of in CHECKPOINTS.items() for s, t in of.items()])
def test_one_large_square_by_checkpoint(name: str, size: str, tokens: int) -> None:
    spec = model(name, size)
    found = budget(spec, [SIZE]).pictures[0]
    assert found.visual == tokens
    assert lay(spec, [SIZE])[2] == [tokens]
    assert spec.sight is not None and picture_cost(spec.sight, SIZE) == found


def test_qwen2_vl_at_the_class_default_of_pixels() -> None:
    spec = model("qwen2-vl", "7b")
    assert spec.sight is not None and not isinstance(spec.sight.views, Pinpoints | TileGrid)
    eye = replace(spec.sight, views=replace(spec.sight.views, most=28 * 28 * 1280))
    assert picture_cost(eye, SIZE).visual == 1225


FOLKLORE = [
    ("336 at patch 14", 336, Rule(14), 576),
    ("336 at patch 14 with CLS", 336, Rule(14, cls=True), 577),
    ("224 at patch 14", 224, Rule(14), 256),
    ("224 at patch 14 with CLS", 224, Rule(14, cls=True), 257),
    ("224 at patch 16 with CLS", 224, Rule(16, cls=True), 197),
    ("1024 at patch 14, two pixels cut off", 1024, Rule(14), 5329),
    ("1024 at patch 14, raised", 1024, Rule(14, rounding="ceil"), 5476),
    ("1024 at patch 14, to the nearest, merged", 1024, Rule(14, merge=2, rounding="nearest"), 1369),
    ("1024 at patch 16", 1024, Rule(16), 4096),
    ("1344 at patch 16", 1344, Rule(16), 7056),
    ("1344 at patch 14", 1344, Rule(14), 9216),
    ("1344 in 6 x 6 tiles of 224 at patch 16", 1344, Rule(16, tile=224, grid=(6, 6)), 7056),
    ("and with a thumbnail", 1344, Rule(16, tile=224, grid=(6, 6), thumbnail=True), 7252),
    ("the same at patch 14", 1344, Rule(14, tile=224, grid=(6, 6)), 9216),
    ("the same at patch 14 with a thumbnail", 1344, Rule(14, tile=224, grid=(6, 6), thumbnail=True), 9472),
    ("4x merge of 32 x 32", 512, Rule(16, merge=2), 256),
    ("a tile of 448 before its pixel shuffle", 448, Rule(14, tile=448), 1024),
    ("a tile of 448 after it", 448, Rule(14, tile=448, merge=2), 256),
    ("InternVL2 with 40 tiles", 448 * 40, Rule(14, tile=448, grid=(1, 40), merge=2), 10240),
    (
        "InternVL2 with 40 tiles and a thumbnail",
        448 * 40,
        Rule(14, tile=448, grid=(1, 40), merge=2, thumbnail=True),
        10496,
    ),
    ("InternVL2 at its default of 12 tiles", 1344, Rule(14, tile=448, grid=(3, 4), merge=2, thumbnail=True), 3328),
    ("BLIP-2, small", 224, Rule(14, queries=32), 32),
    ("BLIP-2, large", 1344, Rule(14, queries=32), 32),
    ("Llama 3.2's folklore without the global view", 1120, Rule(14, tile=560, grid=(2, 2), queries=420), 1680),
    ("and with it", 1120, Rule(14, tile=560, grid=(2, 2), queries=420, thumbnail=True), 2100),
    ("Llama 3.2 as it is", 1120, Rule(14, tile=560, grid=(2, 2), cls=True), 6404),
    ("Llama 3.2's canvas of 1120 is 2 x 2 tiles", 1120, Rule(14, tile=560, cls=True), 6404),
    ("Pixtral at 512", 512, Rule(16), 1024),
    ("Pixtral at 2048", 2048, Rule(16), 16384),
    ("Pixtral at 1024 with its row marks", 1024, Rule(16, breaks=True), 4160),
    ("MiniCPM-V 2.6", 1344, Rule(14, tile=448, grid=(3, 3), queries=64, thumbnail=True), 640),
    ("576 to 64 is 9x", 336, Rule(14, merge=3), 64),
    ("8 tiles of 256", 448 * 8, Rule(14, tile=448, grid=(2, 4), merge=2), 2048),
    ("64 tiles of 256", 448 * 8, Rule(14, tile=448, grid=(8, 8), merge=2), 16384),
    ("the command line's example", 2016, Rule(14, tile=336, grid=(6, 6), merge=2), 36 * 144),
]


@pytest.mark.parametrize(("what", "side", "rule", "tokens"), FOLKLORE, ids=[row[0] for row in FOLKLORE])
def test_the_articles_rule(what: str, side: int, rule: Rule, tokens: int) -> None:
    assert rule.count(square(side)).tokens == tokens


def test_5329_cannot_be_merged_by_four() -> None:
    assert 5329 % 4 == 1
    assert Rule(14, merge=2).count(square(1024)).tokens == 36 * 36


def test_a_rule_counts_both_sides_and_its_views() -> None:
    found = Rule(14, tile=336, thumbnail=True).count(Size(672, 336))
    assert found.views == ((24, 24),) * 3 and found.tokens == found.patches == 3 * 576
    assert Rule(16, breaks=True).count(Size(64, 32)).tokens == 2 * 4 + 2


@pytest.mark.parametrize(
    "make",
    [lambda: Rule(0), lambda: Rule(14, grid=(2, 2)), lambda: Rule(14, tile=-1), lambda: Rule(14).count(square(10))],
)
def test_senseless_rules_are_refused(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError):
        make()


# --- other rows of the field's arithmetic, by checkpoint ------------------------------------------------------------


@pytest.mark.parametrize("side", [32, 336, 1344, 4000])
def test_llava_1_5_is_576_whatever_the_size(side: int) -> None:
    assert budget(model("llava-1.5", "7b"), [square(side)]).visual == 576


@pytest.mark.parametrize(("side", "tokens"), [(28, 4), (56, 4), (448, 256), (3584, 16384), (8000, 16384)])
def test_qwen2_vl_reaches_from_4_to_16384(side: int, tokens: int) -> None:
    spec = model("qwen2-vl", "7b")
    assert spec.sight is not None
    assert picture_cost(spec.sight, square(side)).visual <= tokens
    assert side == 8000 or picture_cost(spec.sight, square(side)).visual == tokens


def test_llava_next_has_five_views_at_most_and_2928_tokens() -> None:
    eye = model("llava-next", "mistral-7b").sight
    assert eye is not None
    costs = [picture_cost(eye, Size(w, h)) for w in range(100, 2200, 150) for h in range(100, 2200, 150)]
    assert max(len(cost.views) for cost in costs) == 5
    assert max(cost.visual for cost in costs) == 2928 == 48 * 49 + 576


def test_seven_pictures_fill_a_window_of_4096_and_six_leave_640() -> None:
    spec = model("llava-1.5", "7b")
    assert fit(spec, SIZE, Tokens(4096)).pictures == 7
    assert fit(spec, SIZE, Tokens(4096), text=64).pictures == 7
    assert fit(spec, SIZE, Tokens(4096), text=65).pictures == 6
    assert fit(spec, SIZE, Tokens(4096), text=640).pictures == 6
    six = budget(spec, [SIZE] * 6, text=640)
    assert (six.visual, six.prefill, six.over, round(six.visual / six.context, 2)) == (3456, 4096, 0, 0.84)


def test_four_times_the_tokens_is_four_times_the_linear_work_and_the_cache_and_sixteen_times_the_attention() -> None:
    spec = model("llava-1.5", "7b")
    small, large = budget(spec, text=256), budget(spec, text=1024)
    # Nearly: the last block's MLP runs for one position alone, whatever the length.
    assert large.work.language_linear == pytest.approx(4 * small.work.language_linear, rel=1e-3)
    assert large.cache_bytes("bfloat16") == 4 * small.cache_bytes("bfloat16")
    assert large.work.language_attention == pytest.approx(16 * small.work.language_attention, rel=1e-3)


def test_minutes_of_video_at_256_a_frame() -> None:
    frame = Rule(14, merge=2).count(square(448)).tokens
    assert [seconds * frame for seconds in (30, 60, 300, 3600)] == [7680, 15360, 76800, 921600]


def test_the_connector_of_llava_7b_in_parameters() -> None:
    assert (1024 + 1) * 4096 == 4_198_400 and (1024 + 1) * 4096 + (4096 + 1) * 4096 == 20_979_712
    one = budget(model("llava-1.0", "7b"), [square(224)]).work.connector
    two = budget(model("llava-1.5", "7b"), [square(336)]).work.connector
    assert one == 2 * 256 * 1024 * 4096 and two == 2 * 576 * 4096 * (1024 + 4096)


# --- the arithmetic against the modules -----------------------------------------------------------------------------


def plain(width: int = 32, heads: int = 4, mlp: int = 48) -> Block:
    return Block(width, heads, mlp, heads, width // heads, Norm("layer"))


def tiny(
    name: str, size: str, encoder: ViT | ConvViT | Both | VQ | TiledViT | Swin | None = None, views: object = None
) -> CausalSpec:
    """A family's own shape with small widths."""
    spec = model(name, size)
    sight = spec.sight
    assert sight is not None
    block = Block(24, 3, 40, 1, 8, Norm("rms"), "silu", "gated", qkv_bias=False, out_bias=False, mlp_bias=False)
    sections = (1, 1, 2) if spec.decoder.rope.sections else ()
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
    fusion = replace(sight.fusion, image=90)
    fusion = replace(fusion, video=None) if isinstance(fusion, Splice) else fusion
    if isinstance(fusion, Discrete):
        fusion = replace(fusion, runs=((60, 30),), ends=(91,))
    if isinstance(fusion, Cross):
        fusion = replace(fusion, block=replace(block, qk_norm=fusion.block.qk_norm), before=(0, 1, 2))
    small = replace(sight, encoder=eye, connector=tuple(steps), fusion=fusion, views=views or sight.views, carried=None)
    return CausalSpec(decoder, small)


EYE = ViT(plain(), 3, 14, Table(6), cls="drop", pre_norm=True, taps=(-2,), post_norm="idle")
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
        tiny("qwen2-vl", "2b", replace(model("qwen2-vl", "2b").sight.encoder, block=plain(), depth=3)),  # type: ignore[union-attr]
        [Size(280, 140), Size(84, 84)],
    ),
    "qwen2.5-vl": (
        tiny(
            "qwen2.5-vl",
            "3b",
            replace(model("qwen2.5-vl", "3b").sight.encoder, block=plain(), depth=3, windows=Windows(8, (1,))),  # type: ignore[union-attr]
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
    "convolutions": (
        tiny("llava-1.5", "7b", ConvViT((8, 12, 16), (2, 1), plain(), 2, 7)),
        [square(336)],
    ),
}


def planned(spec: CausalSpec, sizes: list[Size], text: int) -> Plan:
    assert spec.sight is not None
    costs = budget(spec, sizes)
    return Plan.from_ids(spec, [[*[spec.sight.fusion.image] * costs.places, *range(1, 1 + costs.marks + text)]], sizes)


def matrix_times_vector(matrix: tuple[int, ...], *_: object, **__: object) -> int:
    """torch's counter knows no product with a vector."""
    return 2 * matrix[0] * matrix[1]


@pytest.mark.parametrize("name", MACHINES)
def test_flops_are_those_that_torch_counts(name: str) -> None:
    spec, sizes = MACHINES[name]
    torch.manual_seed(0)
    machine = Causal(spec).eval().requires_grad_(False)
    plan = planned(spec, sizes, 11)
    eye = spec.sight
    assert eye is not None
    encoder = eye.encoder
    patch = max(encoder.patch, encoder.high.tower.patch) if isinstance(encoder, Both) else encoder.patch
    # A picture's frames are equal.
    still = torch.randn(sum(grid.cells for grid in plan.grids), 3, 1, patch**2)
    patches = still.expand(-1, -1, encoder.frames, -1).flatten(1)
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mv: matrix_times_vector})
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
        prefill(machine, plan.batch(patches), 1)
    expected = budget(spec, sizes, text=11).work
    assert counter.get_total_flops() == expected.total
    by_part = counter.get_flop_counts()
    assert sum(by_part["Causal.vision"].values()) == expected.vision
    # The keys of what is asked outside of the sequence are made before it is read.
    crossed = isinstance(eye.fusion, Cross)
    assert crossed or sum(by_part["Causal.language"].values()) == expected.language_linear + expected.language_attention


@pytest.mark.parametrize("name", MACHINES)
def test_bytes_are_those_of_the_modules(name: str) -> None:
    spec, sizes = MACHINES[name]
    machine = Causal(spec)
    costs = budget(spec, sizes, text=11, generate=5)
    # What was measured and not learned is left out.
    weights = sum(parameter.nbytes for parameter in machine.parameters() if parameter.requires_grad)
    assert costs.weight_bytes("float32") == weights == 2 * costs.weight_bytes("bfloat16")
    cache = machine.room(1, costs.positions)
    held = 0
    if costs.outside:
        sight = torch.randn(sum(picture.patches for picture in costs.pictures), 3 * spec.sight.encoder.patch**2)  # type: ignore[union-attr]
        _, past = prefill(machine.eval(), planned(spec, sizes, 11).batch(sight), 5)
        assert isinstance(past, KVCache) and isinstance(past.beside, Gallery)
        held = sum(part.nbytes for pair in past.beside.held for part in pair)
    assert costs.cache_bytes("float32") == cache.keys.nbytes + cache.values.nbytes + held
    assert all(costs.memory_bytes(dtype) > costs.weight_bytes(dtype) for dtype in BYTES)


@pytest.mark.parametrize("name", MACHINES)
def test_the_plan_that_runs_has_the_budgets_numbers(name: str) -> None:
    spec, sizes = MACHINES[name]
    plan, costs = planned(spec, sizes, 11), budget(spec, sizes, text=11)
    assert plan.visual_tokens() == [picture.visual for picture in costs.pictures]
    assert len(plan.rows[0]) == costs.prefill
    assert sum(grid.cells for grid in plan.grids) == sum(picture.patches for picture in costs.pictures)


# --- what fits ------------------------------------------------------------------------------------------------------


def brute(spec: CausalSpec, shape: Size, limit: int, up_to: int) -> Size | None:
    """The largest size by trying them all, one pixel of the longer side at a time."""
    assert spec.sight is not None
    best = None
    for long in range(1, up_to + 1):
        short = max(1, round(long * min(shape.width, shape.height) / max(shape.width, shape.height)))
        size = Size(long, short) if shape.width >= shape.height else Size(short, long)
        try:
            cost = picture_cost(spec.sight, size)
        except BadPicture:
            continue
        best = size if cost.tokens <= limit else best
    return best


@pytest.mark.parametrize("shape", [Size(4, 3), Size(3, 4), Size(16, 9)])
@pytest.mark.parametrize("limit", [4, 50, 333])
def test_the_largest_resolution_is_the_one_found_by_trying_all(shape: Size, limit: int) -> None:
    spec = tiny("qwen2-vl", "2b", replace(model("qwen2-vl", "2b").sight.encoder, block=plain(), depth=1))  # type: ignore[union-attr]
    found = fit(spec, Size(shape.width * 20, shape.height * 20), Tokens(limit))
    assert found.bounded and found.largest is not None
    assert found.largest.size == brute(spec, shape, limit, 800)
    assert found.largest.tokens <= limit


def test_what_always_fits_is_bounded_by_the_door_alone() -> None:
    found = fit(model("llava-1.5", "7b"), SIZE, Tokens(600))
    assert not found.bounded and found.largest is not None and found.largest.size == square(8192) and found.pictures == 1


def test_what_never_fits_says_so() -> None:
    found = fit(model("llava-1.5", "7b"), SIZE, Tokens(500))
    assert found.largest is None and found.pictures == 0


def test_memory_holds_at_the_answer_and_not_one_step_beyond() -> None:
    spec = model("qwen2-vl", "2b")
    limit = 5_000_000_000
    found = fit(spec, Size(4000, 3000), Memory(limit), text=50, generate=100)
    assert found.largest is not None and found.bounded
    inside = budget(spec, [found.largest.size], 50, 100).memory_bytes("bfloat16")
    width = found.largest.size.width + 28
    outside = budget(spec, [Size(width, round(width * 3 / 4))], 50, 100).memory_bytes("bfloat16")
    assert inside <= limit < outside
    most = budget(spec, [Size(4000, 3000)] * found.pictures, 50, 100).memory_bytes("bfloat16")
    assert most <= limit < budget(spec, [Size(4000, 3000)] * (found.pictures + 1), 50, 100).memory_bytes("bfloat16")


def test_several_pictures_share_the_budget() -> None:
    spec = model("qwen2-vl", "2b")
    two, one = fit(spec, SIZE, Tokens(2000), count=2), fit(spec, SIZE, Tokens(1000))
    assert two.largest is not None and two.largest == one.largest


def test_a_model_of_text_alone_has_no_room_for_pictures() -> None:
    spec = model("smollm2", "135m")
    assert budget(spec, text=100).prefill == 100
    with pytest.raises(BadPrompt):
        budget(spec, [SIZE])
    with pytest.raises(BadPrompt):
        fit(spec, SIZE, Tokens(100))


def test_counting_needs_no_torch() -> None:
    code = "import sys, chiasm.budget, chiasm.registry; chiasm.registry.families(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_json_has_the_same_numbers() -> None:
    costs = budget(model("smolvlm", "256m"), [SIZE], text=20, generate=30)
    data = costs.to_json()
    assert data["pictures"][0]["visual_tokens"] == 1088 and data["tokens"]["total"] == costs.positions
    assert data["tokens"]["marks"] == 2 * 16 + 4 + 3
    assert data["bytes"]["int8"]["weights"] == costs.parameters
