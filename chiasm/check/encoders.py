"""Outputs of encoders and of towers that meet, under the references' names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chiasm.geometry import Size, views
from chiasm.heads.contrastive import unit
from chiasm.model import Bind, Encode, EncodeText, Match, QueryMatch
from chiasm.model import Sight as Seen
from chiasm.reference.given import Given
from chiasm.reference.patches import cut
from chiasm.reference.shown import shown_of
from chiasm.spec import ClsProject, Looks, Resize


def match(model: Match, given: Given) -> dict[str, Tensor]:
    """Vectors of both kinds and their scores, under the reference's names."""
    shown = shown_of(given, model.spec)
    got = {"text_embeds": model.embed_texts(given["input_ids"], given.valid_BT)}
    if shown is not None:
        got["image_embeds"] = model.embed_pictures(Seen(shown.patches_PK, shown.grids, shown.sizes))
        got["logits_per_text"] = model(got["image_embeds"], got["text_embeds"])
        got["logits_per_image"] = got["logits_per_text"].T.contiguous()
        got["scale"] = model.logits.scale.exp()
    return got


def query_match(model: QueryMatch, given: Given, meta: dict[str, Any], config: dict[str, Any]) -> dict[str, Tensor]:
    """In the reference's own frame: where the config names a placeholder, each row begins with one for every query."""
    shown = shown_of(given, model.spec)
    count = model.spec.queries.queries if config.get("image_token_index") is not None else 0
    ids_BT, valid_BT = given["input_ids"][:, count:], given.valid_BT[:, count:]
    seen = None if shown is None else Seen(shown.patches_PK, shown.grids, shown.sizes)
    if meta.get("fwd_kw", {}).get("use_image_text_matching_head") and seen is not None:
        judged = model.judged(seen, ids_BT, valid_BT, given.valid_BT[:, :count] if count else None)
        return {"logits_per_image": judged, "logits_per_text": judged.T.contiguous()}
    got = {"text_embeds": model.embed_texts(ids_BT, valid_BT)}
    if seen is not None:
        got["image_embeds"] = model.embed_pictures(seen)
        got["logits_per_text"] = model(got["image_embeds"], got["text_embeds"])
        got["logits_per_image"] = got["logits_per_text"].T.contiguous()
    return got


def encode(model: Encode, given: Given) -> dict[str, Tensor]:
    """Features, the pooled vector and, where the model classifies, the classes' scores."""
    shown = shown_of(given, model.spec)
    if shown is None:
        return {}
    features_PE, pooler_output = model(Seen(shown.patches_PK, shown.grids, shown.sizes))
    labels = {"logits": pooler_output} if isinstance(model.spec.pool, ClsProject) else {}
    got = {"pooler_output": pooler_output, "image_embeds": unit(pooler_output), **labels}
    if len({(grid.h, grid.w) for grid in shown.grids}) == 1:
        got["last_hidden_state"] = features_PE.unflatten(0, (len(shown.grids), -1))
    return got


def bind(model: Bind, given: Given) -> dict[str, Tensor]:
    """Every input under its kind's name, which may be followed by an underscore and more; clips of one item averaged."""

    def embedded(kind: str, values: Tensor) -> Tensor:
        match kind:
            case "text":
                return model.scaled(kind, model.embed_texts(values, torch.ones_like(values, dtype=torch.bool)))
            case "vision":
                return model.embed_pictures(_seen(model.spec, values))
            case _:
                return model.scaled(kind, model.embed_signals(kind, values))

    got = {}
    for name, values in given.tensors.items():
        kind, clips = name.partition("_")[0], values.ndim > 4
        vectors = embedded(kind, values.flatten(0, 1) if clips else values)
        got[f"emb.{name}"] = vectors.unflatten(0, values.shape[:2]).mean(1) if clips else vectors
    if "emb.vision" in got and "emb.text" in got:
        got["logits_vision_text"] = got["emb.vision"] @ got["emb.text"].T
    return got


def _seen(looks: Looks, pixels: Tensor) -> Seen:
    """Pictures [P, C, H, W], or clips [P, C, T, H, W] of as many frames as the encoder takes at once."""
    count, height, width = len(pixels), *pixels.shape[-2:]
    squash, size = Resize(height, width, "squash"), Size(width, height)
    grids = tuple(view.grid for n in range(count) for view in views(squash, looks.pixels, looks.encoder, size, n))
    return Seen(cut(looks, pixels), grids, ((width, height),) * count)


def encode_text(model: EncodeText, given: Given) -> dict[str, Tensor]:
    """In the reference's own frame: it counts places from the row's first pad on."""
    states = model(given["input_ids"], given.valid_BT, given.tensors.get("token_type_ids"))
    got = {"last_hidden_state": states}
    if model.spec.text.pool != "none":
        got["pooler_output"] = model.text.pooled(states)
    return got
