"""How a published folder becomes a spec: values that families declare, and the config that their readers are handed.

A `Layout` belongs to one `model_type`. Its reader turns a `Config` into a model or a part of one; the config keeps account
of every field that was read, so that a field nobody honours is warned about by name and a value that is not done is refused.
Key rules map checkpoint names (theirs) to parameter names (ours) and back.
"""

from __future__ import annotations

from chiasm.layout.config import ACTS, REQUIRED, Config
from chiasm.layout.keys import Form, Fused, Ignored, Name, Reshaped, Respelt, Rule, Shared, alone, rows, transposed, under
from chiasm.layout.reading import Adapters, Beside, Layout, Reading, Spoken

__all__ = [
    "ACTS",
    "REQUIRED",
    "Adapters",
    "Beside",
    "Config",
    "Form",
    "Fused",
    "Ignored",
    "Layout",
    "Name",
    "Reading",
    "Reshaped",
    "Respelt",
    "Rule",
    "Shared",
    "Spoken",
    "alone",
    "rows",
    "transposed",
    "under",
]
