"""LayoutLM, LayoutLMv3 and UDOP: words in boxes on a page."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chiasm.reference.case import BOS, VOCAB, Case, Draw, padded
from chiasm.reference.parts import library, processed, processor

SIDE = 32


def layoutlm(variant: int, draw: Draw) -> Case:
    """0: states and a vector a page; 1: what each word is, of three classes."""
    config = library().LayoutLMConfig(
        vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=40, num_labels=3,
    )  # fmt: skip
    ids = padded([BOS, *draw.text(6)], [BOS, *draw.text(4)], left=False)
    kinds = (draw.ids(2, 7) > 40).long()
    inputs = {**ids, "bbox": boxes(draw, 2, 7), "token_type_ids": kinds}
    model = library().LayoutLMForTokenClassification if variant else library().LayoutLMModel
    return Case(model, config, lambda _: inputs, writes=False)


def layoutlmv3(variant: int, draw: Draw) -> Case:
    """0: states of words and patches; 1: what each word is, of three classes; 2: of twelve, without distances on the page."""
    changes = {"has_spatial_attention_bias": False} if variant == 2 else {}
    config = library().LayoutLMv3Config(
        vocab_size=VOCAB, hidden_size=24, num_hidden_layers=2, num_attention_heads=[4, 3, 2][variant], intermediate_size=48,
        max_position_embeddings=40, coordinate_size=[4, 4, 5][variant], shape_size=[4, 4, 2][variant], input_size=SIDE,
        patch_size=8, rel_pos_bins=8, max_rel_pos=20, rel_2d_pos_bins=16, max_rel_2d_pos=60, pad_token_id=1,
        num_labels=[3, 3, 12][variant], **changes,
    )  # fmt: skip
    by, pictures = page_processor(), draw.pictures((40, 61), (80, 50))
    ids = padded([0, *draw.text(6)], [0, *draw.text(4)], pad=1, left=False)
    inputs = {**ids, "bbox": boxes(draw, 2, 7), **processed(by, pictures, "pixel_values")}
    model = library().LayoutLMv3ForTokenClassification if variant else library().LayoutLMv3Model
    return Case(model, config, lambda _: inputs, by, pictures, writes=False)


def udop(variant: int, draw: Draw) -> Case:
    """0: plain MLPs; 1: gated ones, fewer steps of the page; 2: as 0, words whose boxes are none or the whole page, as those
    of pads and of ends are."""
    config = library().UdopConfig(
        vocab_size=VOCAB, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
        feed_forward_proj=["relu", "gated-gelu", "relu"][variant], image_size=SIDE, patch_size=8, dropout_rate=0.0,
        max_2d_position_embeddings=[1024, 512, 1024][variant], decoder_start_token_id=0,
    )  # fmt: skip
    by, pictures = page_processor(), draw.pictures((40, 61), (80, 50))
    ids = padded(draw.text(7), draw.text(5), left=False)
    where = boxes(draw, 2, 7).float() / 1000
    if variant == 2:
        where[:, -1], where[:, 0], where[0, 5] = 0.0, 1.0, where[0, 4]
    target = {"decoder_input_ids": torch.tensor([[0, *draw.text(3)]] * 2)}
    inputs = {**ids, "bbox": where, **target, **processed(by, pictures, "pixel_values")}
    return Case(library().UdopForConditionalGeneration, config, lambda _: inputs, by, pictures)


def page_processor() -> Any:
    return processor("layoutlmv3", "LayoutLMv3", size={"height": SIDE, "width": SIDE}, apply_ocr=False)


def boxes(draw: Draw, rows: int, words: int) -> Tensor:
    """Boxes in thousandths, each of some width and height."""
    corners = draw.normal(rows, words, 2).abs().mul(250).long().clamp(max=600)
    return torch.cat([corners, corners + draw.normal(rows, words, 2).abs().mul(150).long().clamp(1, 400)], -1)
