"""Models as runs name them, and what tells one from another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chiasm.assistant import Assistant
from chiasm.evaluate.provenance import identity, machine, versions
from chiasm.loading import load, open_model
from chiasm.local import LocalAssistant

DEFAULT = "default"


def named(model: str, compress: str | None = None, budget: str | None = None) -> Assistant:
    """A model by its name; `default` is Chiasm's own. It is shown less of pictures where `chiasm.load` is told so."""
    return load(None if model == DEFAULT else model, compress=compress, budget=budget)


def about(assistant: Assistant, model: str) -> Mapping[str, Any]:
    """What a number depends on beside the questions: weights, versions, the machine's kind."""
    facts: dict[str, Any] = {"versions": versions()}
    if isinstance(assistant, LocalAssistant):
        described = open_model(None if model == DEFAULT else model).described
        facts |= {"weights": identity(described), "machine": machine(assistant.model)}
    return facts
