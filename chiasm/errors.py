"""Every exception of Chiasm, so that a caller can catch by kind and the command line can tell a mistake from a defect."""

from __future__ import annotations

import importlib
from types import ModuleType


class ChiasmError(Exception):
    """Base of everything that Chiasm raises on purpose."""


class UserError(ChiasmError):
    """The caller's input cannot be used; the message names it, what was expected and what to do. Exit code 2."""


class BadPicture(UserError):
    """A picture, clip, scan or sound that is missing, broken, too large or of a kind that is not read."""


class BadCheckpoint(UserError):
    """A model folder or weight file that is missing, cut short, pickled, or does not fit its own configuration."""


class BadConfig(BadCheckpoint):
    """A configuration with a field that Chiasm does not know how to honour."""


class UnknownModel(UserError):
    """A model or family name that nothing answers to; the message lists the nearest ones."""


class BadPrompt(UserError):
    """A conversation or a row of ids that cannot be laid out: empty, or pictures and placeholders disagree."""


class Overflow(UserError):
    """A sequence longer than the model's context; the message says by how much and what to lower."""


class MissingExtra(UserError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class Offline(UserError):
    """Something must be fetched and CHIASM_OFFLINE forbids it."""


class RemoteFailure(ChiasmError):
    """A service cannot be reached, refuses the key, or fails again and again: no fault of the one request that met it."""


class Unsupported(ChiasmError):
    """A model was asked for something that it cannot do."""

    def __init__(self, verb: str, model: str) -> None:
        super().__init__(f"{model} cannot {verb}.")
        self.verb, self.model = verb, model


def need(module: str, extra: str) -> ModuleType:
    """Imports an optional dependency, or raises `MissingExtra` naming the extra that installs it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        if e.name is None or e.name.split(".")[0] != module.split(".")[0]:
            raise
        message = f"This needs the package {module.split('.')[0]!r}, which is optional: pip install 'chiasm[{extra}]'"
        raise MissingExtra(message) from None
