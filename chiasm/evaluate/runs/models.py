"""Models as runs name them, and what tells one from another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from chiasm.assistant import Assistant
from chiasm.evaluate.provenance import identity, machine, versions
from chiasm.loading import load, open_model
from chiasm.local import LocalAssistant

DEFAULT = "default"
SCORERS = ("jiwer", "faster-coco-eval", "nltk", "pycocoevalcap")
"""Packages that some scores are computed by, where they are installed."""


def named(model: str, compress: str | None = None, budget: str | None = None) -> Assistant:
    """A model by its name; `default` is Chiasm's own. It is shown less of pictures where `chiasm.load` is told so."""
    return load(None if model == DEFAULT else model, compress=compress, budget=budget)


def about(assistant: Assistant, model: str) -> Mapping[str, Any]:
    """What a number depends on beside the questions: weights, versions, the machine's kind, template and views."""
    scorers = {name: version(name) for name in SCORERS if find_spec(name.replace("-", "_")) is not None}
    facts: dict[str, Any] = {"versions": {**versions(), **scorers}}
    if isinstance(assistant, LocalAssistant):
        described = open_model(None if model == DEFAULT else model).described
        facts |= {"weights": identity(described), "machine": machine(assistant.model), **_asking(assistant)}
    return facts


def _asking(assistant: LocalAssistant) -> Mapping[str, Any]:
    """What questions and pictures become on their way to the model."""
    planner = assistant.planner
    if planner is None:
        return {}
    sight, source = planner.spec.sight, planner.template.source or ""
    seen = {} if sight is None else {"views": repr(sight.views), "pixels": repr(sight.pixels)}
    return {"template": hashlib.sha256(source.encode()).hexdigest(), **seen}
