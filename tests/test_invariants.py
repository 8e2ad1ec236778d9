"""What holds for every family, a new one included: each invariant is stated once, and a table says who keeps it.

An invariant that a family cannot keep is declared with its reason; nothing is left out silently.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import count as count_up
from typing import Any

import numpy as np
import pytest
import torch
from shrink import shrunk, tiny
from torch import Tensor

from chiasm.errors import BadPrompt
from chiasm.generate.engine import begun_by, prefill, step
from chiasm.geometry import Size
from chiasm.heads.prompts import Prompts
from chiasm.model import (
    AnyModel,
    Batch,
    Bind,
    Causal,
    Encode,
    EncodePage,
    EncodeText,
    EncodeVolume,
    Find,
    Match,
    QueryMatch,
    Segment,
    Seq2Seq,
    Sight,
    Words,
    assemble,
)
from chiasm.model import Writer as Writes
from chiasm.pixels.views import look, packed
from chiasm.place import WHOLE, Grid, Laid, encoded, route
from chiasm.prompt.plan import Plan, count, in_text, lay
from chiasm.reference.make import redraw
from chiasm.registry import families
from chiasm.sequence.splice import splice
from chiasm.spec import (
    VQ,
    AddByBox,
    Alone,
    Both,
    ByKind,
    Cross,
    Encoder,
    Looks,
    Model,
    Pointing,
    QFormer,
    Rope,
    Swin,
    ViT,
    breaks,
)
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import Find as FindSpec
from chiasm.spec import Seq2Seq as Seq2SeqSpec
from chiasm.spec import Sight as SightSpec
from chiasm.spec import Writer as WriterSpec

SIZES = ((40, 24), (17, 61), (90, 85))
"""(width, height) of three pictures that have different shapes everywhere."""

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def pictures() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (height, width, 3), np.uint8) for width, height in SIZES]


def seen(looks: Looks, some: list[np.ndarray]) -> Sight:
    views = [view for number, pixels in enumerate(some) for view in look(looks, pixels, number)]
    sizes = tuple((pixels.shape[1], pixels.shape[0]) for pixels in some)
    return Sight(torch.from_numpy(packed(views)), tuple(view.grid for view, _ in views), sizes)


@dataclass(frozen=True)
class Asked:
    """Three rows of unequal length: text alone, two pictures, one picture; each ends in text. Of a model with sources and
    targets the rows are sources; where pictures stand alone, each is a row. `hints` are what a connector reads."""

    rows: list[list[int]]
    shows: list[list[int]]
    targets: list[list[int]]
    hints: list[list[int]]
    boxes: list[list[tuple[float, float, float, float]]] = field(default_factory=list)

    def only(self, number: int) -> "Asked":
        """One of the rows."""
        parts = (self.rows, self.shows, self.targets, self.hints, self.boxes)
        return Asked(*(part[number : number + 1] for part in parts))

    @property
    def written(self) -> list[list[int]]:
        """The streams that a model goes on with."""
        return self.targets or self.rows

    def without(self, last: int) -> "Asked":
        """The same, before so many last tokens were written."""
        cut = [row[:-last] for row in self.written]
        return replace(self, targets=cut) if self.targets else replace(self, rows=cut)

    @property
    def shown(self) -> list[int]:
        return [number for some in self.shows for number in some]


def asked(spec: WriterSpec) -> Asked:
    draw = np.random.default_rng(1)
    text = [draw.integers(5, 100, n).tolist() for n in (9, 4, 5, 3, 6)]
    targets = [[0, *text[0]], [0, *text[1]], [0, *text[4]]] if isinstance(spec, Seq2SeqSpec) else []
    if spec.sight is None:
        return Asked([text[0], text[1], text[4]], [[], [], []], targets, [])
    hints = [text[1], text[4], text[2]] if _reads(spec.sight) else []
    if isinstance(spec.sight.fusion, Alone):
        return Asked([[], [], []], [[0], [1], [2]], targets, hints)
    if isinstance(spec.sight.fusion, AddByBox):
        rows = [text[0], text[1], text[4]]
        corners = [[sorted(draw.uniform(0, 1, 2)) + sorted(draw.uniform(0, 1, 2)) for _ in row] for row in rows]
        boxes = [[(x0, y0, x1, y1) for x0, x1, y0, y1 in row] for row in corners]
        return Asked(rows, [[0], [1], [2]], targets, hints, boxes)
    fusion = spec.sight.fusion
    one, two, three = ([fusion.image] * in_text(fusion, count(spec, Size(*size)).visual) for size in SIZES)
    rows = [text[0], [1, *one, *text[1], *two, *text[2]], [*text[3], *three, *text[4]]]
    return Asked(rows, [[], [0, 1], [2]], targets, hints)


def _reads(sight: SightSpec) -> bool:
    return any(isinstance(step, QFormer) and step.words is not None for step in sight.connector)


def planned(model: Writes, case: Asked, prompts: list[int] | None = None) -> tuple[Plan, Tensor | None]:
    sizes = [Size(*SIZES[number]) for number in case.shown]
    streams = {"targets": case.targets, "hints": case.hints, "boxes": case.boxes}
    plan = Plan.from_ids(model.spec, case.rows, sizes, prompts=prompts, **streams)
    if model.spec.sight is None or not case.shown:
        return plan, None
    return plan, seen(model.spec.sight, [pictures()[number] for number in case.shown]).patches_PK


def logits(model: Writes, case: Asked, prompts: list[int] | None = None) -> list[Tensor]:
    """Of each row's own positions, or of its target's."""
    plan, patches = planned(model, case, prompts)
    batch = plan.batch(patches)
    found, begun = said(model, batch), begun_by(batch)
    return [row[valid] for row, valid in zip(found, begun.valid_BT, strict=True)]


def outlined(model: Segment, some: list[np.ndarray]) -> list[Tensor]:
    """Masks and scores of two regions of each picture: two points, and a point with a box."""
    maps = model.see(seen(model.spec, some))
    draw = torch.Generator().manual_seed(3)
    points = torch.rand(1, 2, 2, 2, generator=draw).mul(16).expand(len(some), -1, -1, -1)
    labels = torch.tensor([[[1, 0], [1, -1]]]).expand(len(some), -1, -1)
    boxes = torch.tensor([[[1.0, 2.0, 9.0, 13.0], [4.0, 4.0, 15.0, 8.0]]]).expand(len(some), -1, -1)
    mask = torch.randn(1, 1, 16, 16, generator=draw).expand(len(some), -1, -1, -1)
    found = [model(maps, Prompts(points, labels)), model(maps, Prompts(points, labels, boxes, mask), "one")]
    return [part for one in found for part in (one.masks_BRMHW, one.scores_BRM)]


def named(model: Find, rows: list[list[int]], some: list[np.ndarray]) -> list[Tensor]:
    """Boxes and what names them, of each picture by its own text's tokens."""
    valid = torch.arange(max(map(len, rows))) < torch.tensor([[len(row)] for row in rows])
    ids = torch.tensor([row + [0] * (valid.shape[1] - len(row)) for row in rows])
    found = model(seen(model.spec, some), model.read(ids, valid))
    parts = zip(found.boxes_BG4, found.logits_BGT, rows, strict=True)
    return [torch.cat([boxes, logits[:, : len(row)]], 1) for boxes, logits, row in parts]


PHRASES = [[101, 5, 6, 112, 7, 112, 102], [101, 8, 112, 102], [101, 9, 10, 11, 119, 102]]


def said(model: Writes, batch: Batch) -> Tensor:
    """What a model makes of each position: scores of what comes next, or a vector."""
    if isinstance(model, Causal) and not model.spec.writes:
        return model.embed(batch)
    return model.logits(model(batch))


def pointed(model: Causal, batch: Batch) -> list[Tensor]:
    """Masks and scores of two regions that the first row's text names, in two of three pictures."""
    head = model.spec.head
    assert isinstance(head, Pointing)
    marks_BT = torch.zeros_like(batch.ids_BT, dtype=torch.bool)
    marks_BT[0, [-1, -3]] = True
    marked = replace(batch, ids_BT=batch.ids_BT.masked_fill(marks_BT, head.mark))
    found = model.pointer.named(model(marked), marked)
    maps = model.pointer.see(seen(head.outlines, pictures()))
    outlined = model.pointer.outline(maps, found, [2, 0])
    assert [len(one.masks_BRMHW[0]) for one in outlined] == [1, 0, 1]
    return [part.flatten() for one in outlined for part in (one.masks_BRMHW, one.scores_BRM)]


UNPOINTED = {
    *(f"pointer.outlines.prompts.{name}" for name in ("outside", "inside", "corner1", "corner2", "no_point", "mask.")),
    *(f"pointer.outlines.masks.to_maps.{number}." for number in (1, 2, 3)),
}
"""What nobody asks of a model that outlines, whose prompts are states."""


def sources(left: bool) -> tuple[Tensor, Tensor]:
    """Ids and valid places of three rows of 9, 4 and 6 tokens."""
    ids = torch.randint(5, 100, (3, 9), generator=torch.Generator().manual_seed(0))
    valid = torch.arange(9) < torch.tensor([[9], [4], [6]])
    return ids, valid.flip(1) if left else valid


def scans() -> Tensor:
    """Three small volumes."""
    return torch.rand(3, 32, 32, 16, generator=torch.Generator().manual_seed(4))


def on_pages(model: EncodePage) -> tuple[Words, Sight | None]:
    """Words of three pages, each in a box, and the pages."""
    ids, valid = sources(left=False)
    draw = torch.Generator().manual_seed(3)
    corners = torch.randint(0, 600, (3, 9, 2), generator=draw)
    boxes = torch.cat([corners, corners + torch.randint(1, 400, (3, 9, 2), generator=draw)], -1)
    sight = None if model.spec.sight is None else seen(model.spec.sight, pictures())
    return Words(ids, valid, torch.zeros_like(ids), boxes), sight


# --- the invariants ---------------------------------------------------------------------------------------------------------


def batch_is_single(model: AnyModel) -> None:
    """A row's numbers do not depend on what stands beside it."""
    if isinstance(model, Encode | Segment):
        packed_is_unpacked(model)
        return
    if isinstance(model, Find):
        together = named(model, PHRASES, pictures())
        for alone, row, pixels in zip(together, PHRASES, pictures(), strict=True):
            torch.testing.assert_close(alone, named(model, [row], [pixels])[0], **CLOSE)
        return
    if isinstance(model, Match | QueryMatch | Bind):
        ids = torch.randint(5, 100, (3, 16), generator=torch.Generator().manual_seed(0))
        valid = torch.ones_like(ids, dtype=torch.bool)
        together = model.embed_texts(ids, valid)
        for row in range(3):
            torch.testing.assert_close(together[row], model.embed_texts(ids[[row]], valid[[row]])[0], **CLOSE)
        return
    if isinstance(model, EncodeText):
        ids, valid = sources(left=False)
        together = model(ids, valid)
        for row, real in enumerate(valid):
            torch.testing.assert_close(together[row, real], model(ids[[row]][:, real], valid[[row]][:, real])[0], **CLOSE)
        return
    if isinstance(model, EncodeVolume):
        together = model.embed_volumes(scans())
        for row in range(3):
            torch.testing.assert_close(together[row], model.embed_volumes(scans()[[row]])[0], **CLOSE)
        return
    if isinstance(model, EncodePage):
        words, sight = on_pages(model)
        together = model(words, sight)
        for row, real in enumerate(words.valid_BT):
            kept = (words.ids_BT, words.valid_BT, words.kinds_BT, words.boxes_BT4)
            page = None if model.spec.sight is None else seen(model.spec.sight, pictures()[row : row + 1])
            alone = model(Words(*(part[[row]][:, real] for part in kept)), page)[0]
            both = torch.cat([real, real.new_ones(together.shape[1] - len(real))])
            torch.testing.assert_close(together[row, both], alone, **CLOSE)
        return
    assert isinstance(model, Causal | Seq2Seq)
    case = asked(model.spec)
    together = logits(model, case)
    for row in range(3):
        torch.testing.assert_close(together[row], logits(model, case.only(row))[0], **CLOSE)


def cached_is_uncached(model: AnyModel) -> None:
    """Reading a prompt and then token after token gives the logits of reading all at once."""
    assert isinstance(model, Causal | Seq2Seq)
    case = asked(model.spec)
    whole = logits(model, case, [len(row) - 3 for row in case.written])
    tail = torch.tensor([row[-3:] for row in case.written])
    plan, patches = planned(model, case.without(3))
    batch = plan.batch(patches)
    found, past = prefill(model, batch, 3)
    for number in range(3):
        wanted = torch.stack([row[-4 + number] for row in whole])
        torch.testing.assert_close(found, wanted, **CLOSE)
        found = step(model, tail[:, number], begun_by(batch).next_B + number, past)
    torch.testing.assert_close(found, torch.stack([row[-1] for row in whole]), **CLOSE)


def packed_is_unpacked(model: AnyModel) -> None:
    """Pictures never see one another."""
    if isinstance(model, Find):
        same = [PHRASES[0]] * 3
        for one, pixels in zip(named(model, same, pictures()), pictures(), strict=True):
            torch.testing.assert_close(one, named(model, same[:1], [pixels])[0], **CLOSE)
        return
    if isinstance(model, Segment):
        alone = zip(*(outlined(model, [pixels]) for pixels in pictures()), strict=True)
        for whole, parts in zip(outlined(model, pictures()), alone, strict=True):
            torch.testing.assert_close(whole, torch.cat(parts), **CLOSE)
        return
    looks: Any = model.spec.sight if isinstance(model, Causal | Seq2Seq) else model.spec
    see: Callable[[Sight], Tensor] = (
        (lambda sight: model.see(sight).tokens_VD) if isinstance(model, Causal | Seq2Seq) else model.embed_pictures
    )
    together = see(seen(looks, pictures()))
    alone = torch.cat([see(seen(looks, [pixels])) for pixels in pictures()])
    torch.testing.assert_close(together, alone, **CLOSE)


def text_alone_is_the_text_model(model: AnyModel) -> None:
    """Without pictures a model that sees is its language model, bit for bit."""
    assert isinstance(model, Causal | Seq2Seq)
    blind = assemble(replace(model.spec, sight=None)).eval()
    assert isinstance(blind, Causal | Seq2Seq)
    whole = model.state_dict()
    blind.load_state_dict({name: whole[name] for name in blind.state_dict()})
    case = replace(asked(model.spec).only(0), hints=[], shows=[[]])
    assert torch.equal(logits(model, case)[0], logits(blind, case)[0])


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
    if not isinstance(encoder, Swin):
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


def gradients_reach_every_parameter(model: AnyModel) -> None:
    """But for those whose output nothing reads: an idle norm, blocks after the last tap; a key's bias moves no softmax."""
    measured = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    unread: set[str] = {"vision.mask_token"} if _carries_mask(model) else set()
    if isinstance(model, Encode):
        out = torch.cat([part.flatten() for part in model(seen(model.spec, pictures()))])
    elif isinstance(model, Segment):
        out = torch.cat([part.flatten() for part in outlined(model, pictures())])
    elif isinstance(model, Find):
        out = torch.cat([part.flatten() for part in named(model, [PHRASES[0]] * 3, pictures())])
        # Where queries begin is a choice, which has no gradient.
        unread = {"find.cell"}
    elif isinstance(model, Match | QueryMatch | Bind):
        ids = torch.randint(5, 100, (3, 16), generator=torch.Generator().manual_seed(0))
        texts = model.embed_texts(ids, torch.ones_like(ids, dtype=torch.bool))
        shown = model.embed_pictures(seen(model.spec, pictures()))
        match model:
            case Match():
                out = model(shown, texts)
            case QueryMatch():
                judged = model.judged(seen(model.spec, pictures()), ids[:, :9], torch.ones_like(ids[:, :9], dtype=torch.bool))
                out = torch.cat([model(shown, texts).flatten(), judged.flatten()])
            case Bind():
                out = torch.cat([shown, model.scaled("text", texts), *_felt(model)])
    elif isinstance(model, EncodeText):
        states = model(*sources(left=False))
        pooled = [model.text.pooled(states)] if model.spec.text.pool != "none" else []
        out = torch.cat([states.flatten(0, 1), *pooled])
    elif isinstance(model, EncodeVolume):
        pooled_BE = model(scans())
        out = torch.cat([model.project(pooled_BE), model.classify(pooled_BE)], 1)
    elif isinstance(model, EncodePage):
        states = model(*on_pages(model))
        pooled = [model.text.pooled(states)] if model.spec.text.pool != "none" else []
        out = torch.cat([states.flatten(0, 1), *pooled])
    else:
        case = asked(model.spec)
        if isinstance(model, Seq2Seq):
            # Long enough for every bucket of distances.
            case = replace(case, targets=[[0, *range(5, 40)]] * 3)
        plan, patches = planned(model, case)
        batch = plan.batch(patches)
        out = said(model, batch)[begun_by(batch).valid_BT]
        unread = _unread(model)
        if isinstance(model, Causal) and isinstance(model.spec.head, Pointing):
            out = torch.cat([out.flatten(), *pointed(model, batch)])
            unread |= UNPOINTED
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(0))).sum().backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        if name.endswith((".k.bias", "_k.bias")) or name == "pool.k.bias" or name in measured:
            continue
        reached = parameter.grad is not None and bool((parameter.grad != 0).any())
        assert reached is not name.startswith(tuple(unread) or ("-",)), name
        assert parameter.grad is None or bool(parameter.grad.isfinite().all()), name


def _felt(model: Bind) -> list[Tensor]:
    """Vectors of one random signal of each kind."""
    draw = torch.Generator().manual_seed(2)
    vectors = []
    for one in model.spec.signals:
        side = round(one.places**0.5)
        high, wide = (1, one.places) if one.kernel[0] == 1 else (side, side)
        edges = [(cells - 1) * step + kernel for cells, step, kernel in zip((high, wide), one.stride, one.kernel, strict=True)]
        values = torch.randn(2, one.channels, *edges, generator=draw)
        vectors.append(model.embed_signals(one.name, values))
    return vectors


def _carries_mask(model: AnyModel) -> bool:
    return isinstance(model, Encode) and isinstance(model.spec.encoder, ViT) and model.spec.encoder.mask_token


def _unread(model: Writes) -> set[str]:
    if model.spec.sight is None:
        return set()
    return _unasked(model.spec.sight) | _unlooked(model.spec.sight)


def _unasked(sight: SightSpec) -> set[str]:
    """What the last block of a Q-Former makes of words."""
    last = [(number, step.depth - 1) for number, step in enumerate(sight.connector) if isinstance(step, QFormer)]
    return {f"connect.steps.{at}.blocks.{block}.{part}_words." for at, block in last for part in ("mlp", "norm")}


def _unlooked(sight: SightSpec) -> set[str]:
    carried = set() if sight.carried is None else {"carried."}
    match sight.encoder:
        case ByKind(pictures=eye):
            # What is shown here are pictures.
            return {"vision.clips."} | _idle("vision.pictures.", eye)
        case Both(low=eye):
            return _idle("vision.low.", eye)
        case ViT() as eye:
            return carried | _idle("vision.", eye)
        case VQ():
            # Which vector is nearest has no slope.
            return carried | {"vision."}
        case _:
            return carried


def _idle(path: str, eye: ViT) -> set[str]:
    last = max(tap % (eye.depth + 1) for tap in eye.taps)
    idle = {f"{path}post_norm."} if eye.post_norm == "idle" else set()
    return idle | {f"{path}blocks.{number}." for number in range(last, eye.depth)}


INVARIANTS: dict[str, Callable[[AnyModel], None]] = {
    check.__name__: check
    for check in (
        batch_is_single,
        cached_is_uncached,
        packed_is_unpacked,
        text_alone_is_the_text_model,
        counted_is_put_out,
        a_token_stands_where_it_looks,
        wrong_counts_are_refused,
        gradients_reach_every_parameter,
    )
}

ONLY_WRITING = "compares pictures with texts: it has no sequence and no decoder"
ONLY_SEEING = "reads text alone: it has no eye"
ONLY_READING = "encodes text alone: it writes nothing and has no eye"
BY_KIND = {
    "contrastive": dict.fromkeys(
        (
            "cached_is_uncached",
            "text_alone_is_the_text_model",
            "counted_is_put_out",
            "a_token_stands_where_it_looks",
            "wrong_counts_are_refused",
        ),
        ONLY_WRITING,
    ),
    "text": dict.fromkeys(
        ("packed_is_unpacked", "counted_is_put_out", "a_token_stands_where_it_looks", "wrong_counts_are_refused"),
        ONLY_SEEING,
    ),
    "prefix": {},
    "visual seq2seq": {},
    "cross-attention": {},
    "visual expert": {},
    "vectors": {"cached_is_uncached": "makes a vector of every position: it writes nothing, and its prompt is all of a row"},
    "text encoder": dict.fromkeys(
        (
            "cached_is_uncached",
            "packed_is_unpacked",
            "text_alone_is_the_text_model",
            "counted_is_put_out",
            "a_token_stands_where_it_looks",
            "wrong_counts_are_refused",
        ),
        ONLY_READING,
    ),
    "volume encoder": dict.fromkeys(
        (
            "cached_is_uncached",
            "packed_is_unpacked",
            "text_alone_is_the_text_model",
            "counted_is_put_out",
            "a_token_stands_where_it_looks",
            "wrong_counts_are_refused",
        ),
        "makes one vector of a scan: it has no pictures to pack, no sequence and no decoder",
    ),
    "page encoder": dict.fromkeys(
        (
            "cached_is_uncached",
            "packed_is_unpacked",
            "text_alone_is_the_text_model",
            "counted_is_put_out",
            "a_token_stands_where_it_looks",
            "wrong_counts_are_refused",
        ),
        "encodes the words of a page, and its patches after them, as one row: it writes nothing and splices nothing",
    ),
    "seq2seq": dict.fromkeys(
        (
            "packed_is_unpacked",
            "text_alone_is_the_text_model",
            "counted_is_put_out",
            "a_token_stands_where_it_looks",
            "wrong_counts_are_refused",
        ),
        ONLY_SEEING,
    ),
    "outlines": dict.fromkeys(
        (
            "cached_is_uncached",
            "text_alone_is_the_text_model",
            "counted_is_put_out",
            "a_token_stands_where_it_looks",
            "wrong_counts_are_refused",
        ),
        "looks at pictures and outlines regions: it has no sequence and no decoder",
    ),
    "detector": dict.fromkeys(
        (
            "cached_is_uncached",
            "text_alone_is_the_text_model",
            "counted_is_put_out",
            "a_token_stands_where_it_looks",
            "wrong_counts_are_refused",
        ),
        "looks for phrases in pictures: it has no sequence and no decoder",
    ),
    "encoder": dict.fromkeys(
        (
            "cached_is_uncached",
            "text_alone_is_the_text_model",
            "counted_is_put_out",
            "a_token_stands_where_it_looks",
            "wrong_counts_are_refused",
        ),
        "looks at pictures and makes vectors: it has no sequence and no decoder",
    ),
}
OF_QUERIES = (
    "openflamingo", "idefics", "idefics2", "qwen-vl", "blip2-opt", "blip2-flan-t5", "instructblip-vicuna",
    "instructblip-flan-t5", "minicpm-v-2.6", "kosmos-2", "videochat2",
)  # fmt: skip
QUERIES = "each visual token is a query that reads all of its view: none has a place"
EXCEPTIONS: dict[tuple[str, str], str] = {
    **{(name, "a_token_stands_where_it_looks"): QUERIES for name in OF_QUERIES},
    ("donut", "text_alone_is_the_text_model"): "writes after a picture alone: without one its decoder has nothing to ask",
}
"""(family, invariant) -> why it cannot be kept."""


@pytest.mark.parametrize("invariant", INVARIANTS)
@pytest.mark.parametrize("name", families())
def test_invariant(name: str, invariant: str, record_property: Callable[[str, object], None]) -> None:
    family = families()[name]
    declared = breaks(family.model).get(invariant)
    reason = BY_KIND[family.kind].get(invariant) or EXCEPTIONS.get((name, invariant)) or declared
    record_property("invariant", (name, invariant, reason or "kept"))
    if reason is None:
        model = tiny(family.model)
        with torch.set_grad_enabled(invariant.startswith("gradients")):
            INVARIANTS[invariant](model)
    else:
        assert len(reason) > 20
    if declared is not None:
        with torch.inference_mode(), pytest.raises(AssertionError):
            INVARIANTS[invariant](changing(family.model))


def changing(model: Model, original: int | None = None) -> AnyModel:
    """A shrunk model; where its frequencies follow the length, from `original` positions on, or from just before the end of
    the longest row that is asked."""
    small = shrunk(model)
    if isinstance(small, CausalSpec) and not breaks(small.decoder):
        return tiny(model)
    if isinstance(small, FindSpec):
        return tiny(model)
    assert isinstance(small, CausalSpec) and isinstance(small.decoder.rope, Rope)
    at = max(map(len, asked(small).rows)) - 1 if original is None else original
    scaling = replace(small.decoder.rope.scaling, original=at)  # type: ignore[call-arg]
    modules = assemble(replace(small, decoder=replace(small.decoder, rope=replace(small.decoder.rope, scaling=scaling)))).eval()
    redraw(modules, 0)
    return modules


def test_every_size_of_every_family_shrinks_and_runs() -> None:
    for family in families().values():
        for size in family.sizes:
            broken = "batch_is_single" in breaks(family.at(size))
            with torch.inference_mode(), pytest.raises(AssertionError) if broken else nullcontext():
                batch_is_single(changing(family.at(size)) if broken else tiny(family.at(size)))


def test_what_breaks_at_a_length_holds_before_it() -> None:
    """Frequencies that follow the length are the same for all rows that end before they change."""
    for family in families().values():
        for invariant in breaks(family.model.decoder) if isinstance(family.model, CausalSpec) else ():
            with torch.inference_mode():
                INVARIANTS[invariant](changing(family.model, 1024))
