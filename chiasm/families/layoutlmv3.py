"""LayoutLMv3 (arXiv:2204.08387): words with boxes, then the patches of their page, distances on the page among the scores."""

from typing import Literal

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Reshaped, Rule, alone, rows, transposed, under
from chiasm.readers import HALF, pixels, squash
from chiasm.spec import (
    Bidirectional,
    Block,
    BoxTables,
    EncodePage,
    Family,
    Labels,
    Learned,
    Norm,
    PageBias,
    PageSight,
    Pixels,
    Relative,
    Resize,
    Table,
    ViT,
)
from chiasm.towers.bert import BERT_KEYS, bert_block, post_norm

BOXES: tuple[Rule, ...] = (
    Name("embeddings.x_position_embeddings.weight", "text.boxes.x.weight"),
    Name("embeddings.y_position_embeddings.weight", "text.boxes.y.weight"),
    Name("embeddings.h_position_embeddings.weight", "text.boxes.height.weight"),
    Name("embeddings.w_position_embeddings.weight", "text.boxes.width.weight"),
    *under("", "text.", BERT_KEYS),
)


def read(c: Config) -> Reading:
    c.only("text_embed", True)
    c.only("visual_embed", True)
    c.only("num_channels", 3)
    c.inert("classifier_dropout", "second_input_size", "tie_word_embeddings")
    block = bert_block(c, 1e-5)
    before = c.get("pad_token_id", 1) + 1
    positions = c.get("max_position_embeddings", 512) - before
    text = Bidirectional(
        block, c.get("num_hidden_layers", 12), c.get("vocab_size", 50265), Learned(positions, before),
        c.get("type_vocab_size", 2), positions,
    )  # fmt: skip
    boxes = BoxTables(
        c.get("max_2d_position_embeddings", 1024), c.get("coordinate_size", 128), c.get("shape_size", 128), "beside"
    )
    line = Relative(c.get("rel_pos_bins", 32), c.get("max_rel_pos", 128))
    page = Relative(c.get("rel_2d_pos_bins", 64), c.get("max_rel_2d_pos", 256))
    told, shown = c.get("has_relative_attention_bias", True), c.get("has_spatial_attention_bias", True)
    bias = PageBias(line if told else None, page if shown else None)
    side = c.get("input_size", 224)
    labels, prefix, head = _head(c)
    spec = EncodePage(text, boxes, bias, sight(c, block, side), labels)
    keys = (
        *under(prefix, "", (*BOXES, *_seeing(block.width), *_distances(block.heads, line, page))),
        *head,
        Ignored(f"{prefix}visual_bbox"),
    )
    return Reading(spec, keys)


def sight(c: Config, block: Block, side: int) -> PageSight:
    """No block of its own: patches are embedded, placed and normed, and go to stand among the words."""
    c.pixels.inert("apply_ocr", "ocr_lang", "tesseract_config")
    eye = patches(block, c.get("patch_size", 16), side)
    return PageSight(squash(c.pixels, 224), pixels(c.pixels, HALF, HALF, "bilinear"), eye)


def patches(block: Block, patch: int, side: int) -> ViT:
    own = Block(block.width, block.heads, block.mlp_width, block.kv_heads, block.head_width, Norm("layer", 1e-6), block.act)
    return ViT(own, 0, patch, Table(side // patch), cls="keep", post_norm="applied", taps=(0,))


def _head(c: Config) -> tuple[Labels | None, str, tuple[Rule, ...]]:
    """A classifier of words has two layers from ten classes on."""
    if "LayoutLMv3ForTokenClassification" not in (c.data.get("architectures") or ()):
        return None, "", ()
    count = len(c.data.get("id2label") or ()) or c.get("num_labels", 2)
    depth: Literal[1, 2] = 1 if count < 10 else 2
    one = (Name("classifier.*", "labels.out.*"),)
    two = (Name("classifier.dense.*", "labels.dense.*"), Name("classifier.out_proj.*", "labels.out.*"))
    return Labels(count, depth), "layoutlmv3.", one if depth == 1 else two


def _seeing(width: int) -> tuple[Rule, ...]:
    return (
        Reshaped("cls_token", "vision.cls", alone(2)),
        Reshaped("pos_embed", "vision.position.weight", rows(width)),
        Name("patch_embed.proj.*", "vision.stem.*"),
        Name("norm.*", "vision.post_norm.*"),
        Name("LayerNorm.*", "joined_norm.*"),
    )


def _distances(heads: int, line: Relative, page: Relative) -> tuple[Rule, ...]:
    return (
        Reshaped("encoder.rel_pos_bias.weight", "text.line.weight", transposed(heads, line.buckets)),
        Reshaped("encoder.rel_pos_x_bias.weight", "text.across.weight", transposed(heads, page.buckets)),
        Reshaped("encoder.rel_pos_y_bias.weight", "text.down.weight", transposed(heads, page.buckets)),
    )


LAYOUTS = (Layout("layoutlmv3", read),)


def layoutlmv3(width: int, depth: int, heads: int, corner: int, size: int) -> EncodePage:
    block = post_norm(width, heads, 1e-5)
    look = PageSight(Resize(224, 224, "squash"), Pixels(HALF, HALF, resample="bilinear"), patches(block, 16, 224))
    text = Bidirectional(block, depth, 50265, Learned(512, 2), 1, 512)
    return EncodePage(text, BoxTables(1024, corner, size, "beside"), PageBias(Relative(32, 128), Relative(64, 256)), look)


LARGE = layoutlmv3(1024, 24, 16, 171, 170)

FAMILIES = (
    Family(
        name="layoutlmv3",
        title="LayoutLMv3",
        paper="2204.08387",
        year=2022,
        layout="layoutlmv3",
        model=layoutlmv3(768, 12, 12, 128, 128),
        sizes={"base": {}, "large": {"text": LARGE.text, "boxes": LARGE.boxes, "sight": LARGE.sight}},
        reference="LayoutLMv3Model",
    ),
)
