"""Budgets against the field's folklore and against what checkpoints really do."""

import subprocess
import sys
from dataclasses import replace

import pytest
from machines import SIZE, model, square

from chiasm.budget import Rule, Tokens, budget, fit, picture_cost
from chiasm.errors import BadPrompt, UserError
from chiasm.geometry import Size
from chiasm.prompt.items import lay
from chiasm.spec import Native

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


@pytest.mark.parametrize(("name", "size", "tokens"), [(n, s, t) for n, of in CHECKPOINTS.items() for s, t in of.items()])
def test_one_large_square_by_checkpoint(name: str, size: str, tokens: int) -> None:
    spec = model(name, size)
    found = budget(spec, [SIZE]).pictures[0]
    assert found.visual == tokens
    assert lay(spec, [SIZE])[2] == [tokens]
    assert spec.sight is not None and picture_cost(spec.sight, SIZE) == found


def test_qwen2_vl_at_the_class_default_of_pixels() -> None:
    spec = model("qwen2-vl", "7b")
    assert spec.sight is not None and isinstance(spec.sight.views, Native)
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
def test_senseless_rules_are_refused(make) -> None:
    with pytest.raises(UserError):
        make()


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
    assert six.context is not None
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
