"""Compression: exact numbers, true places, and published weights untouched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Reference
from torch.nn import functional as F

import chiasm
from chiasm.connect.compress import likeness, merged, salience
from chiasm.connect.compressed import COMPRESSIONS, compressed
from chiasm.connect.steps import Connector
from chiasm.errors import BadPicture, UserError
from chiasm.geometry import Size
from chiasm.model import Causal, Sight
from chiasm.place import Box, Grid, Laid, connect, raster, route
from chiasm.prompt.items import count
from chiasm.prompt.plan import Plan
from chiasm.registry import families
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import Merge, MergeAlike, MergeFrames, PoolSquares, Prune, Step
from chiasm.weights.read import describe, load_model

BOX = Box(0, 0, 6, 4)
STEPS: tuple[Step, ...] = (MergeAlike(4), MergeAlike(8), Prune(2), Prune(3, "unlike"))


def views(*shapes: tuple[int, int]) -> tuple[Grid, ...]:
    return tuple(Grid(0, 1, *shape, BOX) for shape in shapes)


def clip(frames: int) -> Grid:
    return Grid(0, frames, 2, 2, BOX, tuple(float(n) for n in range(frames)))


@pytest.mark.parametrize("step", STEPS, ids=str)
@pytest.mark.parametrize("cells", [(1, 1), (3, 3), (4, 6), (7, 5)])
def test_what_is_counted_from_sizes_is_what_leaves(step: Step, cells: tuple[int, int]) -> None:
    laid = raster(views(cells, (2, 3)))
    counted = connect((step,), laid, [(6, 4)])
    torch.manual_seed(cells[0])
    made = Connector((step,), 8)(torch.randn(len(laid), 8), laid, [(6, 4)])
    assert len(made.tokens_VD) == len(made.laid) == len(counted)
    assert (made.laid.place_V4[:, 0] == counted.place_V4[:, 0]).all()
    assert (counted.place_V4[:, 1:] == -1).all() and (made.laid.place_V4 >= 0).all()
    order = np.lexsort(made.laid.place_V4.T[::-1])
    assert (order == np.arange(len(order))).all() and len(np.unique(made.laid.place_V4, axis=0)) == len(order)


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_views_do_not_meet(step: Step) -> None:
    laid, one = raster(views((3, 4), (5, 5))), raster(views((5, 5)))
    x = torch.randn(len(laid), 8, generator=torch.Generator().manual_seed(0))
    both, alone = Connector((step,), 8)(x, laid, [(6, 4)]), Connector((step,), 8)(x[12:], one, [(6, 4)])
    second = both.laid.place_V4[:, 0] == 1
    assert torch.equal(both.tokens_VD[torch.from_numpy(second)], alone.tokens_VD)
    assert (both.laid.place_V4[second, 1:] == alone.laid.place_V4[:, 1:]).all()


def test_equals_are_merged_and_the_odd_one_out_stays() -> None:
    x = torch.tensor([[1.0, 0.0]]).repeat(16, 1)
    x[5] = torch.tensor([0.0, 3.0])
    out, at = merged(x, 4)
    assert sorted(out.tolist()) == [[0.0, 3.0], *[[1.0, 0.0]] * 3]
    assert out[at.tolist().index(5)].tolist() == [0.0, 3.0]


@pytest.mark.parametrize("left", [1, 2, 3, 5, 10])
def test_a_merged_token_is_the_mean_of_all_that_it_holds(left: int) -> None:
    """Whatever is merged into what, the tokens' own indicator vectors say it: shares of one token add up to one."""
    torch.manual_seed(left)
    x = torch.cat([torch.eye(10), torch.randn(10, 4)], 1)
    out, at = merged(x, left)
    shares = out[:, :10]
    holds = (shares > 0).sum(1, keepdim=True)
    assert torch.allclose(shares[shares > 0], (1 / holds).expand_as(shares)[shares > 0])
    assert holds.sum() == 10 and bool((shares.gather(1, at[:, None]) > 0).all())
    torch.testing.assert_close(out[:, 10:], shares @ x[:, 10:])


def test_pruning_keeps_the_highest_and_changes_none() -> None:
    x = torch.randn(12, 8, generator=torch.Generator().manual_seed(3))
    laid = raster(views((3, 4)))
    for step, telling in ((Prune(3), salience(x)), (Prune(3, "unlike"), -likeness(x))):
        made = Connector((step,), 8)(x, laid, [(6, 4)])
        kept = made.laid.place_V4[:, 2] * 4 + made.laid.place_V4[:, 3]
        assert set(kept) == set(telling.topk(4).indices.tolist())
        assert torch.equal(made.tokens_VD, x[torch.from_numpy(kept)])
    assert torch.allclose(likeness(x), F.cosine_similarity(x, x.mean(0, keepdim=True)))


@pytest.mark.parametrize("frames", [1, 4, 5, 8, 10])
def test_frames_become_means_of_their_own_number(frames: int) -> None:
    laid = raster([clip(frames)])
    x = torch.randn(frames, 4, 8)
    made = Connector((MergeFrames(4),), 8)(x.flatten(0, 1), laid, [(6, 4)])
    expected = torch.stack([part.mean(0) for part in x.split(4)])
    torch.testing.assert_close(made.tokens_VD, expected.flatten(0, 1))
    (grid,) = made.laid.grids
    assert grid.t == len(expected) and grid.times == tuple(float(n) for n in range(0, frames, 4))
    assert (made.laid.place_V4 == raster([grid]).place_V4).all()


def test_a_picture_passes_the_merging_of_frames() -> None:
    laid, x = raster(views((2, 3))), torch.randn(6, 8)
    made = Connector((MergeFrames(4),), 8)(x, laid, [(6, 4)])
    assert torch.equal(made.tokens_VD, x) and made.laid.grids == laid.grids


def test_frames_of_what_stands_for_a_whole_clip_are_refused() -> None:
    whole = Laid(np.array([[0, -1, -1, -1]]), (clip(2),))
    with pytest.raises(BadPicture, match="whole clip"):
        route(MergeFrames(2), whole, [(6, 4)])


@pytest.mark.parametrize("named", ["merge-alike:4", "prune:3", "prune-alike", "pool:2", "merge-alike:2+prune:2"])
def test_a_published_model_is_compressed_after_loading(named: str, reference: Reference) -> None:
    folder = Path(str(reference("llava", 0)))
    described = describe(folder)
    assert isinstance(described.model, CausalSpec)
    spec = compressed(described.model, named)
    model = load_model(describe(folder), torch.float32)
    assert isinstance(model, Causal) and spec.sight is not None
    small = Causal(spec)
    small.load_state_dict(model.state_dict())
    sight = spec.sight
    size = Size(40, 30)
    before, after = count(described.model, size).visual, count(spec, size).visual
    assert after < before
    pixels = np.random.default_rng(1).integers(0, 256, (30, 40, 3), np.uint8)
    plan = Plan.from_ids(spec, [[*[sight.fusion.image] * after, 5, 6]], [size])  # type: ignore[union-attr]
    seen = Sight.of(sight, [pixels])
    with torch.inference_mode():
        assert small.see(seen).tokens_VD.shape[0] == after
        assert torch.isfinite(small(plan.batch(seen.patches_PK))).all()


@pytest.mark.parametrize(
    ("named", "family", "said"),
    [
        ("squash:4", "llava-1.5", "merge-alike:N"),
        ("prune:0", "llava-1.5", "no compression"),
        ("prune:2", "smolvlm", "marks rows or tiles"),
        ("prune:2", "smollm2", "sees nothing"),
        ("prune:2", "chameleon", "words of its vocabulary"),
        ("prune:2", "llama-3.2-vision", "meet the text by Cross"),
    ],
)
def test_what_cannot_be_compressed_says_so(named: str, family: str, said: str) -> None:
    model = families()[family].model
    assert isinstance(model, CausalSpec)
    with pytest.raises(UserError, match=said):
        compressed(model, named)


def test_squares_of_what_are_no_cells_any_more_are_refused() -> None:
    with pytest.raises(BadPicture, match="3 tokens of a view of 1 x 3 x 4 cells make no squares"):
        connect((MergeAlike(4), PoolSquares(2)), raster(views((3, 4))), [(6, 4)])


def test_load_takes_a_compression(tmp_path: Path, reference: Reference) -> None:
    with pytest.raises(UserError, match="that writes after pictures, and this one is Match"):
        chiasm.load(str(reference("clip", 0)), compress="prune:2")
    assert set(COMPRESSIONS) >= {"merge-alike", "prune", "merge-frames", "pool"}


@pytest.mark.parametrize("step", [*STEPS, PoolSquares(2), MergeAlike("told")], ids=str)
def test_what_stands_for_a_whole_view_is_left_beside_its_cells(step: Step) -> None:
    """A class token before them, say, and a tally's tokens after them."""
    grids = tuple(replace(grid, share=0.4) for grid in views((3, 4), (5, 5)))
    cells = raster(grids).place_V4
    whole = [np.array([[number, -1, -1, -1]]) for number in range(2)]
    rows = [part for n in range(2) for part in (whole[n], cells[cells[:, 0] == n], whole[n], whole[n])]
    laid = Laid(np.concatenate(rows), grids)
    x = torch.randn(len(laid), 8, generator=torch.Generator().manual_seed(1))
    stays = torch.from_numpy((laid.place_V4[:, 1:] == -1).all(1))
    made, alone = Connector((step,), 8)(x, laid, [(6, 4)]), Connector((step,), 8)(x[~stays], raster(grids), [(6, 4)])
    kept = torch.from_numpy((made.laid.place_V4[:, 1:] == -1).all(1))
    assert torch.equal(made.tokens_VD[kept], x[stays]) and torch.equal(made.tokens_VD[~kept], alone.tokens_VD)
    assert (made.laid.place_V4[~kept.numpy()] == alone.laid.place_V4).all()
    assert len(made.laid) == len(connect((step,), laid, [(6, 4)])) == len(alone.laid) + 6


def test_a_shuffle_joins_what_stands_for_a_whole_view_with_itself() -> None:
    grids = views((2, 4))
    laid = Laid(np.concatenate([raster(grids).place_V4, [[0, -1, -1, -1]]]), grids)
    x = torch.randn(9, 3, generator=torch.Generator().manual_seed(2))
    made = Connector((Merge(2),), 3)(x, laid, [(6, 4)])
    assert torch.equal(made.tokens_VD[:2], Connector((Merge(2),), 3)(x[:8], raster(grids), [(6, 4)]).tokens_VD)
    assert torch.equal(made.tokens_VD[2], x[8].repeat(4)) and made.laid.place_V4[2].tolist() == [0, -1, -1, -1]
