"""What models after Flamingo's recipe (arXiv:2204.14198) share, as data."""

from dataclasses import replace

from chiasm.layout import Respelt, Rule
from chiasm.spec import Activation, Block, Norm


def perceiver(width: int, heads: int, head_width: int, mlp_width: int, act: Activation) -> Block:
    """The block in which learned queries read a picture: LayerNorm, a plain MLP, no biases in its products."""
    return Block(
        width, heads, mlp_width, heads, head_width, Norm("layer", 1e-5), act, qkv_bias=False, out_bias=False, mlp_bias=False
    )


def wrapped(rules: tuple[Rule, ...], by: str) -> tuple[Rule, ...]:
    """A decoder's rules where each of its layers stands inside another module."""

    def inside(rule: Rule) -> Rule:
        if isinstance(rule, Respelt) or not rule.theirs.startswith("layers.*."):
            return rule
        return replace(rule, theirs=rule.theirs.replace("layers.*.", f"layers.*.{by}", 1))

    return tuple(inside(rule) for rule in rules)
