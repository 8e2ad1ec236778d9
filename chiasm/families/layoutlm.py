"""LayoutLM (arXiv:1912.13318): BERT whose words also know the corners and the size of their boxes on the page."""

from typing import Any

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Respelt, Rule, under
from chiasm.spec import Bidirectional, BoxTables, EncodePage, Family, Labels, Learned
from chiasm.towers.bert import BERT_KEYS, bert_block, post_norm

BOXES: tuple[Rule, ...] = (
    Name("embeddings.x_position_embeddings.weight", "boxes.x.weight"),
    Name("embeddings.y_position_embeddings.weight", "boxes.y.weight"),
    Name("embeddings.h_position_embeddings.weight", "boxes.height.weight"),
    Name("embeddings.w_position_embeddings.weight", "boxes.width.weight"),
    *BERT_KEYS,
)


def read(c: Config) -> Reading:
    c.inert("tie_word_embeddings", "output_past")
    block = bert_block(c)
    positions = c.get("max_position_embeddings", 512)
    text = Bidirectional(
        block, c.get("num_hidden_layers", 12), c.get("vocab_size", 30522), Learned(positions), c.get("type_vocab_size", 2),
        positions, pool="tanh",
    )  # fmt: skip
    boxes = BoxTables(c.get("max_2d_position_embeddings", 1024), block.width, block.width, "added", "last")
    if "LayoutLMForTokenClassification" in (c.data.get("architectures") or ()):
        labels = Labels(len(c.data.get("id2label") or ()) or c.get("num_labels", 2))
        keys = (*under("layoutlm.", "text.", BOXES), Name("classifier.*", "labels.out.*"))
        return Reading(EncodePage(text, boxes, labels=labels), keys)
    keys = (Respelt("layoutlm.", ""), Ignored("cls.**"), *under("", "text.", BOXES))
    return Reading(EncodePage(text, boxes), keys)


LAYOUTS = (Layout("layoutlm", read),)


def layoutlm(width: int, depth: int, heads: int) -> EncodePage:
    text = Bidirectional(post_norm(width, heads), depth, 30522, Learned(512), 2, 512, pool="tanh")
    return EncodePage(text, BoxTables(1024, width, width, "added", "last"))


LARGE: dict[str, Any] = vars(layoutlm(1024, 24, 16))

FAMILIES = (
    Family(
        name="layoutlm",
        title="LayoutLM",
        paper="1912.13318",
        year=2019,
        layout="layoutlm",
        model=layoutlm(768, 12, 12),
        sizes={"base": {}, "large": {"text": LARGE["text"], "boxes": LARGE["boxes"]}},
        reference="LayoutLMModel",
    ),
)
