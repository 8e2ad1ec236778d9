"""What transformers adds to Jinja for chat templates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.parser import Parser


def raise_exception(message: str) -> None:
    """How a template refuses a conversation."""
    raise jinja2.TemplateError(message)


def strftime_now(format: str) -> str:
    """The time of day, for templates that tell it."""
    return datetime.now().strftime(format)


class Dict:
    """`dict(...)` for templates without the class itself, which would lead on to Python."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, keys: Iterable[Any], value: Any = None) -> dict[Any, Any]:
        return dict.fromkeys(keys, value)


class Namespace(jinja2.utils.Namespace):
    """Jinja's `namespace` without names that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        this, *positional = args
        values = dict(*positional, **kwargs)
        for name in values:
            Namespace._public(name)
        jinja2.utils.Namespace.__init__(this, values)

    def __setitem__(self, name: str, value: Any) -> None:
        Namespace._public(name)
        super().__setitem__(name, value)

    @staticmethod
    def _public(name: object) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"a namespace cannot hold {name!r}: it begins with an underscore")


class Generation(jinja2.ext.Extension):
    """`{% generation %}`, which some templates put around the assistant's words, is a plain block here."""

    tags = {"generation"}  # noqa: RUF012  (jinja2's own declaration)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True)).set_lineno(line)
