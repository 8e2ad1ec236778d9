"""Outputs of writing models under the references' names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from chiasm.check.crossed import crossed
from chiasm.connect.steps import Visual
from chiasm.generate.engine import greedy
from chiasm.geometry import Size
from chiasm.model import Batch, Causal, prepare
from chiasm.model import Sight as Seen
from chiasm.prompt.items import lay
from chiasm.prompt.plan import Plan
from chiasm.reference.given import Given
from chiasm.reference.shown import shown_of
from chiasm.reference.spliced import Frame, spliced, taken
from chiasm.spec import ByKind, Cross, DynamicTiles, Enclose, Expert, Reader, Resize, Splice, override
from chiasm.spec import Causal as Spec


def causal(model: Causal, given: Given, meta: dict[str, Any]) -> dict[str, Tensor]:
    """Logits as the folder's ids are, and greedy tokens through the cache where it records some."""
    sight = model.spec.sight
    marked = given.marked(sight.fusion.image) if sight is not None and isinstance(sight.fusion, Splice) else given
    plan, patches = planned(model, given, _typed(model, marked).rows)
    got, batch = _read(model, plan, patches)
    got["logits"] = framed(got["logits"], batch.valid_BT, given.valid_BT)
    if meta.get("generate"):
        prepare(model)
        out = [*meta["generate"]["kept_back"], *_passed_over(meta, model.spec.vocab)]
        new = greedy(model, batch, meta["generate"]["new_tokens"], out)
        got["generated"] = new if meta["generate"]["returns"] == "new" else torch.cat([given["input_ids"], new], 1)
    return got


VISUAL = -1
"""The id of positions that are given as visual by their type: whatever stands there in a folder may also stand elsewhere."""


def _typed(model: Causal, given: Given) -> Given:
    """Ids with a placeholder of their own, where types say which positions are visual."""
    sight = model.spec.sight
    if sight is None or not isinstance(sight.fusion, Expert) or "token_type_ids" not in given:
        return given
    ids_BT = given["input_ids"].masked_fill(given["token_type_ids"] == 1, VISUAL)
    return Given(given.path, {**given.tensors, "input_ids": ids_BT})


def _passed_over(meta: dict[str, Any], vocab: int) -> range:
    """The ids beyond those among which a recording says that it chose."""
    said = re.search(r"greedy over ids < (\d+)", meta.get("note") or "")
    return range(vocab if said is None else int(said[1]), vocab)


def vectors(model: Causal, given: Given) -> dict[str, Tensor]:
    """A vector for every id."""
    plan, patches = planned(model, given, given.rows)
    batch = plan.batch(patches)
    if isinstance(batch.sight, Seen):
        batch = replace(batch, sight=model.see(batch.sight))
    got = _visual(model, plan, batch.sight) if isinstance(batch.sight, Visual) else {}
    return {**got, "embeddings": framed(model.embed(batch), batch.valid_BT, given.valid_BT)}


def causal_expanded(model: Causal, given: Given, config: dict[str, Any]) -> dict[str, Tensor]:
    """Logits of rows that hold one placeholder a picture, as some authors' code expands them inside the model."""
    sight = model.spec.sight
    if sight is None or not isinstance(sight.fusion, Splice):
        rows = given.rows
    else:
        given = taken(given, sight.fusion.image)
        shown = shown_of(given, sight, sight.connector)
        counts = [] if shown is None else lay(model.spec, shown.items)[2]
        rows = spliced(given.rows, sight.fusion.image, counts)
    plan, patches = planned(model, given, rows)
    got, batch = _read(model, plan, patches)
    got["logits"] = framed(got["logits"], batch.valid_BT, Frame.of(config).valid_BT([len(row) for row in rows]))
    return got


def planned(model: Causal, given: Given, rows: Sequence[Sequence[int]]) -> tuple[Plan, Tensor | None]:
    """The folder's rows and pictures as a plan, and the pictures' patches, [P, K]."""
    sight = model.spec.sight
    shown = None if sight is None else shown_of(given, sight, sight.connector)
    prompts = given.prompts
    if sight is None or shown is None:
        return Plan.from_ids(model.spec, rows, prompts=prompts), None
    spec = replace(model.spec, sight=replace(sight, views=shown.views))
    if isinstance(sight.fusion, Expert) and "token_type_ids" in given:
        spec = override(spec, {"sight.fusion.image": VISUAL})
    if isinstance(sight.fusion, Cross):
        return crossed(spec, sight, sight.fusion, given, rows, shown)
    return Plan.from_ids(spec, rows, shown.items, prompts=prompts, hints=given.hints), shown.patches_PK


def _read(model: Causal, plan: Plan, patches_PK: Tensor | None) -> tuple[dict[str, Tensor], Batch]:
    batch = plan.batch(patches_PK)
    visual = model.see(batch.sight, batch.hint) if isinstance(batch.sight, Seen) else batch.sight
    got = {"logits": model.logits(model.read(batch, visual))}
    if visual is not None:
        got |= _visual(model, plan, visual)
    return got, batch


def _visual(model: Causal, plan: Plan, visual: Visual) -> dict[str, Tensor]:
    """What the references call image_hidden_states: the visual tokens of pictures; of some, view by view, or by every row's
    places for pictures."""
    sight = model.spec.sight
    if sight is not None and isinstance(sight.fusion, Cross):
        places = len(plan.items) // len(plan.rows)
        return {"image_hidden_states": visual.tokens_VD.unflatten(0, (len(plan.rows), places, -1))}
    still = torch.tensor([isinstance(item, Size) for item in plan.items])[torch.from_numpy(visual.laid.items())]
    tokens_VD = visual.tokens_VD[still]
    if not len(tokens_VD):
        return {}
    if _by_view(model.spec):
        tokens_VD = tokens_VD.unflatten(0, (sum(not grid.moves for grid in visual.laid.grids), -1))
    return {"image_hidden_states": tokens_VD}


def _by_view(spec: Spec) -> bool:
    """Whether the reference keeps the tokens of views apart."""
    assert spec.sight is not None
    read = any(isinstance(step, Reader | Enclose) for step in spec.sight.connector)
    whole = (isinstance(spec.sight.views, Resize) and spec.prompt == "full") or read
    return whole or isinstance(spec.sight.views, DynamicTiles) or isinstance(spec.sight.encoder, ByKind)


def framed(values_BT: Tensor, ours_BT: Tensor, theirs_BT: Tensor) -> Tensor:
    """Values of real positions, moved from our left-padded frame into the reference's own, zeros at its pads. Where the
    reference cut a row short its first positions are kept: none of them has seen the rest."""
    moved = values_BT.new_zeros((*theirs_BT.shape, *values_BT.shape[2:]))
    for row, (ours_T, theirs_T) in enumerate(zip(ours_BT, theirs_BT, strict=True)):
        moved[row, theirs_T] = values_BT[row, ours_T][: int(theirs_T.sum())]
    return moved
