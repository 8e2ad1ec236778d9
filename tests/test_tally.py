"""Tallies: exact sums, numbers between numbers, true counts of drawn pictures, and that counting can be learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_train import TINY
from torch import Tensor
from torch.nn import functional as F

from chiasm.connect.compressed import COMPRESSIONS
from chiasm.connect.steps import Connector
from chiasm.connect.tally import TallyStep
from chiasm.model import Causal
from chiasm.place import WHOLE, Box, Grid, Laid, connect, raster, route
from chiasm.render import Sample, Thing, Truth, sample
from chiasm.spec import Mlp, Tally
from chiasm.train.parts import parameters
from chiasm.train.tallies import SORTS, TALLY, UNCOUNTED, tallies, told_tallies

STEP = Tally(tokens=3, slots=2, hidden=8, most=4)
LAID = raster([Grid(0, 1, 2, 3, Box(0, 0, 96, 64)), Grid(1, 1, 1, 2, Box(0, 0, 64, 32))])


def step_of(width: int = 5) -> TallyStep:
    torch.manual_seed(0)
    step = TallyStep(STEP, width)
    torch.nn.init.normal_(step.sorts)
    torch.nn.init.normal_(step.numbers)
    return step


def test_tokens_stay_and_those_of_the_whole_view_follow_them() -> None:
    laid = connect((Mlp(5, 4), STEP), LAID, [(96, 64), (64, 32)])
    assert laid.place_V4[:, 0].tolist() == [0] * 9 + [1] * 5
    assert laid.place_V4[6:9, 1:].tolist() == [[-1] * 3] * 3 and laid.counts(2) == [9, 5]
    step, x_VD = step_of(), torch.randn(8, 5)
    out_VD = step(x_VD, route(STEP, LAID, []), LAID)
    torch.testing.assert_close(out_VD[[*range(6), 9, 10]], x_VD)
    nowhere = Laid(np.zeros((0, 4), np.int64), ())
    assert len(route(STEP, nowhere, []).index_VM) == 0


@pytest.mark.parametrize("word", COMPRESSIONS)
def test_a_tally_stays_where_the_rest_is_made_fewer(word: str) -> None:
    _, usual, make = COMPRESSIONS[word]
    torch.manual_seed(0)
    connector, x_VD = Connector((STEP, make(usual)), 5), torch.randn(8, 5)
    with torch.no_grad():
        whole = connector.steps[0](x_VD, route(STEP, LAID, []), LAID)
        seen = connector(x_VD, LAID, [(96, 64), (64, 32)])
    lies = connect(connector.spec, LAID, [(96, 64), (64, 32)])
    assert len(lies) == len(seen.laid) == len(seen.tokens_VD)
    stands_V = seen.laid.place_V4[:, 3] == WHOLE
    assert seen.laid.place_V4[stands_V, 0].tolist() == [0] * 3 + [1] * 3
    torch.testing.assert_close(seen.tokens_VD[stands_V], whole[[6, 7, 8, 11, 12, 13]])


def test_a_view_shows_what_its_tokens_add_whatever_another_shows() -> None:
    step, x_VD = step_of(), torch.randn(8, 5)
    added_VN = F.softplus(step.adds(F.relu(step.hidden(F.rms_norm(x_VD, (5,))))))
    sums_GN = step.sums(x_VD, LAID)
    torch.testing.assert_close(sums_GN, torch.stack([added_VN[:6].sum(0), added_VN[6:].sum(0)]))
    torch.testing.assert_close(step.sums(7 * x_VD, LAID), sums_GN, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("number", [0.0, 1.0, 2.25, 4.0, 9.0])
def test_a_number_is_said_between_its_neighbours(number: float) -> None:
    step = step_of()
    said_KD = step.told(torch.tensor([[[number, 1.0]]]))[0, 0]
    up_to = min(number, 4.0)
    low = min(int(up_to), 3)
    torch.testing.assert_close(said_KD[0], torch.lerp(step.numbers[0, low], step.numbers[0, low + 1], up_to - low))
    torch.testing.assert_close(said_KD[1], step.numbers[1, 1])


def test_pictures_are_counted_by_colour_and_by_kind() -> None:
    def of(made: Sample) -> dict[str, float]:
        return dict(zip([sort for pair in SORTS for sort in pair], tallies(made).tolist(), strict=True))

    things = (Thing("star", "red", (0, 0, 9, 9)), Thing("circle", "red", (9, 9, 20, 20)), Thing("bar", "blue", (30, 0, 40, 9)))
    made = Sample(np.zeros((64, 64, 3), np.uint8), "page", "", (), Truth((), things))
    assert {name: count for name, count in of(made).items() if count} == {
        "shape": 3, "red": 2, "blue": 1, "star": 1, "circle": 1, "bar": 1,
    }  # fmt: skip
    crowd = Sample(made.picture, "crowd", "", (), Truth((), (Thing("dog", "", (0, 0, 9, 9)),) * 10))
    assert of(crowd)["picture"] == UNCOUNTED and of(crowd)["shape"] == 0
    many = sample(3, 0, kind="many shapes")
    assert of(many)["shape"] == len(many.truth.things) == next(int(q.answer) for q in many.questions if "shapes" in q.key)


def test_what_cannot_be_told_costs_nothing_and_what_is_there_most() -> None:
    wanted = torch.tensor([[2.0, 0.0, UNCOUNTED]])
    assert told_tallies(torch.tensor([[2.0, 0.0, 30.0]]), wanted) == 0
    assert told_tallies(torch.tensor([[3.0, 0.0, 0.0]]), wanted) == 4 * told_tallies(torch.tensor([[2.0, 1.0, 0.0]]), wanted)


def test_counting_is_learned_from_counts_alone() -> None:
    torch.manual_seed(1)
    connector = Connector((TALLY,), 8)
    (step,) = connector.steps
    assert isinstance(step, TallyStep)
    kinds_KD = torch.randn(4, 8)

    def drawn() -> tuple[Tensor, Tensor]:
        kind_GV = torch.randint(0, 4, (32, 6))
        counts_GN = torch.zeros(32, len(SORTS) * 2)
        counts_GN[:, :3] = torch.stack([(kind_GV == kind).sum(1) for kind in range(3)], 1).float()
        return kinds_KD[kind_GV].flatten(0, 1), counts_GN

    laid = raster([Grid(item, 1, 2, 3, Box(0, 0, 96, 64)) for item in range(32)])
    optimizer = torch.optim.AdamW(step.parameters(), 3e-2)
    for _ in range(150):
        x_VD, counts_GN = drawn()
        optimizer.zero_grad()
        told_tallies(step.sums(x_VD, laid), counts_GN).backward()
        optimizer.step()
    x_VD, counts_GN = drawn()
    assert float((step.sums(x_VD, laid).round() == counts_GN).float().mean()) > 0.97


def test_what_counts_learns_at_a_rate_of_its_own() -> None:
    assert TINY.sight is not None
    model, plain = Causal(replace(TINY, sight=replace(TINY.sight, connector=(Mlp(32, 24), STEP)))), Causal(TINY)
    counts, rest = (parameters(model, part).keys() for part in ("tally", "connect"))
    assert counts == {f"connect.steps.1.{layer}.{end}" for layer in ("hidden", "adds") for end in ("weight", "bias")}
    assert counts | rest == {f"connect.{name}" for name, _ in model.connect.named_parameters()} and not counts & rest
    assert parameters(plain, "tally") == {}
