"""Jinja's filters and methods of texts with their operands weighed, and transformers' own filters."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import jinja2
import jinja2.ext
from jinja2.nodes import EvalContext
from jinja2.runtime import markup_join, str_join

from chiasm.prompt.sandbox.limits import allow, allow_format, allow_replace, allow_width, pieces_of, weigh

_CHEAP = frozenset({"count", "d", "default", "first", "last", "length", "trim", "upper", "lower", "safe"})


def joined(value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    """Jinja's `join`, piece by piece within the limit."""
    if attribute is not None:
        value = (item[attribute] for item in value)
    return str(d).join(pieces_of(value, str(d)))


def weighed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that raises `Exhausted` before it reads or makes too much."""
    context_first = 1 if isinstance(function, FunctionType) and "jinja_pass_arg" in vars(function) else 0

    if name in _CHEAP:
        return function

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        subject, *rest = args[context_first:]
        given = (*rest, *kwargs.values())
        size = weigh(subject, *given)
        allow_width(*given)
        match name:
            case "replace":
                allow_replace(str(subject), *(str(one) for one in given[:2]))
            case "format":
                allow_format(subject, "%", given)
            case "indent" | "wordwrap" | "tojson":
                allow(size * (1 + max((one if isinstance(one, int) else weigh(one) for one in given), default=4)))
        return function(*args, **kwargs)

    return guarded


def tojson(
    x: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers has it, which escapes nothing for HTML."""
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@jinja2.pass_eval_context
def written_together(context: EvalContext, values: tuple[object, ...]) -> str:
    """What `a ~ b` writes."""
    return markup_join(values) if context.autoescape else str_join(values)


def checked_method(text: str | bytes, name: str, args: tuple[Any, ...], given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments for a method of a text; raises `Exhausted` where it would make too much of them."""
    match name:
        case "join" if args:
            return (pieces_of(args[0], str(text)), *args[1:])
        case "replace" if len(args) >= 2:
            allow_replace(text, args[0], args[1])
        case "translate" | "expandtabs":
            allow_width(*given)
            allow(weigh(text) * (1 + max((one if isinstance(one, int) else weigh(one) for one in given), default=8)))
        case "center" | "ljust" | "rjust" | "zfill":
            allow_width(*given)
    return args
