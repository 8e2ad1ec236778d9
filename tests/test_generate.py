"""The engine on tiny models: cached = uncached, batch = single, seeds, ends of rows, scores; and the prepared form in bf16."""

from __future__ import annotations

import copy
import platform
import shutil
from dataclasses import replace

import pytest
import torch

from chiasm.errors import BadPrompt, Overflow, UserError
from chiasm.generate import one_row
from chiasm.generate.cycles import Cycle
from chiasm.generate.engine import End, Token, generate, greedy, prefill, step
from chiasm.generate.sampling import Sampling
from chiasm.generate.score import score
from chiasm.geometry import Size
from chiasm.layers import cpu
from chiasm.layers.attend import attend
from chiasm.layers.attention import Attention
from chiasm.layers.linear import Packed, packs
from chiasm.layers.norm import rms_by_rows
from chiasm.layers.rope import rotate, turn
from chiasm.model import Causal, prepare
from chiasm.prompt.plan import Plan
from chiasm.spec import Axial, Block, Decoder, Merge, Mlp, Native, Norm, Pixels, Resize, Rope, Sight, Splice, Table, ViT
from chiasm.spec import Causal as CausalSpec

IMAGE = 96
BLOCK = Block(32, 4, 48, 2, 8, Norm("rms"), "silu", "gated", qkv_bias=True, out_bias=False, mlp_bias=False)
EYE = Block(16, 2, 24, 2, 8, Norm("layer"))
LLAMA = CausalSpec(Decoder(BLOCK, 3, 97, Rope(), context=64))
KINDS = {
    "llama": LLAMA,
    "window": replace(LLAMA, decoder=replace(LLAMA.decoder, window=5)),
    "llava": CausalSpec(
        LLAMA.decoder,
        Sight(Resize(14, 14), Pixels(), ViT(EYE, 2, 7, Table(2)), (Mlp(32, 32),), Splice(IMAGE)),
    ),
    "m-rope": CausalSpec(
        replace(LLAMA.decoder, rope=Rope(sections=(2, 1, 1))),
        Sight(
            Native(8, 64, 1024),
            Pixels(),
            ViT(EYE, 2, 4, Axial()),
            (Merge(2), Mlp(32, 32)),
            Splice(IMAGE),
        ),
    ),
}  # fmt: skip
SIZES = (Size(16, 24), Size(32, 8))
"""Pictures of 6 and 4 visual tokens at native resolution, of 4 each where every picture is resized alike."""


def model_of(kind: str) -> Causal:
    torch.manual_seed(7)
    model = Causal(KINDS[kind]).eval()
    for parameter in model.parameters():
        # Wide enough that tokens differ and no two logits are close.
        torch.nn.init.normal_(parameter, std=0.4 if parameter.dim() > 1 else 1.0)
    return model


def rows_of(kind: str) -> tuple[list[list[int]], list[Size], list[list[Size]]]:
    """Three unequal rows; the pictures of all, and of each."""
    if KINDS[kind].sight is None:
        return [[5, 6, 7, 8, 9, 10, 11], [12, 13], [14, 15, 16, 17]], [], [[], [], []]
    first, second = (6, 4) if kind == "m-rope" else (4, 4)
    rows = [[5, *[IMAGE] * first, 6, 7], [8, 9], [10, 11, 12, *[IMAGE] * second, 13]]
    return rows, list(SIZES), [[SIZES[0]], [], [SIZES[1]]]


def batch_of(kind: str, rows: list[list[int]], sizes: list[Size]):
    plan = Plan.from_ids(KINDS[kind], rows, sizes)
    cells = sum(grid.t * grid.h * grid.w for grid in plan.grids)
    sight = KINDS[kind].sight
    if sight is None or not sizes:
        return plan.batch()
    width = 3 * sight.encoder.patch**2
    # The same picture has the same patches whatever stands beside it.
    patches = [
        torch.randn(sum(g.h * g.w for g in plan.grids if g.item == n), width, generator=torch.Generator().manual_seed(s.width))
        for n, s in enumerate(sizes)
    ]  # fmt: skip
    assert sum(map(len, patches)) == cells
    return plan.batch(torch.cat(patches))


def answers(events) -> tuple[dict[int, list[int]], dict[int, str]]:
    tokens: dict[int, list[int]] = {}
    reasons: dict[int, str] = {}
    for event in events:
        match event:
            case Token(row, token, _):
                assert row not in reasons
                tokens.setdefault(row, []).append(token)
            case End(row, reason):
                assert row not in reasons
                reasons[row] = reason
    return tokens, reasons


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_cached_decoding_equals_the_full_forward(kind):
    model, (rows, sizes, _) = model_of(kind), rows_of(kind)
    batch = batch_of(kind, rows, sizes)
    logits, cache = prefill(model, batch, 6)
    said = [[] for _ in rows]
    for number in range(6):
        grown = [row + more for row, more in zip(rows, said, strict=True)]
        full = batch_of(kind, grown, sizes)
        # Text after a picture goes on from next_B, so a longer prompt is the same sequence.
        whole = model.logits(model(full)[:, -1])
        torch.testing.assert_close(logits, whole, atol=2e-5, rtol=2e-5)
        chosen = logits[:, :IMAGE].argmax(-1)
        for row, token in zip(said, chosen.tolist(), strict=True):
            row.append(token)
        logits = step(model, chosen, batch.next_B + number, cache)


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_equals_its_rows_alone(kind, prepared):
    model, (rows, sizes, own) = model_of(kind), rows_of(kind)
    if prepared:
        prepare(model)
    together = list(generate(model, batch_of(kind, rows, sizes), Sampling(max_new_tokens=8)))
    for number, (row, pictures) in enumerate(zip(rows, own, strict=True)):
        alone = list(generate(model, batch_of(kind, [row], pictures), Sampling(max_new_tokens=8)))
        ours = [event for event in together if event.row == number]
        assert [e.id for e in ours if isinstance(e, Token)] == [e.id for e in alone if isinstance(e, Token)]
        for a, b in zip(ours[:-1], alone[:-1], strict=True):
            assert a.logprob == pytest.approx(b.logprob, abs=1e-4)


def test_visual_tokens_may_be_given():
    model, (rows, sizes, _) = model_of("llava"), rows_of("llava")
    batch = batch_of("llava", rows, sizes)
    with torch.inference_mode():
        seen = replace(batch, sight=model.see(batch.sight))
    how = Sampling(max_new_tokens=5)
    assert answers(generate(model, seen, how)) == answers(generate(model, batch, how))


def test_greedy_equals_transformers():
    transformers = pytest.importorskip("transformers")
    model, sizes = model_of("llama"), LLAMA.decoder.block
    config = transformers.LlamaConfig(
        vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, attention_bias=True, rms_norm_eps=sizes.norm.eps, max_position_embeddings=64,
        tie_word_embeddings=False, bos_token_id=None, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    theirs = transformers.LlamaForCausalLM(config).eval()
    names = {
        "embed": "embed_tokens", "blocks": "layers", "attention": "self_attn", "norm1": "input_layernorm",
        "norm2": "post_attention_layernorm", "q": "q_proj", "k": "k_proj", "v": "v_proj", "out": "o_proj",
        "gate": "gate_proj", "up": "up_proj", "down": "down_proj", "language": "model", "head": "lm_head",
    }  # fmt: skip
    state = {".".join(names.get(part, part) for part in key.split(".")): v for key, v in model.state_dict().items()}
    missing = theirs.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys and all(key.endswith("o_proj.bias") for key in missing.missing_keys)
    for name in missing.missing_keys:
        torch.nn.init.zeros_(theirs.get_parameter(name))
    rows, _, _ = rows_of("llama")
    ours, _ = answers(generate(model, batch_of("llama", rows, []), Sampling(max_new_tokens=20, cycle=None)))
    for number, row in enumerate(rows):
        said = theirs.generate(torch.tensor([row]), max_new_tokens=20, do_sample=False)
        assert ours[number] == said[0, len(row) :].tolist()
    torch.manual_seed(3)
    drawn = theirs.generate(torch.tensor([rows[0]]), max_new_tokens=20, do_sample=True, top_k=9, temperature=1.5)
    how = Sampling(temperature=1.5, top_k=9, seed=3, max_new_tokens=20, cycle=None)
    assert answers(generate(model, batch_of("llama", rows[:1], []), how))[0][0] == drawn[0, len(rows[0]) :].tolist()


def test_a_seed_repeats_and_rows_do_not_touch_each_other():
    model, (rows, _, _) = model_of("llama"), rows_of("llama")
    how = Sampling(temperature=2.0, seed=11, max_new_tokens=12)
    together, _ = answers(generate(model, batch_of("llama", rows, []), how))
    assert together == answers(generate(model, batch_of("llama", rows, []), how))[0]
    alone, _ = answers(generate(model, batch_of("llama", rows[2:], []), how, seeds=[13]))
    assert alone[0] == together[2]
    other, _ = answers(generate(model, batch_of("llama", rows, []), replace(how, seed=12)))
    assert other != together and other[0] != together[0]
    twice, _ = answers(generate(model, batch_of("llama", [rows[0]] * 2, []), replace(how, seed=None)))
    assert twice[0] != twice[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_ends_leaves_the_others_as_they_are(kind):
    model, (rows, sizes, _) = model_of(kind), rows_of(kind)
    batch = batch_of(kind, rows, sizes)
    how = Sampling(max_new_tokens=10, temperature=1.5, seed=1, repetition_penalty=1.1, cycle=None)
    free, reasons = answers(generate(model, batch, how))
    assert set(reasons.values()) == {"length"} and all(len(tokens) == 10 for tokens in free.values())
    short, _ = answers(generate(model, batch, how, limits=[10, 2, 4]))
    assert short == {0: free[0], 1: free[1][:2], 2: free[2][:4]}


def test_a_stop_id_ends_a_row_and_is_no_token_of_it():
    model, batch = model_of("llama"), batch_of("llama", [[5, 6, 7, 8]], [])
    free = answers(generate(model, batch, Sampling(max_new_tokens=10)))[0][0]
    stop = free[4]
    before = free[: free.index(stop)]
    events = list(generate(model, batch, Sampling(max_new_tokens=10, stop_ids=(stop, 3))))
    assert events[-1] == End(0, "stop", stop)
    assert [event.id for event in events[:-1]] == before
    later = answers(generate(model, batch, Sampling(max_new_tokens=10, stop_ids=(stop,), min_new_tokens=8)))[0][0]
    assert len(later) >= 8 and stop not in later[:8]


def test_a_cancelled_row_ends_before_its_next_token():
    model, (rows, _, _) = model_of("llama"), rows_of("llama")
    cancelled: set[int] = set()
    seen = []
    for event in generate(model, batch_of("llama", rows, []), Sampling(max_new_tokens=6), cancelled=cancelled):
        seen.append(event)
        if isinstance(event, Token) and event.row == 1 and len([e for e in seen if e.row == 1]) == 2:
            cancelled.add(1)
    tokens, reasons = answers(seen)
    assert reasons == {0: "length", 1: "cancelled", 2: "length"}
    assert [len(tokens[row]) for row in range(3)] == [6, 2, 6]


def test_endless_repetition_ends_a_row():
    model, batch = model_of("llama"), batch_of("llama", [[5, 6], [7]], [])
    torch.nn.init.zeros_(model.head.weight)  # Every logit is the same, so every token is 0.
    tokens, reasons = answers(generate(model, batch, Sampling(max_new_tokens=50, cycle=Cycle(4, 5, 20))))
    assert reasons == {0: "repetition", 1: "repetition"} and tokens == {0: [0] * 20, 1: [0] * 20}


def test_placeholders_are_never_written():
    model, (rows, sizes, _) = model_of("llava"), rows_of("llava")
    with torch.no_grad():
        model.head.weight[:] = 0.0
        model.head.weight[IMAGE] = 1.0
        model.language.norm.weight[:] = 1.0
        model.language.norm.register_forward_hook(lambda *_: torch.ones(1).expand(_[2].shape))
    assert greedy(model, batch_of("llava", rows, sizes), 1).tolist() == [[IMAGE]] * 3
    tokens, _ = answers(generate(model, batch_of("llava", rows, sizes), Sampling(max_new_tokens=3)))
    assert all(len(said) == 3 and IMAGE not in said for said in tokens.values())


def test_the_context_and_max_length_bound_prompt_and_answer():
    model = model_of("llama")
    row = [5] * 60
    tokens, reasons = answers(generate(model, batch_of("llama", [row], []), Sampling(max_new_tokens=99, cycle=None)))
    assert len(tokens[0]) == 4 and reasons == {0: "length"}
    tokens, _ = answers(generate(model, batch_of("llama", [[5] * 6], []), Sampling(max_length=9)))
    assert len(tokens[0]) == 3
    with pytest.raises(Overflow, match="row 0 has 64 tokens and the model's context is 64"):
        generate(model, batch_of("llama", [[5] * 64], []), Sampling())
    with pytest.raises(UserError, match=r"max_length is 5.*shorten it by 2"):
        generate(model, batch_of("llama", [[5] * 6], []), Sampling(max_length=5))


CANDIDATES = [[[3], [4, 5, 6], [7, 8]], [[9, 10]], [[1], [2, 3, 4, 5]]]


@pytest.mark.parametrize("at_once", [1, 2, 32])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_equal_the_full_forward(kind, at_once):
    model, (rows, sizes, own) = model_of(kind), rows_of(kind)
    scored = score(model, batch_of(kind, rows, sizes), CANDIDATES, at_once=at_once)
    assert [len(several) for several in scored] == [3, 1, 2]
    for row, pictures, several, got in zip(rows, own, CANDIDATES, scored, strict=True):
        for ids, one in zip(several, got, strict=True):
            with torch.inference_mode():
                logits = model.logits(model(batch_of(kind, [row + ids], pictures)))[0]
            expected = logits.log_softmax(-1)[-len(ids) - 1 : -1].gather(-1, torch.tensor(ids)[:, None])[:, 0]
            torch.testing.assert_close(torch.tensor(one.logprobs), expected, atol=5e-5, rtol=2e-5)
            assert one.total == pytest.approx(sum(one.logprobs)) and one.mean == pytest.approx(one.total / len(ids))


def test_scoring_refuses_nothing_and_too_much():
    model, batch = model_of("llama"), batch_of("llama", [[5, 6]], [])
    with pytest.raises(BadPrompt, match="empty candidate for row 0"):
        score(model, batch, [[[1], []]])
    with pytest.raises(Overflow, match="1 longer than the model's context of 64"):
        score(model, batch, [[[1] * 63]])


def test_scores_agree_with_what_generation_reports():
    model, batch = model_of("m-rope"), batch_of("m-rope", *rows_of("m-rope")[:2])
    events = [e for e in generate(model, batch, Sampling(max_new_tokens=4, cycle=None)) if isinstance(e, Token)]
    said = [[e.id for e in events if e.row == row] for row in range(3)]
    for row, (one,) in enumerate(score(model, batch, [[ids] for ids in said])):
        assert one.logprobs == pytest.approx([e.logprob for e in events if e.row == row], abs=1e-4)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The compiled program, from a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIASM_HOME", str(tmp_path_factory.mktemp("home")))
        if cpu.program() is None:
            pytest.skip("no C compiler here")


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_compiled_way_is_as_close_to_float32_as_the_modules(kind, threads, program):
    (rows, _, own), exact, model = rows_of(kind), model_of(kind), model_of(kind).to(torch.bfloat16)
    assert one_row.attach(model.language)
    compiled, batch = model.language.one_row, batch_of(kind, rows[:1], own[0])
    errors = {"modules": 0.0, "compiled": 0.0}
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            wanted, exact_cache = prefill(exact, batch, 12)
            _, cache = prefill(model, batch, 12)
            for number in range(12):
                chosen, length = wanted.argmax(-1), cache.length
                wanted = step(exact, chosen, batch.next_B + number, exact_cache)
                first = []
                for way, one in (("modules", None), ("compiled", compiled)):
                    cache.length, model.language.one_row = length, one
                    cache.keys[..., length, :], cache.values[..., length, :] = 9.0, 9.0
                    got = step(model, chosen, batch.next_B + number, cache).float()
                    errors[way] += ((got - wanted).norm() / wanted.norm()).item() / 12
                    first.append(torch.stack([cache.keys[0, ..., length, :], cache.values[0, ..., length, :]]).float())
                assert ((first[0] - first[1]).norm() / first[0].norm()).item() < 0.01
    finally:
        torch.set_num_threads(1)
    assert errors["compiled"] < 1.3 * errors["modules"] + 0.01 and errors["modules"] < 0.15


def test_the_compiled_way_is_taken_for_single_rows_alone(program):
    model, (rows, _, _) = model_of("llama").to(torch.bfloat16), rows_of("llama")
    assert one_row.attach(model.language)
    taken = []
    compiled = model.language.one_row
    model.language.one_row = lambda *given: taken.append(1) or compiled(*given)
    list(generate(model, batch_of("llama", rows, []), Sampling(max_new_tokens=4, cycle=None)))
    assert not taken
    list(generate(model, batch_of("llama", rows[:1], []), Sampling(max_new_tokens=4, cycle=None)))
    assert len(taken) == 3


@pytest.mark.parametrize("length", [128, 129, 300, 512, 513])
def test_causal_attention_in_bands_is_causal_attention(length):
    q, k, v = (torch.randn(2, heads, length, 8) for heads in (4, 2, 2))
    whole = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    with torch.inference_mode():
        torch.testing.assert_close(attend(q, k, v, "causal"), whole)


@pytest.mark.parametrize("wanted", ["all", "last"])
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("lengths", [(40,), (40, 19, 33)])
def test_a_prompt_read_by_the_program_is_one_read_by_the_modules(wanted, cached, lengths, program, monkeypatch):
    block = replace(BLOCK, width=128, mlp_width=96, heads=4, kv_heads=2, head_width=32)
    rows = [[*range(3, 3 + length)] for length in lengths]
    plan = Plan.from_ids(replace(LLAMA, decoder=replace(LLAMA.decoder, block=block)), rows)
    states, tiles = {}, []
    for setting in ("1", "0"):
        monkeypatch.setenv("CHIASM_COMPILE", setting)
        torch.manual_seed(7)
        model = Causal(plan.spec).to(torch.bfloat16).eval()
        prepare(model)
        tiles += [part.in_tiles for part in model.modules() if isinstance(part, Attention)]
        cache = model.room(len(rows), 64) if cached else None
        with torch.inference_mode():
            states[setting] = model(plan.batch(), cache, wanted)[:, -20:].float()
    if not any(tiles):
        pytest.skip("no products of bf16 in this machine")
    torch.testing.assert_close(states["1"], states["0"], rtol=2**-5, atol=2**-4)


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_the_programs_rows_are_torchs_own(rows, program):
    run, draw = cpu.program(), torch.Generator().manual_seed(rows)
    x, weight = (torch.randn(n, 2, 96, generator=draw).bfloat16() * 3 for n in (rows, 1))
    expected = rms_by_rows(x, weight[0, 0], 1e-5)
    assert torch.equal(cpu.rms_norm(run, x, weight[0, 0].contiguous(), 1e-5), expected)
    heads = torch.randn(2, rows, 5, 16, generator=draw).bfloat16()
    by = turn(Rope(), 16, torch.arange(rows)[None, None]).to(torch.bfloat16)
    wanted = torch.cat([rotate(heads[:, :, :3], by), heads[:, :, 3:]], 2)
    cpu.turn(run, heads, by.cos, by.sin, 3)
    torch.testing.assert_close(heads, wanted, rtol=2**-7, atol=2**-8)


@pytest.mark.parametrize(("rows", "width"), [(1, 8), (3, 32), (257, 40), (1030, 576)])
def test_a_matrix_and_a_vector_are_multiplied(rows, width, program):
    draw = torch.Generator().manual_seed(rows)
    weight, x = torch.randn(rows, width, generator=draw).bfloat16(), torch.randn(width, generator=draw).bfloat16()
    torch.testing.assert_close(
        cpu.matrix_vector(cpu.program(), weight, x).float(), weight.float() @ x.float(), rtol=2**-8, atol=2**-8
    )


@pytest.mark.parametrize("length", [1, 2, 16, 17, 31, 33, 64, 100, 300])
@pytest.mark.parametrize(("queries", "shared", "width"), [(9, 3, 64), (2, 2, 32), (4, 1, 96)])
@pytest.mark.parametrize("sees", ["causal", "after others", "no pads", "one for all"])
def test_attention_in_tiles_is_attention(length, queries, shared, width, sees, program):
    run = cpu.program()
    if not cpu.attends(run, width):
        pytest.skip("no products of bf16 in this machine")
    draw = torch.Generator().manual_seed(length)
    heads = torch.randn(2, length, queries + 2 * shared, width, generator=draw).bfloat16()
    q, k, v = heads.split((queries, shared, shared), 2)
    before = 0 if sees == "causal" else 37
    past = torch.randn(2, 2, shared, before + length + 5, width, generator=draw).bfloat16()
    past[..., before + length :, :] = float("nan")  # room that nothing was written to
    past[:, :, :, before : before + length] = torch.stack([k, v]).transpose(2, 3)
    k, v = past[..., : before + length, :]
    causal = torch.ones(length, before + length, dtype=torch.bool).tril(before)[None]
    if sees == "no pads":
        pads = torch.arange(before + length) < torch.tensor([[before // 2], [before + length // 2]])
        own = torch.arange(before + length) == torch.arange(before, before + length)[:, None]
        causal = (causal & ~pads[:, None]) | own
    exact = torch.nn.functional.scaled_dot_product_attention(
        q.transpose(1, 2).float(), k.float(), v.float(), attn_mask=causal[:, None], enable_gqa=True
    )
    found = cpu.attend(run, q, k, v, None if sees in ("causal", "after others") else causal)
    # Weights of values and what leaves are rounded to bf16, each to a part in 512.
    torch.testing.assert_close(found.float(), exact.transpose(1, 2), rtol=2**-7, atol=2**-6)


def test_many_rows_are_attended_to_in_parts(program):
    run = cpu.program()
    if not cpu.attends(run, 64):
        pytest.skip("no products of bf16 in this machine")
    heads = torch.randn(40, 500, 6, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    q, (k, v) = heads[:, :, :2], (part.transpose(1, 2) for part in heads[:, :, 2:].split(2, 2))
    found = cpu.attend(run, q, k, v, None)
    each = [cpu.attend(run, *(part[row : row + 1] for part in (q, k, v)), None) for row in range(40)]
    assert torch.equal(found, torch.cat(each))


def test_what_the_program_does_not_do_is_left_to_the_modules(program, monkeypatch):
    assert not one_row.attach(model_of("llama").language)  # float32
    plain = replace(LLAMA, decoder=replace(LLAMA.decoder, block=replace(BLOCK, mlp="plain")))
    assert not one_row.attach(Causal(plain).to(torch.bfloat16).language)
    monkeypatch.setenv("CHIASM_COMPILE", "0")
    assert not one_row.attach(model_of("llama").to(torch.bfloat16).language)


@pytest.mark.skipif(not packs(torch.zeros(1, dtype=torch.bfloat16)), reason="this CPU has no products of bf16")
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_the_prepared_form_in_bf16_is_as_close_to_float32_as_the_plain_one(kind):
    rows, sizes, _ = rows_of(kind)
    batch, exact = batch_of(kind, rows, sizes), model_of(kind)
    plain = copy.deepcopy(exact).to(torch.bfloat16)
    packed = copy.deepcopy(plain)
    prepare(packed)
    assert any(isinstance(module, Packed) for module in packed.modules())
    half = batch if batch.sight is None else replace(
        batch, sight=replace(batch.sight, patches_PK=batch.sight.patches_PK.bfloat16())
    )  # fmt: skip
    want = exact.logits(exact(batch))[batch.valid_BT]
    errors = []
    for model in (plain, packed):
        got = model.logits(model(half))[batch.valid_BT].float()
        errors.append(((got - want).norm() / want.norm()).item())
    assert errors[1] < 1.25 * errors[0] < 0.2


def test_loading_the_program_changes_no_arithmetic(program):
    assert cpu.program() is not None
    least = float.fromhex("0x1p-1074")
    assert least * 1.0 > 0 and torch.tensor([1e-310], dtype=torch.float64).mul(1.0).item() > 0


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="its flags are of x86-64 processors")
def test_a_processor_without_matrix_units_has_the_whole_program(program, tmp_path):
    plain = [*(flag for flag in cpu.FLAGS if not flag.startswith("-march")), "-march=x86-64-v2"]
    cpu.build(shutil.which("cc") or shutil.which("gcc"), plain, tmp_path / "plain.so")
    run = cpu.opened(tmp_path / "plain.so")
    assert not cpu.attends(run, 64)
    assert run.rms_norm_rows and run.turn_rows
