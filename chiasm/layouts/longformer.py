"""Folders of Longformer, or with it as a part: BERT whose tokens see a window around them (arXiv:2004.05150).

No token is global here: the layers that global tokens would use are carried from file to file and read by nothing.
"""

from chiasm.errors import BadConfig
from chiasm.layout import Config, Ignored, Layout, Name, Reading, Respelt, Rule
from chiasm.spec import Bidirectional, Learned
from chiasm.towers.bert import BERT_KEYS, bert_block

PARTS = ("query", "key", "value")

KEYS: tuple[Rule, ...] = (
    Respelt("longformer.", ""),
    Ignored("lm_head.**"),
    *(Name(f"encoder.layer.*.attention.self.{part}_global.*", f"carried.*.{part}.*") for part in PARTS),
    *BERT_KEYS,
)


def read(c: Config) -> Reading:
    c.only("is_decoder", False)
    c.inert("sep_token_id", "onnx_export", "ignore_attention_mask", "attention_mode", "tie_word_embeddings")
    windows = c.get("attention_window", 512)
    each = {windows} if isinstance(windows, int) else set(windows)
    if len(each) != 1 or min(each) % 2:
        raise BadConfig(f"{c.path}: attention_window = {windows} is not supported; one even number for all layers is")
    block = bert_block(c)
    # Places follow the pad's id, and pads have none.
    before = c.get("pad_token_id", 1) + 1
    places = c.get("max_position_embeddings", 512) - before
    depth, shapes = c.get("num_hidden_layers", 12), {"weight": (block.width, block.width), "bias": (block.width,)}
    unread = (
        (f"{number}.{part}.{kind}", shape) for number in range(depth) for part in PARTS for kind, shape in shapes.items()
    )  # fmt: skip
    spec = Bidirectional(
        block, depth, c.get("vocab_size", 30522), Learned(places, before), c.get("type_vocab_size", 2),
        places, pool="tanh", reach=each.pop() // 2, counts="tokens", carried=tuple(unread),
    )  # fmt: skip
    return Reading(spec, KEYS)


LAYOUTS = (Layout("longformer", read),)
