"""The engine on tiny models: cached = uncached, batch = single, seeds, ends of rows, scores."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_writers import IMAGE, KINDS, LLAMA, batch_of, model_of, rows_of

from chiasm.errors import BadPrompt, Overflow, UserError
from chiasm.generate.cycles import Cycle
from chiasm.generate.engine import End, Token, generate, greedy, prefill, step
from chiasm.generate.sampling import Sampling
from chiasm.generate.score import score
from chiasm.model import prepare


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
    cancelled = set[int]()
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
