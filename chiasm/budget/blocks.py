"""The arithmetic of a transformer's block, as `work` counts it."""

from __future__ import annotations

from chiasm.spec import Block


def linear_of(block: Block, tokens: int) -> int:
    """All linear layers of a block over so many tokens."""
    return projections_of(block, tokens) + after_attention(block, tokens)


def projections_of(block: Block, tokens: int) -> int:
    """The linear layers of queries, keys and values."""
    if block.latent is not None:
        narrow, across = block.latent, block.heads * block.head_width
        asked = block.width * across
        if narrow.queries is not None:
            asked = narrow.queries * (block.width + across)
        unfolded = block.heads * (block.head_width - narrow.turned + narrow.values)
        return 2 * tokens * (asked + block.width * (narrow.keys + narrow.turned) + narrow.keys * unfolded)
    return 2 * tokens * block.width * (block.heads + 2 * block.kv_heads) * block.head_width


def after_attention(block: Block, tokens: int) -> int:
    """What follows the attention: its output's product, and the MLP."""
    products = 3 if block.mlp == "gated" else 2
    inner = products * block.mlp_width
    if block.experts is not None:
        inner = 3 * (block.experts.active * block.experts.width + block.experts.shared) + block.experts.count
    return 2 * tokens * block.width * (block.heads * block.value_width + inner)


def attention_of(block: Block, pairs: int) -> int:
    """Scores and weighted sums of so many pairs of a query and a key."""
    return 2 * pairs * block.heads * (block.head_width + block.value_width)
