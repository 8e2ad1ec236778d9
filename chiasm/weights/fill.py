"""Every parameter of a model gets its tensor from files: all names, shapes and kinds are checked before one is read."""

from __future__ import annotations

import logging
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from chiasm.errors import BadCheckpoint
from chiasm.layout import Form, Rule
from chiasm.weights.files import TensorFiles
from chiasm.weights.keys import Piece, formed, pieces, respelt

log = logging.getLogger("chiasm")

FLOATS = frozenset(("F64", "F32", "F16", "BF16"))
"""Kinds of numbers that weights may be stored as."""


@dataclass(frozen=True)
class Place:
    """Where one of our parameters is: a tensor of a file, or a piece of it."""

    files: TensorFiles
    source: str
    piece: Piece

    @property
    def shape(self) -> tuple[int, ...]:
        shape = tuple(self.files[self.source].shape)
        if len(self.piece.shares) > 1:
            shape = (shape[0] * self.piece.shares[self.piece.part] // sum(self.piece.shares), *shape[1:])
        form = self.piece.form
        return shape if form is None else shaped(shape, form)

    def read(self) -> torch.Tensor:
        return self.piece.cut(self.files.get(self.source))


def shaped(theirs: tuple[int, ...], form: Form) -> tuple[int, ...]:
    """The shape in which a tensor of theirs arrives; its own where the form does not fit it, so that both are named."""
    try:
        return tuple(formed(torch.empty(theirs, device="meta"), form).shape)
    except RuntimeError:
        return theirs


def fill(
    model: nn.Module,
    found: dict[str, Place],
    folder: Path,
    dtype: torch.dtype,
    device: torch.device | str,
    made: dict[str, torch.Tensor] | None = None,
) -> None:
    """Gives every parameter of a model on the meta device its tensor; all names and shapes are checked first. `made` are
    parameters that a caller initialised on purpose."""
    made = made or {}
    wanted = dict(model.named_parameters())
    _all_there(wanted, found.keys() | made.keys(), folder)
    for name, parameter in wanted.items():
        if name not in made:
            _same_kind(name, parameter, found[name])
    spare = sorted(found.keys() - wanted.keys())
    if spare:
        place, several = found[spare[0]], f" and {len(spare) - 1} more" if len(spare) > 1 else ""
        said = "tensor %r of %s%s fits no part that config.json describes and is left out"
        log.warning(said, place.source, place.files[place.source].file, several)
    for name, parameter in wanted.items():
        tensor = (made[name] if name in made else found[name].read()).to(device=device, dtype=dtype)
        _set(model, name, nn.Parameter(tensor.contiguous(), requires_grad=parameter.requires_grad))


def located(files: TensorFiles, keys: tuple[Rule, ...]) -> dict[str, Place]:
    """Where each of our parameters is. Names that no rule of the layout speaks of are warned about."""
    canon = respelt(files, keys)
    in_file = {known: name for name, known in canon.items()}
    found, unknown = pieces(in_file, keys)
    for name in unknown:
        log.warning("tensor %r of %s means nothing to this layout and is left out", in_file[name], files.files[0].parent)
    return {ours: Place(files, in_file[piece.theirs], piece) for ours, piece in found.items()}


def _all_there(wanted: dict[str, nn.Parameter], found: Set[str], folder: Path) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        several = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        message = (
            f"{folder} holds no tensor for the parameter {missing[0]!r}{several}: the weights are not whole, or config.json "
            "describes another model"
        )
        raise BadCheckpoint(message)


def _same_kind(name: str, parameter: nn.Parameter, place: Place) -> None:
    if place.shape != tuple(parameter.shape):
        message = (
            f"tensor {place.source!r} in {place.files[place.source].file} has the shape {place.shape}, but config.json makes "
            f"the parameter {name!r} {tuple(parameter.shape)}"
        )
        raise BadCheckpoint(message)
    stored = place.files[place.source]
    if stored.dtype not in FLOATS:
        message = (
            f"tensor {place.source!r} in {stored.file} is of {stored.dtype}, and the parameter {name!r} is read from "
            f"{', '.join(sorted(FLOATS))}: if they were quantised, name a folder with the weights before that"
        )
        raise BadCheckpoint(message)


def _set(model: nn.Module, name: str, parameter: nn.Parameter) -> None:
    path, _, last = name.rpartition(".")
    setattr(model.get_submodule(path), last, parameter)
