"""Layers that keep a state instead of keys and values: against the recurrence as the paper writes it, and past pads."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from shrink import shrunk, tiny

from chiasm.errors import BadConfig, UserError
from chiasm.generate.engine import further, prefill
from chiasm.layers.delta import delta_rule
from chiasm.model import Causal
from chiasm.prompt.plan import Plan
from chiasm.registry import families
from chiasm.spec import DELTA_CHUNK, Attends, Delta, Norm
from chiasm.spec import Causal as CausalSpec
from chiasm.train.lora import adapt
from chiasm.weights.read import describe


def hybrid() -> Causal:
    model = tiny(families()["qwen3.5"].model)
    assert isinstance(model, Causal)
    return model


@pytest.mark.parametrize("length", [1, 5, DELTA_CHUNK, 2 * DELTA_CHUNK + 3])
def test_chunks_are_the_recurrence(length: int) -> None:
    drawing = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, length, width, generator=drawing) for width in (6, 6, 4))
    k = torch.nn.functional.normalize(k, dim=-1)
    log_kept, written = -torch.rand(2, 3, length, generator=drawing), torch.rand(2, 3, length, generator=drawing)
    state = begun = torch.randn(2, 3, 6, 4, generator=drawing)
    found = []
    for at in range(length):
        state = state * log_kept[:, :, at, None, None].exp()
        missed = v[:, :, at] - (k[:, :, at, None] @ state)[:, :, 0]
        state = state + k[:, :, at, :, None] * (written[:, :, at, None] * missed)[:, :, None]
        found.append((q[:, :, at, None] @ state)[:, :, 0])
    got, last = delta_rule(q, k, v, log_kept, written, begun)
    torch.testing.assert_close(got, torch.stack(found, 2), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(last, state, rtol=1e-4, atol=1e-5)


def test_much_forgetting_costs_no_digits() -> None:
    """States that hardly outlive a position, in a chunk that forgets e^-600 of its beginning: as exact as the products are."""
    drawing = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 4, DELTA_CHUNK, 8, generator=drawing) for _ in range(3))
    k = torch.nn.functional.normalize(k, dim=-1)
    log_kept, written = -20 * torch.rand(2, 4, DELTA_CHUNK, generator=drawing), torch.rand(2, 4, DELTA_CHUNK, generator=drawing)
    given = (q, k, v, log_kept, written, torch.zeros(2, 4, 8, 8))
    for got, exact in zip(delta_rule(*given), delta_rule(*(x.double() for x in given)), strict=True):
        assert (got - exact).abs().max() < 4e-7 * exact.abs().max()


def test_pads_in_the_middle_of_a_row_are_skipped() -> None:
    """As they stand where rows of one beginning go on at unequal lengths, shorter than the convolution reaches."""
    model, ids = hybrid(), torch.randint(5, 100, (1, 12), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = model.logits(model(Plan.from_ids(model.spec, ids.tolist()).batch()))
        begun = Plan.from_ids(model.spec, [ids[0, :7].tolist()]).batch()
        _, past = prefill(model, begun, 0)
        past = past.pick([0, 0], 14)
        rest = torch.cat([torch.zeros(2, 2, dtype=torch.long), ids[:, 7:].expand(2, -1)], 1)
        where, valid = torch.tensor([[0, 0, *range(7, 12)]] * 2), torch.tensor([[False] * 2 + [True] * 5] * 2)
        rest[1], where[1] = torch.tensor([0] * 6 + [int(ids[0, 7])]), torch.tensor([0] * 6 + [7])
        valid[1] = torch.tensor([False] * 6 + [True])
        logits = model.logits(further(model, rest, where, valid, past))
    torch.testing.assert_close(logits[0, 2:], whole[0, 7:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logits[1, -1], whole[0, 7], rtol=1e-4, atol=1e-5)


def test_a_cache_holds_states_for_some_layers_and_keys_for_the_rest() -> None:
    model = hybrid()
    cache = model.room(2, 9)
    kinds = [isinstance(model.spec.decoder.block_of(layer).mixer, Delta) for layer in range(model.spec.decoder.depth)]
    assert (len(cache.running), len(cache.keys)) == (kinds.count(True), kinds.count(False)) == (3, 1)
    prefill(model, Plan.from_ids(model.spec, [[7, 8, 9]]).batch(), 1)
    again = cache.pick([1, 1, 0], 9)
    assert [len(layer.state_BNFF) for layer in again.running] == [3, 3, 3]


def test_adapters_beside_delta_rules_are_refused() -> None:
    with pytest.raises(UserError, match="delta rules are not supported"):
        adapt(hybrid().language, 2, 4.0)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("layer_types", ["linear_attention"], "layer_types"),
        ("layer_types", ["sliding_attention"] * 24, "layer_types"),
        ("linear_num_key_heads", 3, "no multiple of linear_num_key_heads = 3"),
        ("attn_output_gate", False, "attn_output_gate = False is not supported"),
    ],
)
def test_a_config_that_is_not_done_is_refused(field: str, value: object, said: str, tmp_path: Path) -> None:
    config = json.loads((Path(__file__).parent / "data" / "configs" / "qwen3.5-0.8b.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {field: value}))
    with pytest.raises(BadConfig, match=said):
        describe(tmp_path)


def test_layers_take_turns() -> None:
    spec = families()["qwen3.5"].model
    assert isinstance(spec, CausalSpec) and isinstance(shrunk(spec), CausalSpec)
    kinds = [type(spec.decoder.block_of(layer).mixer) for layer in range(8)]
    assert kinds == [Delta, Delta, Delta, Attends] * 2
    assert len(spec.decoder.deltas) == 18 and spec.decoder.block.qk_norm == Norm("rms", 1e-6, "from_one")
    assert not replace(spec.decoder, turns=()).deltas
