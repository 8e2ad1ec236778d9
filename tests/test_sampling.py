"""The choice of tokens, step by step against transformers' own processors, and generation_config.json."""

from __future__ import annotations

import logging

import pytest
import torch

from chiasm.errors import UserError
from chiasm.generate import choose
from chiasm.generate.choose import Chooser
from chiasm.generate.cycles import Cycle, Watch
from chiasm.generate.sampling import Sampling

VOCAB = 211
PROMPT = torch.tensor([[3, 7, 7, 200, 5], [9, 1, 2, 0, 4]])
SETTINGS = {
    "temperature": {"do_sample": True, "top_k": 0, "temperature": 0.7},
    "top_k": {"do_sample": True, "top_k": 12},
    "top_p": {"do_sample": True, "top_k": 0, "top_p": 0.6},
    "min_p": {"do_sample": True, "top_k": 0, "min_p": 0.2},
    "penalty": {"repetition_penalty": 1.3},
    "suppressed": {"suppress_tokens": [4, 5], "bad_words_ids": [[6], [7]]},
    "not yet": {"min_new_tokens": 3, "eos_token_id": [8, 9]},
    "all": {
        "do_sample": True,
        "temperature": 1.4,
        "top_k": 40,
        "top_p": 0.9,
        "min_p": 0.02,
        "repetition_penalty": 1.1,
        "suppress_tokens": [11],
        "eos_token_id": 2,
        "min_new_tokens": 2,
    },
}


def logits(seed: int, spread: float = 3.0) -> torch.Tensor:
    return torch.randn(2, VOCAB, generator=torch.Generator().manual_seed(seed)) * spread


def theirs(config: dict, ids: torch.Tensor, prompt: int, scores: torch.Tensor) -> torch.Tensor:
    """The scores of a transformers model's own list of processors for a configuration."""
    transformers = pytest.importorskip("transformers")
    tiny = transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    model = transformers.LlamaForCausalLM(tiny)
    asked = transformers.GenerationConfig(**{"top_k": 50, **config})
    model._prepare_special_tokens(asked, False, device="cpu")
    return model._get_logits_processor(asked, input_ids_seq_length=prompt, device="cpu")(ids, scores.clone())


@pytest.mark.parametrize("name", SETTINGS)
def test_scores_equal_transformers_processors(name):
    config = SETTINGS[name]
    sampling = Sampling.from_generation_config(config)
    chooser = Chooser(sampling, list(PROMPT), (), (0, 1), logits(0))
    ids = PROMPT
    for number in range(5):
        step = logits(number + 1)
        torch.testing.assert_close(chooser.scores(step, number), theirs(config, ids, PROMPT.shape[1], step), rtol=0, atol=0)
        chosen, _ = chooser.choose(step, number)
        ids = torch.cat([ids, chosen[:, None]], 1)


def test_top_p_never_leaves_nothing():
    sure = torch.full((1, VOCAB), -50.0)
    sure[0, 17] = 50.0
    assert choose.top_p(sure, 1e-9).isfinite().nonzero().tolist() == [[0, 17]]


def test_top_k_keeps_what_equals_the_last():
    flat = torch.tensor([[1.0, 2.0, 2.0, 3.0]])
    assert choose.top_k(flat, 2).isfinite().tolist() == [[False, True, True, True]]


def test_placeholders_and_forbidden_ids_are_never_chosen():
    step = torch.zeros(2, VOCAB)
    step[:, 20], step[:, 21], step[:, 22] = 9.0, 8.0, 7.0
    chooser = Chooser(Sampling(forbidden_ids=(21, VOCAB + 5)), list(PROMPT), (20,), (0, 1), step)
    assert chooser.choose(step, 0)[0].tolist() == [22, 22]


def test_log_probability_is_the_models_own():
    step = logits(5)
    ids, logprobs = Chooser(Sampling(temperature=0.3, top_k=2), list(PROMPT), (), (0, 1), step).choose(step, 0)
    torch.testing.assert_close(logprobs, step.log_softmax(-1).gather(-1, ids[:, None])[:, 0])


def test_draws_follow_the_distribution():
    step = torch.tensor([[0.0, 1.0, 2.0]]).expand(4000, 3)
    chooser = Chooser(Sampling(temperature=1.0), [torch.tensor([0])] * 4000, (), range(4000), step)
    shares = chooser.choose(step, 0)[0].bincount(minlength=3) / 4000
    torch.testing.assert_close(shares, step[0].softmax(-1), atol=0.03, rtol=0)


def test_generation_config_of_a_published_model():
    """Qwen2-VL-7B-Instruct's own file, as published."""
    published = {
        "bos_token_id": 151643,
        "pad_token_id": 151643,
        "do_sample": True,
        "eos_token_id": [151645, 151643],
        "repetition_penalty": 1.0,
        "temperature": 0.01,
        "top_p": 0.001,
        "top_k": 1,
        "transformers_version": "4.37.0",
    }
    assert Sampling.from_generation_config(published) == Sampling(
        temperature=0.01, top_k=1, top_p=0.001, stop_ids=(151645, 151643)
    )


@pytest.mark.parametrize(
    ("config", "sampling"),
    [
        ({}, Sampling()),
        ({"temperature": 0.6, "top_p": 0.9}, Sampling()),
        ({"do_sample": True}, Sampling(temperature=1.0, top_k=50)),
        ({"do_sample": True, "top_k": 0, "eos_token_id": 2}, Sampling(temperature=1.0, stop_ids=(2,))),
        ({"max_length": 4096, "max_new_tokens": 12, "top_k": None}, Sampling(max_length=4096, max_new_tokens=12)),
    ],
)
def test_generation_config_is_honoured(config, sampling):
    assert Sampling.from_generation_config(config) == sampling


def test_what_is_not_honoured_is_named(caplog):
    with caplog.at_level(logging.WARNING, "chiasm"):
        Sampling.from_generation_config(
            {"num_beams": 4, "typical_p": 1.0, "hope": "much", "eos_token_id": 2, "bad_words_ids": [[1, 2], [3]]}
        )
    text = caplog.text
    assert "num_beams = 4" in text and "hope = 'much'" in text and "bad_words_ids" in text
    assert "typical_p" not in text and "eos_token_id" not in text


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"top_k": 0}, {"min_p": 2.0}, {"max_new_tokens": 0}],
)
def test_a_value_out_of_range_is_a_clear_mistake(wrong):
    with pytest.raises(UserError, match=f"{next(iter(wrong))} = "):
        Sampling(**wrong)


def fires_at(tokens: list[int], rule: Cycle | None = None) -> int | None:
    watch = Watch(rule or Cycle())
    return next((place for place, token in enumerate(tokens) if watch.sees(token)), None)


@pytest.mark.parametrize("unit", [1, 2, 3, 17, 60, 128])
def test_a_cycle_is_noticed_when_it_is_long_enough(unit):
    before = list(range(1000, 1013))
    tokens = before + list(range(unit)) * 400
    assert fires_at(tokens) == len(before) + max(160, 8 * unit) - 1


def test_a_table_of_numbers_is_no_cycle():
    row = [10, 0, 11, 0, 12, 0, 13, 0, 14, 0, 15, 0]  # "0 0 0 0 0 0" with separators that differ
    assert fires_at([10, 0] * 79) is None
    assert fires_at([token + 100 * (number // 3) for number in range(60) for token in row]) is None
    counted = [token for number in range(300) for token in (500 + number, 1, 2, 3)]
    assert fires_at(counted) is None


def test_a_broken_cycle_begins_anew():
    assert fires_at([1] * 159 + [2] + [1] * 159) is None
    assert fires_at([1, 2] * 70 + [3] + [1, 2] * 70) is None


def test_a_cycle_longer_than_the_rule_is_not_looked_for():
    assert fires_at(list(range(129)) * 30) is None
    assert fires_at(list(range(129)) * 30, Cycle(longest=129)) is not None
