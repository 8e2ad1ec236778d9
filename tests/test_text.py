"""Decoders of text: what their options mean for caches, branches, rows side by side, bf16 and the compiled path."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from shrink import shrunk, tiny
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from chiasm.budget import budget
from chiasm.errors import UserError
from chiasm.generate import one_row
from chiasm.generate.engine import greedy, prefill, step
from chiasm.layers import cpu
from chiasm.layers.attend import Mask, attend, bent
from chiasm.layers.experts import MixedMLP
from chiasm.layers.relative import RelativeBias
from chiasm.layers.rope import frequencies, turn
from chiasm.model import Causal, assemble, prepare
from chiasm.prompt.plan import Plan
from chiasm.reference.make import redraw
from chiasm.registry import families
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import DynamicNtk, Learned, LongRope, Relative, Rope, Yarn, breaks
from chiasm.train.lora import adapt

TEXT = [name for name, family in families().items() if family.kind == "text"]
LLAMA = ("smollm2", "llama-3", "mistral", "qwen2", "phi-3", "phi-4", "internlm2")
"""Those whose blocks the compiled program runs; the others differ inside of them."""


def small(name: str) -> CausalSpec:
    spec = shrunk(families()[name].model)
    assert isinstance(spec, CausalSpec)
    return spec


def drawn(spec: CausalSpec) -> Causal:
    model = assemble(spec).eval()
    assert isinstance(model, Causal)
    redraw(model, 0)
    return model


def ids(*lengths: int) -> list[list[int]]:
    drawing = torch.Generator().manual_seed(0)
    return [torch.randint(5, 100, (length,), generator=drawing).tolist() for length in lengths]


# --- prepared, compiled, in bf16 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXT)
def test_prepared_is_unprepared(name: str) -> None:
    model = drawn(small(name))
    batch = Plan.from_ids(model.spec, ids(9, 14)).batch()
    with torch.inference_mode():
        before = model.logits(model(batch))
        prepare(model)
        torch.testing.assert_close(model.logits(model(batch)), before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TEXT)
def test_in_bf16_a_loaded_model_says_what_its_modules_say(name: str) -> None:
    """However a machine computes it: packed, in matrix units, one row by the compiled program."""
    spec = small(name)
    plain, loaded = drawn(spec).bfloat16(), drawn(spec).bfloat16()
    assert one_row.attach(loaded.language) is (name in LLAMA and cpu.program() is not None)
    prepare(loaded)
    batch, new = Plan.from_ids(spec, ids(13)).batch(), torch.tensor([7])
    with torch.inference_mode():
        (got, caches), (wanted, slow) = prefill(loaded, batch, 2), prefill(plain, batch, 2)
        torch.testing.assert_close(got, wanted, rtol=0.05, atol=0.08)
        got, wanted = step(loaded, new, batch.next_B, caches), step(plain, new, batch.next_B, slow)
        torch.testing.assert_close(got, wanted, rtol=0.05, atol=0.08)


@pytest.mark.parametrize("name", ["llama-3", "phi-4-mini", "gemma", "gemma-2", "qwen3"])
def test_heads_as_wide_as_matrix_units_want_them(name: str) -> None:
    spec = small(name)
    rope = spec.decoder.rope
    if name == "phi-4-mini":
        assert isinstance(rope, Rope) and isinstance(rope.scaling, LongRope)
        rope = replace(rope, scaling=replace(rope.scaling, short=(1.0,) * 24, long=tuple(map(float, range(1, 25)))))
    wide = replace(spec, decoder=replace(spec.decoder, block=replace(spec.decoder.block, head_width=64), rope=rope))
    plain, loaded = drawn(wide).bfloat16(), drawn(wide).bfloat16()
    prepare(loaded)
    batch = Plan.from_ids(wide, ids(40)).batch()
    with torch.inference_mode():
        torch.testing.assert_close(loaded(batch), plain(batch), rtol=0.05, atol=0.12)


def test_adapters_beside_experts_are_refused() -> None:
    with pytest.raises(UserError, match="experts are not supported"):
        adapt(drawn(small("deepseek-v2")).language, 2, 4.0)


@pytest.mark.parametrize(("both_ways", "single"), [(True, 8), (False, 16)])
def test_distances_fall_into_buckets(both_ways: bool, single: int) -> None:
    """Single steps each have their own; from `furthest` on all share the last one."""
    buckets = RelativeBias(Relative(32, 128), 4, both_ways=both_ways).buckets(-torch.arange(300))
    assert buckets[:single].tolist() == list(range(single))
    assert bool((buckets.diff() >= 0).all()) and buckets[127:].unique().tolist() == [2 * single - 1]
    ahead = RelativeBias(Relative(32, 128), 4, both_ways=both_ways).buckets(torch.arange(1, 300))
    assert torch.equal(ahead, buckets[1:] + 16 if both_ways else torch.zeros_like(ahead))


def test_the_compiled_path_refuses_what_it_does_not_compute() -> None:
    for name in TEXT:
        spec = small(name)
        block, rope = spec.decoder.block, spec.decoder.rope
        others = [
            replace(spec.decoder, block=replace(block, scores=replace(block.scores, cap=5.0))),
            replace(spec.decoder, block=replace(block, scores=replace(block.scores, scale=0.2))),
            replace(spec.decoder, block=replace(block, qk_norm=block.norm)),
            replace(spec.decoder, block=replace(block, norms="both")),
            replace(spec.decoder, window=6, full_every=2),
            replace(spec.decoder, embed_width=24, embed_scale="plain"),
            replace(spec.decoder, rope=Learned(64)),
        ]
        if isinstance(rope, Rope) and block.latent is None:
            others.append(replace(spec.decoder, rope=Rope(rope.theta, share=0.5)))
        for other in others:
            assert not one_row.attach(drawn(replace(spec, decoder=other)).bfloat16().language)


# --- branches, windows, rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in TEXT if not breaks(families()[name].model)])
def test_a_branch_is_a_row_of_its_own(name: str) -> None:
    """Also where a window ends inside of the shared prefix, and where branches stand further apart than it is long."""
    model = drawn(small(name))
    prefix, one, two = ids(5, 4, 6)
    rows = Plan.from_ids(model.spec, [[*prefix, *one], [*prefix, *two]]).batch()
    whole = Plan.from_ids(model.spec, [[*prefix, *one, *two]]).batch()
    where = torch.tensor([[*range(9), *range(5, 11)]])[None]
    segment = torch.tensor([[0] * 5 + [1] * 4 + [2] * 6])
    with torch.inference_mode():
        alone = model.logits(model(rows))
        together = model.logits(model(replace(whole, where_ABT=where, segment_BT=segment)))[0]
    torch.testing.assert_close(together[:9], alone[0, -9:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[9:], alone[1, -6:], rtol=1e-4, atol=1e-5)


def test_the_last_state_alone_is_the_last_of_all() -> None:
    for name in TEXT:
        model = drawn(small(name))
        batch = Plan.from_ids(model.spec, ids(9, 14)).batch()
        with torch.inference_mode():
            torch.testing.assert_close(model(batch, None, "last"), model(batch)[:, -1:], rtol=1e-4, atol=1e-5)


def test_windows_hold_in_their_layers() -> None:
    decoder = families()["gemma-2"].model.decoder  # type: ignore[union-attr]
    assert [decoder.window_of(layer) for layer in range(4)] == [4096, None, 4096, None]
    spec = small("gemma-2")
    wide = replace(spec, decoder=replace(spec.decoder, full_every=None))
    batch = Plan.from_ids(spec, ids(14)).batch()
    with torch.inference_mode():
        differ = (drawn(spec)(batch) - drawn(wide)(batch)).abs().amax(-1)[0]
    assert differ[:6].max() == 0 and differ[-1] > 1e-3


def test_a_cap_bends_scores_and_a_high_one_does_nothing() -> None:
    drawing = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, heads, 7, 8, generator=drawing) for heads in (4, 2, 2))
    seen = torch.ones(7, 7, dtype=torch.bool).tril()[None, None]
    for mask in ("causal", "full", seen):
        torch.testing.assert_close(bent(q, k, v, mask, 1e4), attend(q, k, v, mask), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(bent(q, k, v, "causal", 0.5), attend(q, k, v, "causal"), atol=1e-3)


@pytest.mark.parametrize("masked", [False, True])
def test_in_half_precision_single_queries_of_shared_heads_are_one_matrix(masked: bool) -> None:
    drawing = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, *shape, generator=drawing).bfloat16() for shape in ((6, 1, 16), (2, 9, 16), (2, 9, 16)))
    mask: Mask = torch.tensor([[True] * 9, [False] * 4 + [True] * 5])[:, None, None] if masked else "full"
    shapes: list[torch.Size] = []
    original = F.scaled_dot_product_attention
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():

        def watched(q: torch.Tensor, *rest: Any, **options: Any) -> Any:
            shapes.append(q.shape)
            return original(q, *rest, **options)

        patch.setattr(F, "scaled_dot_product_attention", watched)
        found = attend(q, k, v, mask)
    torch.testing.assert_close(found.float(), attend(q.float(), k.float(), v.float(), mask), rtol=2e-2, atol=1e-2)
    assert shapes == [(2, 2, 3, 16)]


def test_logits_stay_under_their_cap() -> None:
    model = drawn(small("gemma-2"))
    assert model.spec.decoder.logit_cap == 30.0
    with torch.inference_mode():
        assert model.logits(1000 * torch.randn(3, 32)).abs().max() <= 30


# --- frequencies ------------------------------------------------------------------------------------------------------------


def test_frequencies_change_where_they_are_said_to() -> None:
    where = torch.arange(12)[None, None]
    long = Rope(scaling=LongRope((1.0, 1.0, 1.0), (1.0, 2.0, 8.0), 1.1, 10), share=0.75)
    dynamic = Rope(scaling=DynamicNtk(2.0, 10))
    for rope in (long, dynamic):
        before, after = turn(rope, 8, where[..., :10]), turn(rope, 8, where[..., :11])
        assert not torch.allclose(before.cos[:, 9], after.cos[:, 9])
        assert torch.equal(before.cos[:, :9], turn(rope, 8, where[..., :9]).cos)
    assert turn(long, 8, where).cos.shape[-1] == 6 and float(turn(long, 8, where).cos.max()) == pytest.approx(1.1)
    assert torch.equal(frequencies(dynamic, 8, 10), frequencies(Rope(), 8))


def test_yarn_keeps_what_turns_fast_and_divides_what_turns_slowly() -> None:
    plain = frequencies(Rope(), 64)
    step = frequencies(Rope(scaling=Yarn(40.0, 4096)), 64)
    assert torch.equal(step[:8], plain[:8])
    torch.testing.assert_close(step[-1], plain[-1] / 40)
    assert bool((step.diff() < 0).all())


# --- experts, budgets -------------------------------------------------------------------------------------------------------


def test_experts_are_the_weighted_sum_of_the_chosen() -> None:
    block = small("deepseek-v2").decoder.block
    assert block.experts is not None
    grouped = replace(block.experts, groups=2, chosen=1, scale=2.5)
    corrected = replace(grouped, score="sigmoid", choice="corrected", weights="shares")
    for spec in (block.experts, grouped, corrected):
        layer = MixedMLP(block, spec)
        x = torch.randn(3, 4, block.width, generator=torch.Generator().manual_seed(0))
        weight, chosen = layer.route(x.flatten(0, 1))
        slow = torch.stack(
            [
                layer.shared(token) + sum(w * layer.experts[n](token) for w, n in zip(ws, ns.tolist(), strict=True))  # type: ignore[misc]
                for token, ws, ns in zip(x.flatten(0, 1), weight, chosen, strict=True)
            ]
        )
        torch.testing.assert_close(layer(x), slow.view_as(x), rtol=1e-4, atol=1e-5)
        if spec.weights == "shares":
            torch.testing.assert_close(weight.sum(-1), torch.full((12,), 2.5))
        if spec.groups > 1:
            assert bool(((chosen < 2).all(1) | (chosen >= 2).all(1)).all())


def test_a_correction_chooses_and_does_not_weigh() -> None:
    block = small("deepseek-v2").decoder.block
    assert block.experts is not None
    layer = MixedMLP(block, replace(block.experts, score="sigmoid", choice="corrected"))
    tokens = torch.randn(5, block.width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.correction[:] = torch.tensor([0.0, 9.0, 0.0, 9.0])
        weight, chosen = layer.route(tokens)
    assert chosen.sort(-1).values.tolist() == [[1, 3]] * 5 and float(weight.max()) < 1


def matrix_times_vector(matrix: tuple[int, ...], *_: object, **__: object) -> int:
    return 2 * matrix[0] * matrix[1]


@pytest.mark.parametrize("name", TEXT)
def test_budgets_are_those_of_the_modules(name: str) -> None:
    model = tiny(families()[name].model)
    assert isinstance(model, Causal)
    costs = budget(model.spec, text=11, generate=5)
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mv: matrix_times_vector})
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), counter:
        prefill(model, Plan.from_ids(model.spec, ids(11)).batch(), 1)
    assert counter.get_total_flops() == costs.work.total
    cache = model.room(1, costs.positions)
    states = sum(layer.last_BCK.nbytes + layer.state_BNFF.nbytes for layer in cache.running)
    assert costs.cache_bytes("float32") == cache.keys.nbytes + cache.values.nbytes + states
    assert costs.weight_bytes("float32") == sum(parameter.nbytes for parameter in model.parameters())


@pytest.mark.parametrize("name", TEXT)
def test_every_family_writes(name: str) -> None:
    model = drawn(small(name))
    batch = Plan.from_ids(model.spec, ids(4, 12)).batch()
    with torch.inference_mode():
        assert greedy(model, batch, 3).shape == (2, 3)
