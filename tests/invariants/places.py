"""Every visual token is counted before it is made, and stands where it looks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count as count_up
from typing import Any

import numpy as np
import pytest
import torch

from chiasm.errors import BadPrompt
from chiasm.geometry import Size
from chiasm.model import (
    AnyModel,
    Causal,
    Seq2Seq,
)
from chiasm.place import WHOLE, Grid, Laid, encoded, route
from chiasm.prompt.items import count, lay
from chiasm.prompt.plan import Plan
from chiasm.sequence.splice import splice
from chiasm.spec import (
    AddByBox,
    Alone,
    Cross,
    Encoder,
    MergingViT,
    Swin,
)
from invariants.asking import SIZES, asked, pictures, planned, seen


def counted_is_put_out(model: AnyModel) -> None:
    """What is counted from sizes alone is what leaves the connector, each token with its place."""
    assert isinstance(model, Causal | Seq2Seq) and model.spec.sight is not None
    visual = model.see(seen(model.spec.sight, pictures()))
    counts = [count(model.spec, Size(*size)).visual for size in SIZES]
    assert visual.laid.counts(3) == counts
    assert len(visual.tokens_VD) == len(visual.laid)
    assert int(visual.laid.shown().sum()) == sum(counts)
    assert np.array_equal(visual.laid.place_V4, lay(model.spec, [Size(*size) for size in SIZES])[1].place_V4)


def a_token_stands_where_it_looks(model: AnyModel) -> None:
    """What is painted into a token's box, and nowhere else, is brightest in the patches that the token is made of."""
    assert isinstance(model, Causal | Seq2Seq) and model.spec.sight is not None
    sight, width, height = model.spec.sight, 250, 180
    grids, laid, _ = lay(model.spec, [Size(width, height)])
    sources = _sources(sight.connector, encoded(sight.encoder, grids), ((width, height),), _enters(sight.encoder, grids))
    dark_PK = seen(sight, [np.zeros((height, width, 3), np.uint8)]).patches_PK
    view_of_patch = np.repeat(np.arange(len(grids)), [grid.cells for grid in grids])
    tested = 0
    for (grid, _, y, x), source in zip(laid.place_V4.tolist(), sources, strict=True):
        if WHOLE in (y, x):
            continue
        box = laid.grids[grid].cell(y, x)
        x0, y0, x1, y1 = (round(edge) for edge in (box.x0 + 1, box.y0 + 1, box.x1 - 1, box.y1 - 1))
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            continue
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[y0:y1, x0:x1] = 255
        bright = (seen(sight, [canvas]).patches_PK - dark_PK).mean(1).numpy()
        rivals = np.flatnonzero(np.isin(view_of_patch, view_of_patch[source]))
        assert bright[source].max() >= bright[rivals].max() - 1e-6, (grid, y, x)
        tested += 1
    assert tested >= 4


def _enters(encoder: Encoder, grids: Sequence[Grid]) -> Iterator[list[int]]:
    """The patches that enter each token of an encoder: one, or a square of them."""
    if not isinstance(encoder, MergingViT | Swin):
        yield from ([number] for number in count_up())
        return
    first, side = 0, encoder.merged
    for grid in grids:
        cells = first + np.arange(grid.cells).reshape(grid.h, grid.w)
        for y, x in np.ndindex(-(-grid.h // side), -(-grid.w // side)):
            yield cells[side * y : side * (y + 1), side * x : side * (x + 1)].flatten().tolist()
        first += grid.cells


def _sources(steps: Any, laid: Laid, sizes: tuple[tuple[int, int], ...], patches: Iterator[list[int]]) -> list[list[int]]:
    """The patches that each visual token is made of."""
    shows = [laid.grids[grid].shows and y != WHOLE for grid, _, y, _ in laid.place_V4.tolist()]
    made = [next(patches) if shown else [] for shown in shows]
    for one in steps:
        path = route(one, laid, sizes)
        made = [[patch for token in tokens if token >= 0 for patch in made[token]] for tokens in path.index_VM.tolist()]
        laid = path.laid
    return made


def wrong_counts_are_refused(model: AnyModel) -> None:
    """A placeholder too many or too few, a picture without a place, tokens without a place: each is an error."""
    assert isinstance(model, Causal | Seq2Seq) and model.spec.sight is not None
    if isinstance(model.spec.sight.fusion, AddByBox):
        case = asked(model.spec)
        for wrong in (replace(case, shows=[[0], [1], []]), replace(case, boxes=case.boxes[:2])):
            with pytest.raises(BadPrompt, match=r"3 rows of words with [23] rows of boxes and [23] pictures"):
                planned(model, wrong)
        with pytest.raises(BadPrompt, match="row 0 has 9 tokens and 4 boxes"):
            planned(model, replace(case, boxes=[case.boxes[1], *case.boxes[1:]]))
        return
    spec, size = model.spec, Size(*SIZES[0])
    if isinstance(model.spec.sight.fusion, Alone):
        for rows, items in (([[], []], [size]), ([[]], [size, size]), ([[7]], [size]), ([[]], [])):
            with pytest.raises(BadPrompt, match=rf"{len(rows)} rows of \d tokens of text for {len(items)} pictures"):
                Plan.from_ids(spec, rows, items)
        return
    image = model.spec.sight.fusion.image
    if isinstance(model.spec.sight.fusion, Cross):
        with pytest.raises(BadPrompt, match="row 1 has 2 image placeholders and 1 pictures are left for it"):
            Plan.from_ids(spec, [[5, 6], [7, image, image]], [size])
        with pytest.raises(BadPrompt, match=r"item 0 \(40 x 24\) has no placeholder in any row: 1 of 1 items are left"):
            Plan.from_ids(spec, [[5, 6]], [size])
        return
    visual = count(spec, size).visual
    for places in (visual - 1, visual + 1):
        with pytest.raises(BadPrompt, match=rf"row 1 has {places} .* {visual} visual tokens: item 0 \(40 x 24\)"):
            Plan.from_ids(spec, [[5, 6], [7, *[image] * places]], [size])
    with pytest.raises(BadPrompt, match="no placeholder in any row"):
        Plan.from_ids(spec, [[5, 6]], [size])
    batch = Plan.from_ids(spec, [[7, *[image] * visual]], [size]).batch()
    hidden = torch.zeros(1, 1 + visual, 32)
    for tokens in (visual - 1, visual + 1):
        with pytest.raises(BadPrompt, match=f"{tokens} visual tokens for {visual} places"):
            splice(hidden, torch.zeros(tokens, 32), batch.slot_BT)
