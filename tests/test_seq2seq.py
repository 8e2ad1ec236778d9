"""Models that write after a source: what a plan lays out for them, whether the source is text, pictures in it, or a picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from invariants import INVARIANTS
from invariants.asking import asked, logits, planned
from shrink import CELLS, tiny

from chiasm.errors import BadPrompt, Overflow
from chiasm.generate.engine import End, Token, begun_by, generate, greedy, prefill, step
from chiasm.generate.sampling import Sampling
from chiasm.generate.score import score
from chiasm.geometry import Size
from chiasm.model import Seq2Seq
from chiasm.prompt.plan import Plan
from chiasm.registry import families
from chiasm.spec import Alone, Block, Encode, EncoderDecoder, Learned, Mlp, Norm, Sight, Splice
from chiasm.spec import Seq2Seq as Spec

EYE = families()["vit"].model
assert isinstance(EYE, Encode)
MBART = EncoderDecoder(
    Block(64, 4, 96, 4, 16, Norm("layer", 1e-5), "gelu"), source=0, target=2, vocab=99, place=Learned(20, before=2), start=0,
    embed_scale="root_width", embed_norm=Norm("layer", 1e-5),
)  # fmt: skip
_T5 = families()["flan-t5"].model
assert isinstance(_T5, Spec)
T5: Spec = _T5
EYES = {
    "alone": Spec(MBART, Sight(EYE.views, EYE.pixels, EYE.encoder, (), Alone())),
    "spliced": Spec(T5.language, Sight(EYE.views, EYE.pixels, EYE.encoder, (Mlp(512, 512),), Splice(90))),
}
"""A picture that is all of the source (Donut's way), and pictures in a source of text."""


def model(name: str) -> Seq2Seq:
    made = tiny(EYES[name])
    assert isinstance(made, Seq2Seq)
    return made


@pytest.mark.parametrize("invariant", ["batch_is_single", "cached_is_uncached", "packed_is_unpacked", "counted_is_put_out"])
@pytest.mark.parametrize("name", EYES)
def test_what_holds_for_every_family_holds_for_both_ways_of_seeing(name: str, invariant: str) -> None:
    with torch.inference_mode():
        INVARIANTS[invariant](model(name))


@pytest.mark.parametrize("name", EYES)
def test_the_target_follows_the_picture_and_the_source(name: str) -> None:
    made = model(name)
    case = asked(made.spec)
    with torch.inference_mode():
        told = logits(made, case)
        plan, patches = planned(made, case)
        assert patches is not None
        other = plan.batch(patches.roll(1, 1))
        moved = made.logits(made(other))[-1][begun_by(other).valid_BT[-1]]
    assert float((told[-1] - moved).abs().max()) > 1e-3


def test_a_picture_alone_is_the_whole_source() -> None:
    made = model("alone")
    plan = Plan.from_ids(made.spec, [[], []], [Size(40, 24), Size(90, 85)], targets=[[3, 4], [5]])
    assert [len(row) for row in plan.rows] == [1 + CELLS**2] * 2
    assert np.array_equal(np.concatenate([row.slots_T for row in plan.rows]), np.arange(len(plan.laid)))
    batch = plan.batch()
    assert batch.target is not None
    assert batch.target.ids_BT.tolist() == [[3, 4], [0, 5]]
    assert batch.target.valid_BT.tolist() == [[True, True], [False, True]]
    assert batch.target.where_ABT.tolist() == [[[0, 1], [0, 0]]]
    with pytest.raises(BadPrompt, match="2 rows of 3 tokens of text for 2 pictures"):
        Plan.from_ids(made.spec, [[5, 6], [7]], [Size(40, 24), Size(90, 85)])
    with pytest.raises(BadPrompt, match="1 rows of 0 tokens of text for 2 pictures"):
        Plan.from_ids(made.spec, [[]], [Size(40, 24), Size(90, 85)])


def test_targets_begin_with_the_models_start_unless_they_are_given() -> None:
    spec = replace(T5, language=replace(T5.language, start=7))
    batch = Plan.from_ids(spec, [[5, 6], [8]]).batch()
    assert batch.target is not None and batch.target.ids_BT.tolist() == [[7], [7]]
    watched = Plan.from_ids(spec, [[5, 6]], targets=[[7, 3, 4]], supervise=[[False, True, True]])
    assert watched.batch().supervise_BT.tolist() == [[False, False]]
    target = watched.batch().target
    assert target is not None and target.supervise_BT.tolist() == [[False, True, True]]
    with pytest.raises(BadPrompt, match="2 targets for 1 sources"):
        Plan.from_ids(spec, [[5, 6]], targets=[[7], [7]])
    with pytest.raises(BadPrompt, match="the id 40000"):
        Plan.from_ids(spec, [[5, 6]], targets=[[40000]])
    with pytest.raises(BadPrompt, match="models that write after a source"):
        Plan.from_ids(families()["opt"].model, [[5, 6]], targets=[[7]])  # type: ignore[arg-type]


def test_a_target_longer_than_its_table_is_refused() -> None:
    spec = EYES["alone"]
    plan = Plan.from_ids(spec, [[]], [Size(40, 24)], targets=[[3] * 20])
    with pytest.raises(Overflow, match="row 0 needs 22 tokens"):
        plan.fits(2)
    with pytest.raises(Overflow, match="2 more than the context of 20"):
        Plan.from_ids(spec, [[]], [Size(40, 24)], targets=[[3] * 22])
    Plan.from_ids(T5, [[5] * 3000], targets=[[3] * 3000])


@pytest.mark.parametrize("name", EYES)
def test_rows_that_stop_leave_the_batch_and_change_nothing_for_the_others(name: str) -> None:
    made = model(name)
    plan, patches = planned(made, asked(made.spec))
    with torch.inference_mode():
        ids = greedy(made, plan.batch(patches), 6).tolist()
    stop = ids[0][1]
    events = list(generate(made, plan.batch(patches), Sampling(stop_ids=(stop,), max_new_tokens=6)))
    for row, wanted in enumerate(ids):
        until = wanted.index(stop) if stop in wanted else 6
        got = [event.id for event in events if isinstance(event, Token) and event.row == row]
        assert got == wanted[:until]
    assert {event.row for event in events if isinstance(event, End)} == {0, 1, 2}


@pytest.mark.parametrize("name", EYES)
def test_candidates_are_scored_as_one_forward_would(name: str) -> None:
    made = model(name)
    case = asked(made.spec)
    plan, patches = planned(made, case)
    candidates = [[5, 6, 7], [8], [9, 10]]
    found = score(made, plan.batch(patches), [candidates] * 3)
    longer = replace(case, targets=[[*row, *candidates[0]] for row in case.targets])
    with torch.inference_mode():
        whole = logits(made, longer)
    for row, of_row in enumerate(whole):
        wanted = of_row[-4:-1].log_softmax(-1)[range(3), candidates[0]]
        torch.testing.assert_close(torch.tensor(found[row][0].logprobs), wanted, rtol=1e-4, atol=1e-4)


def test_one_token_at_a_time_is_the_same_with_targets_of_unequal_length() -> None:
    made = model("alone")
    case = asked(made.spec)
    plan, patches = planned(made, case)
    with torch.inference_mode():
        found, past = prefill(made, plan.batch(patches), 1)
        next_B = begun_by(plan.batch()).next_B
        found = step(made, torch.tensor([5, 6, 7]), next_B, past)
        longer = logits(made, replace(case, targets=[[*row, n] for row, n in zip(case.targets, (5, 6, 7), strict=True)]))
    torch.testing.assert_close(found, torch.stack([row[-1] for row in longer]), rtol=1e-4, atol=1e-5)
