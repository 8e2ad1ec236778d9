"""Outputs of models that point while they write, under the references' names."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from chiasm.check.causal import planned
from chiasm.geometry import Size, views
from chiasm.heads.regions import enlarged
from chiasm.model import Causal
from chiasm.model import Sight as Seen
from chiasm.prompt.items import lay
from chiasm.reference.given import Given
from chiasm.reference.patches import cut
from chiasm.reference.shown import shown_of
from chiasm.reference.spliced import spliced
from chiasm.spec import Pointing, Resize, Segment, Splice
from chiasm.train.outlines import Weights, loss, outline_losses


def pointing(model: Causal, given: Given, config: dict[str, Any]) -> dict[str, Tensor]:
    """Several conversations may be about one picture (`offset`); what any of them names there is outlined together."""
    head, sight = model.spec.head, model.spec.sight
    assert isinstance(head, Pointing) and sight is not None and isinstance(sight.fusion, Splice)
    about_B = [number for number, (first, end) in enumerate(pairwise(given["offset"].tolist())) for _ in range(first, end)]
    given = Given(given.path, {**given.tensors, "pixel_values": given["pixel_values"][about_B]})
    shown = shown_of(given, sight, sight.connector)
    counts = [] if shown is None else lay(model.spec, shown.items)[2]
    rows = spliced(given.rows, sight.fusion.image, counts)
    plan, patches = planned(model, given, rows)
    batch = plan.batch(patches)
    visual = model.see(batch.sight) if isinstance(batch.sight, Seen) else batch.sight
    hidden_BTD = model.read(batch, visual)
    named = model.pointer.named(hidden_BTD, batch)
    picture_R = [about_B[row] for row in named.row_R.tolist()]
    maps_BEHW = model.pointer.see(_square(head.outlines, given["images"]))
    outlined = model.pointer.outline(maps_BEHW, named, picture_R)
    # Rows begin at their first id in the reference's frame, and end with their pads in ours.
    pads_B = (~batch.valid_BT).sum(1)
    got = {
        "image_embeddings": maps_BEHW,
        "seg_positions": torch.stack([named.row_R, named.at_R - pads_B[named.row_R]], 1),
        "dense_pe": model.pointer.outlines.prompts.places().T[None].unflatten(2, maps_BEHW.shape[2:]).contiguous(),
    }
    masks, of_R = [], torch.tensor(picture_R, dtype=torch.int64)
    side = head.outlines.encoder.side * head.outlines.encoder.patch
    for number, one in enumerate(outlined):
        low_RMHW = one.masks_BRMHW[0]
        (high, wide), (height, width) = given["resize"][number].tolist(), given["original"][number].tolist()
        masks.append(enlarged(low_RMHW, side, (high, wide), Size(width, height))[:, 0])
        got |= {f"low_res_masks.{number}": low_RMHW, f"iou.{number}": one.scores_BRM[0], f"pred_masks.{number}": masks[-1]}
        got[f"sparse.{number}"] = named.prompt_RE[of_R == number][:, None]
    if "labels" not in given:
        return got
    return {**got, **_losses(config, _words(model, sight.fusion.image, hidden_BTD, given, counts), masks, given)}


def _losses(config: dict[str, Any], words: Tensor, masks: list[Tensor], given: Given) -> dict[str, Tensor]:
    """All parts of the loss, each times its weight."""
    weights = Weights(*(config["loss_weights"][name] for name in ("ce", "bce", "dice")))
    bce, dice = outline_losses(masks, [given[f"gt_masks.{number}"] for number in range(len(masks))])
    parts = {"ce_loss": weights.words * words, "mask_bce_loss": weights.bce * bce, "mask_dice_loss": weights.dice * dice}
    parts["mask_loss"] = parts["mask_bce_loss"] + parts["mask_dice_loss"]
    return {**parts, "loss": loss(weights, words, bce, dice)}


def _square(looks: Segment, pixels_BCHW: Tensor) -> Seen:
    """Pictures that are given as the squares that the outlining model sees."""
    count, (height, width) = len(pixels_BCHW), pixels_BCHW.shape[-2:]
    squash, size = Resize(height, width, "squash"), Size(width, height)
    grids = tuple(view.grid for n in range(count) for view in views(squash, looks.pixels, looks.encoder, size, n))
    return Seen(cut(looks, pixels_BCHW), grids, ((width, height),) * count)


def _words(model: Causal, image: int, hidden_BTD: Tensor, given: Given, counts: list[int]) -> Tensor:
    """The mean over what is to be said; a picture's places are to say nothing."""
    labels = [row[valid].tolist() for row, valid in zip(given["labels"], given.valid_BT, strict=True)]
    queue, wanted = iter(counts), []
    for ids, said in zip(given.rows, labels, strict=True):
        runs = ([-100] * next(queue) if id == image else [label] for id, label in zip(ids, said, strict=True))
        wanted.append([label for run in runs for label in run])
    target_BT = torch.tensor([[-100] * (hidden_BTD.shape[1] - len(row)) + row for row in wanted])
    scores_BTS = model.logits(hidden_BTD)[:, :-1]
    return cross_entropy(scores_BTS.flatten(0, 1), target_BT[:, 1:].flatten(), ignore_index=-100)
