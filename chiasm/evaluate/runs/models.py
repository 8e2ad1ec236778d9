"""Models as runs name them, and what tells one from another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from chiasm.assistant import Assistant
from chiasm.evaluate.provenance import hashes, identity, machine, versions
from chiasm.loading import load, open_model
from chiasm.local import LocalAssistant
from chiasm.remote.assistant import RemoteAssistant
from chiasm.remote.in_process import LibraryAssistant

DEFAULT = "default"
SCORERS = ("jiwer", "faster-coco-eval", "nltk", "pycocoevalcap")
"""Packages that some scores are computed by, where they are installed."""


def named(model: str, compress: str | None = None, budget: str | None = None) -> Assistant:
    """A model by its name; `default` is Chiasm's own. It is shown less of pictures where `chiasm.load` is told so."""
    return load(None if model == DEFAULT else model, compress=compress, budget=budget)


def about(assistant: Assistant, model: str) -> Mapping[str, Any]:
    """What a number depends on beside the questions: weights, versions, the machine's kind, template and views; of a service
    where it is and which model of it is asked, never its key."""
    scorers = {name: version(name) for name in SCORERS if find_spec(name.replace("-", "_")) is not None}
    made = {**versions(), **scorers}
    match assistant:
        case LocalAssistant(model=modules):
            described = open_model(None if model == DEFAULT else model).described
            return {"versions": made, "weights": identity(described), "machine": machine(modules), **_asking(assistant)}
        case LibraryAssistant(model=modules, folder=folder):
            made["transformers"] = version("transformers")
            return {"versions": made, "weights": {"files": hashes({"model": folder})}, "machine": machine(modules)}
        case RemoteAssistant(endpoint=endpoint):
            service = {"api": endpoint.api, "host": endpoint.host, "model": endpoint.model}
            return {"versions": made, "service": service}
        case _:
            return {"versions": made}


def _asking(assistant: LocalAssistant) -> Mapping[str, Any]:
    """What questions and pictures become on their way to the model."""
    planner = assistant.planner
    if planner is None:
        return {}
    sight, source = planner.spec.sight, planner.template.source or ""
    seen = {} if sight is None else {"views": repr(sight.views), "pixels": repr(sight.pixels)}
    return {"template": hashlib.sha256(source.encode()).hexdigest(), **seen}
