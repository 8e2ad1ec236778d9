"""transformers' environment for chat templates, every operation of which is weighed before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import BuiltinMethodType
from typing import Any

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from chiasm.prompt.sandbox.extras import Dict, Generation, Namespace, raise_exception, strftime_now
from chiasm.prompt.sandbox.filters import checked_method, joined, tojson, weighed, written_together
from chiasm.prompt.sandbox.limits import allow, allow_bits, allow_format, pieces_of, weigh


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
            extensions=[Generation, jinja2.ext.loopcontrols],
            finalize=self._weighed_output,
        )
        functions = {**self.filters, "tojson": tojson, "join": joined, "written_together": written_together}
        self.filters = {name: weighed(name, function) for name, function in functions.items()}
        self.globals |= {
            "raise_exception": raise_exception,
            "strftime_now": strftime_now,
            "dict": Dict(),
            "namespace": Namespace,
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
        return "".join(pieces_of(parts, ""))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        size = weigh(left, right)
        match operator:
            case "*" if isinstance(left, int) and isinstance(right, int):
                allow_bits(left.bit_length() + right.bit_length())
            case "*" if isinstance(left, int) or isinstance(right, int):
                count = left if isinstance(left, int) else right
                allow(size * max(1, count))
            case "**" if isinstance(left, int) and isinstance(right, int):
                allow_bits(left.bit_length() * max(right, 1))
            case "%":
                allow_format(left, "%", (right,))
        return super().call_binop(context, operator, left, right)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        formatter = super().wrap_str_format(value)
        if formatter is None:
            return None

        def checked(*args: Any, **kwargs: Any) -> str:
            allow_format(value.__self__, "{", (args, kwargs))
            return formatter(*args, **kwargs)

        return checked

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        weigh(*given)
        if isinstance(__obj, BuiltinMethodType) and isinstance(__obj.__self__, (str, bytes)):
            args = checked_method(__obj.__self__, __obj.__name__, args, given)
        return super().call(__context, __obj, *args, **kwargs)
