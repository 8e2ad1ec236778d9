"""BLIP-2 and InstructBLIP."""

from __future__ import annotations

from typing import Any

import torch

from chiasm.reference.case import BOS, EOS, IMAGE, PAD, Case, Draw, padded
from chiasm.reference.parts import decoder, library, opt, processed, processor, t5


def eye(**changes: Any) -> dict[str, Any]:
    sizes = {
        "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 28,
        "patch_size": 7,
    }  # fmt: skip
    return {**sizes, **changes}


def queries(**changes: Any) -> dict[str, Any]:
    """Three blocks, the view asked in the first and the last."""
    sizes = {
        "vocab_size": 99, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 3,
        "cross_attention_frequency": 2, "max_position_embeddings": 64, "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }  # fmt: skip
    return {**sizes, **changes}


def flan(**changes: Any) -> Any:
    return t5(feed_forward_proj="gated-gelu", pad_token_id=PAD, eos_token_id=1, **changes)


def look() -> Any:
    return processor("blip", "Blip", size={"height": 28, "width": 28})


def blip2(variant: int, draw: Draw) -> Case:
    """0: OPT; 1: FlanT5 with the exact activation; 2: an OPT whose embedding is narrower than its blocks."""
    text = [opt(), flan(dense_act_fn="gelu"), opt(word_embed_proj_dim=24, pad_token_id=1)][variant]
    count = [5, 4, 3][variant]
    config = library().Blip2Config(
        vision_config=eye(), qformer_config=queries(), text_config=text.to_dict(), num_query_tokens=count,
        image_token_index=IMAGE,
    )  # fmt: skip
    by, pictures = look(), draw.pictures((40, 61), (55, 30))
    one = [IMAGE] * count
    ids = padded([*one, EOS, *draw.text(5)], [*one, EOS, *draw.text(3)], pad=1 if variant == 2 else PAD)
    target = {"decoder_input_ids": torch.tensor([[0, *draw.text(3)]] * 2)} if variant == 1 else {}
    inputs = {**ids, **target, **processed(by, pictures, "pixel_values")}
    return Case(library().Blip2ForConditionalGeneration, config, lambda _: inputs, by, pictures)


def instructblip(variant: int, draw: Draw) -> Case:
    """0: Vicuna, a tower without biases of queries, keys and values; 1: FlanT5; rows and instructions of unequal lengths."""
    text = [decoder("llama", num_key_value_heads=4), flan()][variant]
    count = [4, 5][variant]
    config = library().InstructBlipConfig(
        vision_config=eye(qkv_bias=variant == 1), qformer_config=queries(), text_config=text.to_dict(), num_query_tokens=count,
        image_token_index=IMAGE,
    )  # fmt: skip
    by, pictures = look(), draw.pictures((61, 40), (30, 55))
    one = [IMAGE] * count
    ids = padded([*one, BOS, *draw.text(5)], [*one, BOS, *draw.text(3)])
    told = padded([BOS, *draw.text(4)], [BOS, *draw.text(6)], left=False)
    target = {"decoder_input_ids": torch.tensor([[0, *draw.text(3)]] * 2)} if variant == 1 else {}
    heard = {"qformer_input_ids": told["input_ids"], "qformer_attention_mask": told["attention_mask"]}
    inputs = {**ids, **heard, **target, **processed(by, pictures, "pixel_values")}
    return Case(library().InstructBlipForConditionalGeneration, config, lambda _: inputs, by, pictures)


def blip2_itm(variant: int, draw: Draw) -> Case:
    """0: the judge, 1: vectors, rows led by placeholders; 2: the judge, 3: vectors, rows of text alone."""
    led, judges = variant < 2, variant % 2 == 0
    config = library().Blip2Config(
        vision_config=eye(), qformer_config=queries(use_qformer_text_input=True), text_config=opt().to_dict(),
        num_query_tokens=4, image_token_index=IMAGE if led else None, image_text_hidden_size=20,
    )  # fmt: skip
    by, pictures = look(), draw.pictures((40, 61), (55, 30))
    one = [IMAGE] * 4 if led else []
    ids = padded([*one, BOS, *draw.text(5)], [*one, BOS, *draw.text(3)], left=False)
    inputs = {**ids, **processed(by, pictures, "pixel_values")}
    options = (("use_image_text_matching_head", judges),)
    case = library().Blip2ForImageTextRetrieval
    return Case(case, config, lambda _: inputs, by, pictures, writes=False, options=options)
