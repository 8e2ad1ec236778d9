"""The arithmetic of a transformer's block, as `work` counts it."""

from __future__ import annotations

from chiasm.spec import DELTA_CHUNK, Attends, Block, Delta


def linear_of(block: Block, tokens: int) -> int:
    """All linear layers of a block over so many tokens."""
    return projections_of(block, tokens) + after_attention(block, tokens)


def projections_of(block: Block, tokens: int) -> int:
    """The linear layers of queries, keys and values, with what else a token is asked for before they are mixed."""
    if isinstance(block.mixer, Delta):
        mixer = block.mixer
        return 2 * tokens * (block.width * (mixer.channels + 2 * mixer.heads) + mixer.channels * mixer.kernel)
    if block.latent is not None:
        narrow, across = block.latent, block.heads * block.head_width
        asked = block.width * across
        if narrow.queries is not None:
            asked = narrow.queries * (block.width + across)
        unfolded = block.heads * (block.head_width - narrow.turned + narrow.values)
        return 2 * tokens * (asked + block.width * (narrow.keys + narrow.turned) + narrow.keys * unfolded)
    return 2 * tokens * block.width * (block.heads + 2 * block.kv_heads) * block.head_width


def after_attention(block: Block, tokens: int) -> int:
    """What follows the attention: its gate where it has one, its output's product, and the MLP."""
    products = 3 if block.mlp == "gated" else 2
    inner = products * block.mlp_width
    if block.experts is not None:
        inner = 3 * (block.experts.active * block.experts.width + block.experts.shared) + block.experts.count
    return 2 * tokens * block.width * (_left(block) + inner)


def _left(block: Block) -> int:
    """The numbers that what was mixed has, twice where a gate is computed for each."""
    match block.mixer:
        case Delta(heads=heads, value_width=width):
            return 2 * heads * width
        case Attends(gate="sigmoid"):
            return 2 * block.heads * block.value_width
        case Attends():
            return block.heads * block.value_width


def mixing_of(block: Block, asks: int, tokens: int) -> int:
    """How so many positions are mixed of which the last `asks` are asked for. A delta rule reads all of them: in each chunk
    the products of keys and queries with keys, those with the state, and the sum of what is written."""
    if not isinstance(block.mixer, Delta):
        return attention_of(block, asks * tokens)
    mixer, chunk = block.mixer, min(DELTA_CHUNK, tokens)
    keys, values = mixer.key_width, mixer.value_width
    each = 2 * chunk * (chunk * (2 * keys + values) + 3 * keys * values)
    return -(-tokens // chunk) * mixer.heads * each


def attention_of(block: Block, pairs: int) -> int:
    """Scores and weighted sums of so many pairs of a query and a key."""
    return 2 * pairs * block.heads * (block.head_width + block.value_width)
