"""The compiled program for a CPU, and the prepared form, against torch and the modules."""

from __future__ import annotations

import copy
import platform
import shutil
from dataclasses import replace

import pytest
import torch
from small_writers import BLOCK, KINDS, LLAMA, batch_of, model_of, rows_of

from chiasm.generate import one_row
from chiasm.generate.engine import generate, prefill, step
from chiasm.generate.flat_row import FlatRow
from chiasm.generate.ready import ready
from chiasm.generate.sampling import Sampling
from chiasm.layers import cpu
from chiasm.layers.attend import attend
from chiasm.layers.attention import Attention
from chiasm.layers.linear import Packed, packs
from chiasm.layers.norm import rms_by_rows
from chiasm.layers.rope import rotate, turn
from chiasm.model import Causal, prepare
from chiasm.prompt.plan import Plan
from chiasm.spec import Rope


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


@pytest.mark.skipif(not packs(torch.ones(1, dtype=torch.bfloat16)), reason="no fast products of bf16 here")
@pytest.mark.parametrize("kind", KINDS)
def test_the_flat_way_is_the_modules_to_the_bit(kind, monkeypatch):
    monkeypatch.setenv("CHIASM_COMPILE", "0")
    (rows, _, own), model = rows_of(kind), model_of(kind).to(torch.bfloat16)
    ready(model)
    flat, batch = model.language.one_row, batch_of(kind, rows[:1], own[0])
    assert isinstance(flat, FlatRow)
    with torch.inference_mode():
        logits_BS, cache = prefill(model, batch, 6)
        for number in range(6):
            chosen, length, found = logits_BS.argmax(-1), cache.length, []
            for way in (None, flat):
                cache.length, model.language.one_row = length, way
                cache.keys[..., length, :], cache.values[..., length, :] = 9.0, 9.0
                logits_BS = step(model, chosen, batch.next_B + number, cache)
                found.append([logits_BS, cache.keys[..., length, :].clone(), cache.values[..., length, :].clone()])
            assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_what_is_computed_otherwise_is_left_to_its_modules(monkeypatch):
    monkeypatch.setenv("CHIASM_COMPILE", "0")
    for model in (model_of("llama"), Causal(replace(LLAMA, decoder=replace(LLAMA.decoder, full_every=2))).to(torch.bfloat16)):
        ready(model)
        assert model.language.one_row is None


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
