"""Outputs of models that write after a source, under the references' names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from chiasm.check.causal import framed
from chiasm.generate.engine import greedy
from chiasm.model import Seq2Seq, prepare
from chiasm.model import Sight as Seen
from chiasm.prompt.plan import Plan
from chiasm.prompt.row import Row, padded
from chiasm.reference.given import Given
from chiasm.reference.shown import shown_of
from chiasm.spec import Alone


def seq2seq(model: Seq2Seq, given: Given, meta: dict[str, Any]) -> dict[str, Tensor]:
    """Logits of the recorded targets, the states of the source, and greedy tokens where the folder records some."""
    if "bbox" in given:
        return _paged(model, given, meta)
    plan, patches = _planned(model, given, given["decoder_input_ids"].tolist())
    batch = plan.batch(patches)
    visual = model.see(batch.sight, batch.hint) if isinstance(batch.sight, Seen) else batch.sight
    memory = model.read(batch, visual)
    assert batch.target is not None
    got = {"logits": model.logits(model.write(batch.target, memory))}
    sight = model.spec.sight
    if sight is not None and isinstance(sight.fusion, Alone) and not sight.connector:
        got["encoder_last_hidden_state"] = memory.states_BTD
    if "input_ids" in given:
        got["encoder_last_hidden_state"] = framed(memory.states_BTD, batch.valid_BT, given.valid_BT)
    if meta.get("generate"):
        prepare(model)
        plan, patches = _planned(model, given, ())
        new = greedy(model, plan.batch(patches), meta["generate"]["new_tokens"], meta["generate"]["kept_back"])
        got["generated"] = torch.cat([torch.full_like(new[:, :1], model.spec.language.start), new], 1)
    return got


def _paged(model: Seq2Seq, given: Given, meta: dict[str, Any]) -> dict[str, Tensor]:
    """In the reference's own frame: its pads have boxes too, which take up patches."""
    ids_BT, targets = given["input_ids"], [Row.of_text(row) for row in given["decoder_input_ids"].tolist()]
    assert model.spec.sight is not None
    shown = shown_of(given, model.spec.sight, model.spec.sight.connector)
    words = padded([Row.of_text(row) for row in ids_BT.tolist()], 1)
    batch = replace(
        words,
        valid_BT=given.valid_BT,
        boxes_BT4=given["bbox"].float(),
        sight=None if shown is None else Seen(shown.patches_PK, shown.grids, shown.sizes),
        target=padded(targets, 1),
    )
    visual = model.see(batch.sight) if isinstance(batch.sight, Seen) else None
    memory = model.read(batch, visual)
    assert batch.target is not None
    got = {"logits": model.logits(model.write(batch.target, memory)), "encoder_last_hidden_state": memory.states_BTD}
    if meta.get("generate"):
        prepare(model)
        begun = replace(batch, target=padded([Row.of_text([model.spec.language.start])] * len(ids_BT), 1))
        new = greedy(model, begun, meta["generate"]["new_tokens"], meta["generate"]["kept_back"])
        got["generated"] = torch.cat([torch.full_like(new[:, :1], model.spec.language.start), new], 1)
    return got


def _planned(model: Seq2Seq, given: Given, targets: Sequence[Sequence[int]]) -> tuple[Plan, Tensor | None]:
    sight = model.spec.sight
    if sight is None:
        return Plan.from_ids(model.spec, given.rows, targets=targets), None
    shown = shown_of(given, sight, sight.connector)
    if shown is None:
        return Plan.from_ids(model.spec, given.rows, targets=targets, hints=given.hints), None
    spec = replace(model.spec, sight=replace(sight, views=shown.views))
    rows: list[list[int]] = [[] for _ in shown.items] if isinstance(sight.fusion, Alone) else given.rows
    return Plan.from_ids(spec, rows, shown.items, targets=targets, hints=given.hints), shown.patches_PK
