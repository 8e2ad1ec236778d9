"""Builds a reference case into a folder: configuration, weights, inputs, the reference's outputs."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chiasm.reference.case import Case, Draw
from chiasm.reference.cases import REFERENCES
from chiasm.reference.parts import library
from chiasm.weights.write import write_json, write_safetensors

NEW_TOKENS = 4
MAIN = ("logits", "logits_per_image", "last_hidden_state", "pred_masks", "embeddings")
"""The output that must be matched: the first of these that a reference has."""

DERIVED = (
    "pixel_values", "high_res_pixel_values", "pixel_attention_mask", "image_sizes", "image_grid_thw",
    "mm_token_type_ids", "spatial_shapes", "aspect_ratio_ids", "aspect_ratio_mask", "cross_attention_mask",
    "pixel_mask", "target_sizes",
)  # fmt: skip
"""Inputs that follow from the pictures, and that a proof therefore computes for itself."""

DERIVED_OF_CLIPS = ("pixel_values_videos", "video_grid_thw", "second_per_grid_ts")
"""And those that follow from the frames of clips."""


def build(name: str, variant: int, seed: int, geometry: int | None, out: Path) -> None:
    """Builds one case of `REFERENCES` into the folder `out`. `geometry` redraws the sizes of the pictures.

    Raises `MissingExtra` without `transformers`.
    """
    torch.manual_seed(seed)
    case = REFERENCES[name].draw(variant, Draw(1000 * seed + variant, geometry))
    record(case, seed, out, {"family": name, "variant": variant, "geometry": geometry})


def record(case: Case, seed: int, out: Path, facts: Mapping[str, Any]) -> None:
    """Runs a case and writes its folder; `facts` go into meta.json.

    Every parameter is drawn anew from a generator seeded by `seed` and its name: gates, biases and tables that start
    at zero would hide whole branches.
    """
    model = case.model._from_config(case.config, attn_implementation=case.attention).eval()
    redraw(model, seed)
    inputs = case.inputs(model)
    expected = outputs(model, case, inputs)
    padded = _padded(expected, inputs.get("attention_mask"))
    main = next(key for key in MAIN if key in expected)
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    if case.processor is not None:
        case.processor.save_pretrained(out)
    raw = {f"raw_image_{number}": torch.from_numpy(picture) for number, picture in enumerate(case.pictures)}
    films = {f"raw_clip_{number}": torch.from_numpy(frames) for number, (frames, _) in enumerate(case.clips)}
    if films:
        films["clip_seconds"] = torch.tensor([seconds for _, seconds in case.clips])
    write_safetensors(out / "inputs.safetensors", {**inputs, **raw, **films})
    write_safetensors(out / "expected.safetensors", expected)
    meta = {
        **facts,
        "seed": seed,
        "class": type(model).__name__,
        "attn": case.attention,
        "torch": torch.__version__,
        "transformers": library().__version__,
        "fwd_kw": dict(case.options),
        "main": main,
        "generate": {"new_tokens": NEW_TOKENS, "returns": _returns(model), "ignore_eos": True} if case.writes else None,
        "derived": sorted(
            key for key in inputs if (case.pictures and key in DERIVED) or (case.clips and key in DERIVED_OF_CLIPS)
        ),
        "pad_zeroed": padded,
    }
    write_json(out / "meta.json", meta)


def _returns(model: Any) -> str:
    return "start+new" if model.config.is_encoder_decoder else "prompt+new"


def redraw(model: torch.nn.Module, seed: int) -> None:
    """Matrices with the variance of 1 / inputs; vectors around 1 where they were near it, around 0 elsewhere."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.Generator().manual_seed((zlib.crc32(name.encode()) + 7919 * seed) % 2**31)
            noise = torch.randn(parameter.shape, generator=drawn)
            if parameter.ndim > 1 and parameter[0].numel() > 1:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
            else:
                centre = 1.0 if parameter.ndim and float(parameter.mean()) > 0.5 else 0.0
                parameter.copy_(centre + 0.2 * noise)


def outputs(model: Any, case: Case, inputs: dict[str, Any]) -> dict[str, Tensor]:
    """Every tensor that the reference returns, and the tokens that it writes greedily."""
    found = answer(model, inputs, dict(case.options))
    if case.writes:
        with torch.no_grad():
            model.generation_config.eos_token_id = None
            model.generation_config.pad_token_id = 0
            limits = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "do_sample": False}
            prompt = {name: tensor for name, tensor in inputs.items() if name != "decoder_input_ids"}
            found["generated"] = model.generate(**prompt, **limits)
    return {key: tensor.clone() for key, tensor in found.items()}


def answer(model: Any, inputs: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Tensor]:
    """Every tensor that the reference returns of one reading."""
    accepted = inspect.signature(model.forward).parameters
    plain = {"output_hidden_states": True, **({"use_cache": False} if "use_cache" in accepted else {})}
    with torch.no_grad():
        return _tensors(model(**inputs, **options, **plain))


def _tensors(value: Any, path: str = "") -> dict[str, Tensor]:
    """The tensors in nested outputs, by dotted path; caches and scalars are left out."""
    if isinstance(value, Tensor):
        return {path: value}
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    else:
        return {}
    nested = (_tensors(inner, f"{path}.{key}" if path else str(key)) for key, inner in items)
    return {name: tensor for found in nested for name, tensor in found.items()}


def _padded(expected: dict[str, Tensor], mask: Tensor | None) -> list[str]:
    """Zeroes what stands at pads, which means nothing; the names of the tensors that have such places."""
    if mask is None or bool((mask != 0).all()):
        return []
    names = [k for k, x in expected.items() if x.is_floating_point() and x.ndim == 3 and x.shape[:2] == mask.shape]
    for name in names:
        expected[name] = expected[name].masked_fill((mask == 0)[..., None], 0)
    return names
