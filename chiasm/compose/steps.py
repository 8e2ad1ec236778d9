"""Connectors by name: `mlp2`, `shuffle:2+mlp2`, `resampler:64`, `qformer:32`, ... become steps of the widths that meet."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from itertools import accumulate

from chiasm.connect.compressed import COMPRESSIONS
from chiasm.errors import UserError
from chiasm.place import leaves
from chiasm.spec import Block, Merge, Mlp, Norm, Normed, Placed, QFormer, Resampler, Step, Tally

Made = tuple[Step, ...]

_QUERIES = Block(768, 12, 3072, 12, 64, Norm("layer", 1e-12), "gelu", norms="after")
"""BLIP-2's Q-Former has BERT's base size (arXiv:2301.12597)."""


FRAMES = 64
"""Frames that are told apart where no number is given: eight times as many as are usually taken of a clip."""


def _mlp(width: int, out: int, depth: int) -> Made:
    return (Mlp(out, out, depth),)


def _resampler(width: int, out: int, queries: int, depth: int = 3) -> Made:
    heads = max(1, width // 64)
    block = Block(
        width, heads, 4 * width, heads, width // heads, Norm("rms", 1e-6), "silu", "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False,
    )  # fmt: skip
    return (Resampler(block, depth, queries),)


def _alone(make: Callable[[int], Step]) -> Callable[[int, int, int], Made]:
    return lambda width, out, number: (make(number),)


KINDS: dict[str, tuple[str, int, Callable[[int, int, int], Made]]] = {
    "linear": ("one linear layer", 1, lambda width, out, _: _mlp(width, out, 1)),
    "mlp": ("N linear layers with GELU between", 2, _mlp),
    "shuffle": ("squares of N x N tokens joined by width (pixel shuffle)", 2, lambda width, out, side: (Merge(side),)),
    "merge": (
        "a norm, squares of N x N joined, two layers (Qwen2-VL)",
        2,
        lambda width, out, side: (Normed(Norm("layer", 1e-6)), Merge(side), Mlp(out, width * side * side, 2)),
    ),
    "resampler": ("N learned queries in three blocks (perceiver)", 64, _resampler),
    "compressor": ("N learned queries in one block (576 tokens to 64, say)", 64, lambda w, o, n: _resampler(w, o, n, 1)),
    "qformer": ("N learned queries in twelve blocks of BERT's size (BLIP-2)", 32, lambda w, o, n: (QFormer(_QUERIES, 12, n),)),
    "temporal-qformer": (
        "N learned queries that read all frames of a clip, each told its number",
        32,
        lambda w, o, n: (Placed(steps=FRAMES), QFormer(_QUERIES, 12, n)),
    ),
    "tally": ("N more tokens, which tell how many there are of each of N sorts", 12, _alone(lambda n: Tally(n, 1, 96))),
    "frame-index": ("a learned vector for each of up to N frames of a clip", FRAMES, _alone(lambda n: Placed(steps=n))),
    **{name: (said, usual, _alone(make)) for name, (said, usual, make) in COMPRESSIONS.items()},
}
"""What each word makes: its meaning, the number N that stands for none given, and the steps for a width that enters, the
decoder's width, and N."""


def steps(named: str | Made, width: int, out: int) -> Made:
    """The steps that lead tokens of `width` to the decoder's `out`; of names, a linear layer is added where they end in another
    width. Raises `UserError` for a word that means nothing and for steps whose last width is not the decoder's."""
    if isinstance(named, str):
        made: Made = ()
        for word in named.split("+"):
            made += _named(word.strip(), _width(made, width), out)
        return made if _width(made, width) == out else (*made, Mlp(out, out, depth=1))
    if _width(named, width) != out:
        last = type(named[-1]).__name__ if named else "none at all"
        left = f"the connector's last step ({last}) leaves {_width(named, width)} numbers a token"
        raise UserError(f"{left} and the language model takes {out}: add a linear layer to that width")
    return named


def _named(word: str, width: int, out: int) -> Made:
    kind = word.rstrip("0123456789").rstrip(":")
    number = word[len(kind) :].lstrip(":")
    if kind not in KINDS or (number and int(number) < 1):
        close = difflib.get_close_matches(kind, KINDS, cutoff=0.6) if kind not in KINDS else []
        known = ", ".join(f"{name} ({KINDS[name][0]})" for name in close or KINDS)
        raise UserError(f"no connector is called {word!r}; {'near it' if close else 'known'} are {known}, joined by +")
    _, usual, make = KINDS[kind]
    return make(width, out, int(number) if number else usual)


def _width(made: Made, width: int) -> int:
    *_, last = accumulate(made, lambda before, step: leaves(step, before), initial=width)
    return last
