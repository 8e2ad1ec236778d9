"""A model in the form in which it answers."""

from __future__ import annotations

from chiasm.generate import flat_row, one_row
from chiasm.model import AnyModel, Causal, prepare


def ready(model: AnyModel) -> None:
    """Takes a model's form for inference, for good, and the quickest way to read one token of one row that there is for it
    here: the compiled program, which needs the weights as they were loaded, or one function of torch."""
    compiled = isinstance(model, Causal) and one_row.attach(model.language)
    prepare(model)
    if isinstance(model, Causal) and not compiled and flat_row.attach(model.language):
        model.lay_head()
