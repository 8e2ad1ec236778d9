"""Replaying a step gives what reading token by token gives; here without a GPU, where the recorded step is run as it is."""

from collections.abc import Iterator

import pytest
import torch
from invariants.asking import CLOSE, asked, planned
from shrink import tiny

from chiasm.errors import Overflow
from chiasm.generate.engine import begun_by, prefill, step
from chiasm.generate.replay import Replay, can_replay
from chiasm.layers.cache import KVCache
from chiasm.model import Causal
from chiasm.registry import families

ROOM = 6


def writers() -> Iterator[str]:
    for name, family in families().items():
        if family.kind != "encoder" and isinstance(model := tiny(family.model), Causal) and model.spec.writes:
            yield name


WRITERS = list(writers())


@pytest.mark.parametrize("name", WRITERS)
@torch.inference_mode()
def test_a_replayed_token_is_a_token_that_is_read(name: str) -> None:
    model = tiny(families()[name].model)
    assert isinstance(model, Causal)
    plan, patches = planned(model, asked(model.spec))
    batch = plan.batch(patches)
    logits_BS, past = prefill(model, batch, ROOM)
    assert isinstance(past, KVCache)
    if not can_replay(model, past):
        pytest.skip("its steps are not all alike")
    other, where_B = past.pick(list(range(len(plan.rows))), past.room), begun_by(batch).next_B
    replay = Replay(model, other, where_B, recorder=lambda once: once)
    for number in range(ROOM):
        ids_B = logits_BS.argmax(-1)
        logits_BS = step(model, ids_B, where_B + number, past)
        torch.testing.assert_close(replay(ids_B), logits_BS, **CLOSE)
    with pytest.raises(Overflow, match="ask for room for more"):
        replay(ids_B)


def test_most_writers_can_be_replayed() -> None:
    alike = 0
    for name in WRITERS:
        model = tiny(families()[name].model)
        assert isinstance(model, Causal)
        alike += can_replay(model, model.room(1, 8))
    assert alike > len(WRITERS) // 2
