"""Where chat templates run: the same Jinja as transformers', with a limit on work, on time and on size.

A checkpoint's template is somebody else's program. Jinja's sandbox keeps it from reaching Python, but not from looping
for hours or from asking for terabytes. Three limits close that here:

- work and time: a trace function counts every line that the template and Jinja's own filters execute, and looks at the
  thread's clock (processor time, so that a loaded machine refuses nothing); a loop, a recursion or a chain of
  generators ends after `STEPS` lines or `SECONDS`;
- operands: each value that an operator, a filter, a method or an output statement is about to read is weighed as if
  written out in full (nested lists that repeat one string weigh what they would print) and refused above `SIZE`;
- growth: the few operations whose result can be much larger than their operands (repetition, powers, padding,
  `replace`, `join`, formatting) are checked before they run.

What is written out in all is limited to `SIZE` characters as well.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import BuiltinMethodType, FrameType, FunctionType
from typing import Any

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.nodes import EvalContext
from jinja2.parser import Parser
from jinja2.runtime import Context, markup_join, str_join
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

SIZE = 8_000_000
STEPS = 2_000_000
SECONDS = 5.0
WIDTH = 10_000
BITS = 4_096
_CHEAP = frozenset({"count", "d", "default", "first", "last", "length", "trim", "upper", "lower", "safe"})
_WIDE = {
    "%": re.compile(r"%(\([^)]*\))?[-#0 +]*\d*\.?(\*|\d{5,})"),
    "{": re.compile(r":[^{}]*(\{|\d{5,})"),
}


class Exhausted(BaseException):
    """A template went over a limit. Not an `Exception`, so that nothing inside Jinja can swallow it."""


@contextmanager
def limited() -> Iterator[None]:
    """Runs its body under the limits of work and time; raises `Exhausted`. One thread is measured: the caller's."""
    left, deadline = STEPS, time.thread_time() + SECONDS

    def step(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename == __file__:
            return None  # the guards' own work is bounded by `SIZE`
        left -= 1
        if left < 0:
            raise Exhausted(f"it ran for more than {STEPS:,} steps")
        if left % 16 == 0 and time.thread_time() > deadline:
            raise Exhausted(f"it ran for more than {SECONDS:g} seconds")
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        yield
    except (MemoryError, RecursionError) as e:
        raise Exhausted(f"it ended in {type(e).__name__}") from None
    finally:
        sys.settrace(before)


def weigh(*values: object) -> int:
    """The characters that the values would take if written out; raises `Exhausted` above `SIZE`."""
    total, stack = 0, list(values)
    while stack:
        value = stack.pop()
        if isinstance(value, (str, bytes)):
            total += len(value) + 2
        elif isinstance(value, Mapping):
            total += 2
            stack.extend(value.keys())
            stack.extend(value.values())
        elif isinstance(value, (list, tuple, set, frozenset)):
            total += 2 * len(value)
            stack.extend(value)
        elif isinstance(value, int):
            total += value.bit_length() // 3
        else:
            total += 2
        if total > SIZE or len(stack) > SIZE:
            raise Exhausted(f"a value in it would take more than {SIZE:,} characters")
    return total


def _allow(size: int) -> None:
    if size > SIZE:
        raise Exhausted(f"a value in it would take more than {SIZE:,} characters")


def _allow_width(*values: object) -> None:
    for value in values:
        if isinstance(value, int) and abs(value) > WIDTH:
            raise Exhausted(f"it asks for a width or count of {value}; the most is {WIDTH:,}")


def _allow_format(text: object, marks: str, arguments: tuple[object, ...]) -> None:
    if isinstance(text, str):
        if _WIDE[marks].search(text):
            raise Exhausted("it formats with a width that is too large or not a constant")
        _allow(len(text) + text.count(marks) * (weigh(*arguments) + 10_000))


def _pieces(values: Iterable[object], separator: str) -> list[str]:
    pieces, total = [], 0
    for value in values:
        total += weigh(value) + len(separator)
        _allow(total)
        pieces.append(str(value))
    return pieces


def _check_replace(text: object, old: object, new: object) -> None:
    if isinstance(text, str) and isinstance(old, str) and isinstance(new, str):
        _allow(len(text) + (text.count(old) if old else len(text) + 1) * len(new))


def _joined(value: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        value = (item[attribute] for item in value)
    return str(d).join(_pieces(value, str(d)))


def _guarded_filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    context_first = 1 if isinstance(function, FunctionType) and "jinja_pass_arg" in vars(function) else 0

    if name in _CHEAP:
        return function

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        subject, *rest = args[context_first:]
        given = (*rest, *kwargs.values())
        size = weigh(subject, *given)
        _allow_width(*given)
        match name:
            case "replace":
                _check_replace(str(subject), *(str(one) for one in given[:2]))
            case "format":
                _allow_format(subject, "%", given)
            case "indent" | "wordwrap" | "tojson":
                _allow(size * (1 + max((one if isinstance(one, int) else weigh(one) for one in given), default=4)))
        return function(*args, **kwargs)

    return guarded


def _tojson(
    x: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@jinja2.pass_eval_context
def _written_together(context: EvalContext, values: tuple[object, ...]) -> str:
    return markup_join(values) if context.autoescape else str_join(values)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)


class _Dict:
    """`dict(...)` for templates without the class itself, which would lead on to Python."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, keys: Iterable[Any], value: Any = None) -> dict[Any, Any]:
        return dict.fromkeys(keys, value)


class _Namespace(jinja2.utils.Namespace):
    """Jinja's `namespace` without names that begin with an underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        this, *positional = args
        values = dict(*positional, **kwargs)
        for name in values:
            _Namespace._public(name)
        jinja2.utils.Namespace.__init__(this, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _Namespace._public(name)
        super().__setitem__(name, value)

    @staticmethod
    def _public(name: object) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"a namespace cannot hold {name!r}: it begins with an underscore")


class _Generation(jinja2.ext.Extension):
    """`{% generation %}`, which some templates put around the assistant's words, is a plain block here."""

    tags = {"generation"}  # noqa: RUF012  (jinja2's own declaration)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True)).set_lineno(line)


class _Weighed(NodeTransformer):
    """Sends `a ~ b`, which Jinja's sandbox does not intercept, through a filter, where operands are weighed."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        joined = nodes.Tuple(node.nodes, "load", lineno=node.lineno)
        return nodes.Filter(joined, "written_together", [], [], None, None, lineno=node.lineno)


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """transformers' environment for chat templates (5.23: settings, extensions, globals and filters), with limits."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, jinja2.ext.loopcontrols],
            finalize=self._weighed_output,
        )
        functions = {**self.filters, "tojson": _tojson, "join": _joined, "written_together": _written_together}
        self.filters = {name: _guarded_filter(name, function) for name, function in functions.items()}
        self.globals |= {
            "raise_exception": _raise_exception,
            "strftime_now": _strftime_now,
            "dict": _Dict(),
            "namespace": _Namespace,
        }

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Weighed().visit(super()._parse(source, name, filename))
        tree.set_environment(self)
        return tree

    @staticmethod
    def _weighed_output(value: object) -> object:
        if isinstance(value, (list, tuple, dict, set)):
            weigh(value)
        return value

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        """Joins what a template, a macro or a set block wrote."""
        return "".join(_pieces(parts, ""))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        size = weigh(left, right)
        match operator:
            case "*" if isinstance(left, int) and isinstance(right, int):
                _allow_bits(left.bit_length() + right.bit_length())
            case "*" if isinstance(left, int) or isinstance(right, int):
                count = left if isinstance(left, int) else right
                _allow(size * max(1, count))
            case "**" if isinstance(left, int) and isinstance(right, int):
                _allow_bits(left.bit_length() * max(right, 1))
            case "%":
                _allow_format(left, "%", (right,))
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        formatter = super().wrap_str_format(value)
        if formatter is None:
            return None

        def checked(*args: Any, **kwargs: Any) -> str:
            _allow_format(value.__self__, "{", (args, kwargs))
            return formatter(*args, **kwargs)

        return checked

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        weigh(*given)
        if isinstance(__obj, BuiltinMethodType) and isinstance(__obj.__self__, (str, bytes)):
            args = _checked_method(__obj.__self__, __obj.__name__, args, given)
        return super().call(__context, __obj, *args, **kwargs)


def _allow_bits(bits: int) -> None:
    if bits > BITS:
        raise Exhausted(f"it computes a number of more than {BITS:,} bits")


def _checked_method(text: str | bytes, name: str, args: tuple[Any, ...], given: tuple[Any, ...]) -> tuple[Any, ...]:
    match name:
        case "join" if args:
            return (_pieces(args[0], str(text)), *args[1:])
        case "replace" if len(args) >= 2:
            _check_replace(text, args[0], args[1])
        case "translate" | "expandtabs":
            _allow_width(*given)
            _allow(weigh(text) * (1 + max((one if isinstance(one, int) else weigh(one) for one in given), default=8)))
        case "center" | "ljust" | "rjust" | "zfill":
            _allow_width(*given)
    return args
