"""A reference that `transformers` implements, loaded again from its folder: in float32, in float64, and a rounding away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import isclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chiasm.reference.given import RAW_INPUTS, Given
from chiasm.reference.make import answer
from chiasm.reference.parts import library
from chiasm.reference.wide import doubled, wide

EXPERTS = {"experts_implementation": "eager"}
"""The default one knows no float64."""


def neighbours(folder: Path, meta: Mapping[str, Any], count: int) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """What a folder's reference answers in float32 and in float64: first as it stands, then `count` times with every parameter
    moved to one of the two numbers beside it. Nothing where no class of `transformers` made it, or not all that it was given is
    there.

    Raises `MissingExtra` without `transformers`.
    """
    given = Given.read(folder)
    model = _loaded(folder, meta) if set(meta.get("derived", ())) <= given.tensors.keys() else None
    if model is None:
        return
    with wide():
        exact = type(model)._from_config(model.config, attn_implementation=meta.get("attn"), **EXPERTS).eval()
    inputs = {name: tensor for name, tensor in given.tensors.items() if not name.startswith(RAW_INPUTS)}
    options = meta.get("fwd_kw") or {}
    stored = {name: parameter.clone() for name, parameter in model.named_parameters()}
    for number in range(count + 1):
        if number:
            _move(model, stored, number)
        exact.load_state_dict(model.state_dict())
        with wide():
            truth = answer(exact.double(), doubled(inputs), options)
        yield answer(model, inputs, options), truth


def _loaded(folder: Path, meta: Mapping[str, Any]) -> Any:
    transformers = library()
    if meta.get("class") not in dir(transformers):
        return None
    model: Any = getattr(transformers, meta["class"])
    is_one = isclass(model) and issubclass(model, transformers.PreTrainedModel)
    if not is_one:
        return None
    how = {"dtype": torch.float32, "attn_implementation": meta.get("attn"), "use_safetensors": True}
    return model.from_pretrained(folder, **how, **EXPERTS).eval()


@torch.no_grad()
def _move(model: Any, stored: Mapping[str, Tensor], seed: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        towards = torch.where(torch.rand(parameter.shape, generator=drawn) < 0.5, float("-inf"), float("inf"))
        parameter.copy_(torch.nextafter(stored[name], towards))
