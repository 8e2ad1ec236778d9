"""Rotary positions and what stretches them, from any of the spellings of configs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chiasm.errors import BadConfig
from chiasm.layout import Config
from chiasm.spec import DynamicNtk, LinearScaling, Llama3Scaling, LongRope, Plain, Rope, Scaling, Yarn

FIELDS = (
    "attention_factor", "beta_fast", "beta_slow", "factor", "high_freq_factor", "long_factor", "low_freq_factor",
    "mrope_section", "mscale", "mscale_all_dim", "original_max_position_embeddings", "partial_rotary_factor", "rope_theta",
    "rope_type", "short_factor", "type",
)  # fmt: skip
"""What rotary positions are told by, whichever of them a kind needs."""


def rope(c: Config, theta: float, context: int) -> Rope:
    """Rotary positions in any of three spellings: rope_parameters; rope_theta with rope_scaling; and its old `type`.

    `theta` and `context` are the published class's defaults."""
    c.inert("rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor")
    c.only("rope_interleaved", False)
    told = c.setting("rope_parameters" if c.data.get("rope_parameters") else "rope_scaling")
    told.inert("mrope_interleaved", *FIELDS)
    if told.data.get("mrope_section"):
        # Axes that take frequencies in turn, as Qwen3-VL's do, and not in sections.
        told.only("mrope_interleaved", False)
    if told.data:
        told.only("truncate", True)
    fields = told.data
    base = fields.get("rope_theta") or c.data.get("rope_theta") or theta
    sections = tuple(fields.get("mrope_section") or ())
    kind = fields.get("rope_type") or fields.get("type") or "default"
    share = fields.get("partial_rotary_factor") or c.first("partial_rotary_factor", default=1.0)
    return Rope(float(base), scaling(c, kind, fields, context), sections, float(share))


def scaling(c: Config, kind: str, fields: Mapping[str, Any], context: int) -> Scaling:
    """The scaling of rotary frequencies by its published name. Raises `BadConfig` for one that is not done."""
    longest = c.get("max_position_embeddings", context)
    match kind:
        case "default" | "mrope":
            return Plain()
        case "linear":
            return LinearScaling(float(fields["factor"]))
        case "llama3":
            low, high = float(fields["low_freq_factor"]), float(fields["high_freq_factor"])
            return Llama3Scaling(float(fields["factor"]), low, high, int(fields["original_max_position_embeddings"]))
        case "dynamic":
            return DynamicNtk(float(fields["factor"]), longest)
        case "longrope" | "su":
            original = fields.get("original_max_position_embeddings") or c.first("original_max_position_embeddings")
            factor = fields.get("factor") or longest / original
            louder = longrope_louder(factor, original)
            short, long = (tuple(map(float, fields[name])) for name in ("short_factor", "long_factor"))
            return LongRope(short, long, float(fields.get("attention_factor") or louder), original)
        case "yarn":
            return yarn(fields, longest)
        case _:
            known = "default, mrope, linear, llama3, dynamic, longrope and yarn are"
            raise BadConfig(f"{c.path}: rope of type {kind!r} is not supported; {known}")


def longrope_louder(factor: float, original: int) -> float:
    """What LongRoPE multiplies queries and keys by, for a context `factor` times as long (arXiv:2402.13753)."""
    return 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))


def yarn(fields: Mapping[str, Any], longest: int) -> Yarn:
    """YaRN's frequencies; where a config says nothing of the `mscale` that it took, the paper's own."""
    original = fields.get("original_max_position_embeddings") or longest
    factor = float(fields.get("factor") or longest / original)
    some, every = fields.get("mscale"), fields.get("mscale_all_dim")
    louder = yarn_louder(factor, some) / yarn_louder(factor, every) if some and every else yarn_louder(factor, 1)
    fast, slow = float(fields.get("beta_fast") or 32), float(fields.get("beta_slow") or 1)
    return Yarn(factor, original, fast, slow, float(fields.get("attention_factor") or louder))


def yarn_louder(factor: float, strength: float) -> float:
    """What YaRN multiplies queries and keys by, at a strength of 1 in its paper (arXiv:2309.00071)."""
    return 1.0 if factor <= 1 else 0.1 * strength * math.log(factor) + 1.0
