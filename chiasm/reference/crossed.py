"""Models whose text asks pictures in gated blocks of its own: Llama 3.2 Vision and Idefics."""

from __future__ import annotations

import importlib
from itertools import chain
from typing import Any

import torch

from chiasm.reference.case import BOS, EOS, PAD, VOCAB, Case, Draw, padded
from chiasm.reference.parts import library, processed, processor
from chiasm.reference.text import LLAMA_3, PLAIN

SHAPES = [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]]


def mllama(variant: int, draw: Draw) -> Case:
    """0: one picture on up to four tiles, gated layers second and last; 1: two pictures beside one, up to two tiles, gated
    layers first and third, Llama 3.1's frequencies; 2: as 0, one picture after another, text alone and one beside them."""
    most, gated = [4, 2, 4][variant], [[1, 3], [0, 2], [1, 2]][variant]
    vision = {
        "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 4, "num_global_layers": 2, "attention_heads": 2,
        "image_size": 28, "patch_size": 7, "max_num_tiles": most, "intermediate_layers_indices": [0, 2],
        "vision_output_dim": 48, "supported_aspect_ratios": [shape for shape in SHAPES if shape[0] * shape[1] <= most],
    }  # fmt: skip
    text = {
        "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "cross_attention_layers": gated, "max_position_embeddings": 256, "pad_token_id": PAD,
        "bos_token_id": BOS, "eos_token_id": EOS, "rope_parameters": LLAMA_3 if variant == 1 else PLAIN,
    }  # fmt: skip
    config = library().MllamaConfig(vision_config=vision, text_config=text, image_token_index=VOCAB)
    by = processor("mllama", "Mllama", size={"height": 28, "width": 28}, max_image_tiles=most)
    sizes: list[list[tuple[int, int]]] = [
        [[(30, 70)]], [[(30, 70), (29, 31)], [(66, 30)]], [[(30, 20), (90, 15), (15, 90)], [(66, 62)]]
    ][variant]  # fmt: skip
    shown = [draw.pictures(*row) for row in sizes]
    rows = [[BOS, *chain.from_iterable([VOCAB, *draw.text(3)] for _ in pictures), *draw.text(2)] for pictures in shown]
    if variant == 2:
        rows[0][5:5] = [rows[0].pop(1)]
    ids = padded(*rows)

    def inputs(_: Any) -> dict[str, Any]:
        seen = processed(by, shown, "pixel_values", "aspect_ratio_ids", "aspect_ratio_mask", "num_tiles")
        tiles = [list(map(int, row)) for row in seen.pop("num_tiles")]
        module = importlib.import_module("transformers.models.mllama.processing_mllama")
        spans = [module.get_cross_attention_token_mask(row, VOCAB) for row in ids["input_ids"].tolist()]
        dense = module.convert_sparse_cross_attention_mask_to_dense(spans, tiles, most, ids["input_ids"].shape[1])
        return {**ids, **seen, "cross_attention_mask": torch.tensor(dense)}

    # The reference counts what its cache holds by the first layer, which must not be a gated one then.
    writes, pictures = 0 not in gated, tuple(chain.from_iterable(shown))
    return Case(library().MllamaForConditionalGeneration, config, inputs, by, pictures, writes)


def idefics(variant: int, draw: Draw) -> Case:
    """0: gated blocks at every second block, no perceiver; 1: at each, a perceiver, queries and keys normed, a gate for each
    channel, pictures unevenly among two rows, an end before which a picture was."""
    config = library().IdeficsConfig(
        vocab_size=VOCAB, additional_vocab_size=[2, 3][variant], hidden_size=32, intermediate_size=48, num_hidden_layers=4,
        num_attention_heads=4, cross_layer_interval=[2, 1][variant], qk_layer_norms=variant == 1,
        use_resampler=variant == 1, alpha_type=["float", "vector"][variant], alpha_initializer="ones",
        max_position_embeddings=128, pad_token_id=PAD, eos_token_id=EOS, tie_word_embeddings=False,
        vision_config={
            "embed_dim": 24, "image_size": 30, "patch_size": 6, "num_hidden_layers": 2, "num_attention_heads": 3,
            "intermediate_size": 40,
        },
        perceiver_config={
            "use_resampler": variant == 1, "resampler_n_latents": 4, "resampler_depth": 2, "resampler_n_heads": 3,
            "resampler_head_dim": 8, "qk_layer_norms_perceiver": variant == 1,
        },
    )  # fmt: skip
    by = processor("idefics", "Idefics", image_size=30)
    pictures = draw.pictures((40, 61), (55, 30), (33, 34))[: 1 + 2 * variant]
    edge, image = VOCAB, VOCAB + 1
    if variant:
        one = [BOS, edge, image, edge, *draw.text(3), EOS, *draw.text(1), image, *draw.text(2)]
        ids = padded(one, [BOS, *draw.text(3), image, *draw.text(3)])
    else:
        ids = padded([BOS, *draw.text(2), edge, image, edge, *draw.text(4)])
    made = by(list(pictures), return_tensors="pt")
    places = torch.zeros(len(ids["input_ids"]), 1 + variant, *made.shape[1:])
    for (row, place), pixels in zip([(0, 0), (0, 1), (1, 0)], made, strict=False):
        places[row, place] = pixels
    module = importlib.import_module("transformers.models.idefics.processing_idefics")
    seen, _ = module.image_attention_mask_for_packed_input_ids(ids["input_ids"], _Ids(image, EOS), "pt")
    mask = module.incremental_to_binary_attention_mask(seen, "pt", num_classes=1 + variant)
    inputs = {**ids, "pixel_values": places, "image_attention_mask": mask}
    return Case(library().IdeficsForVisionText2Text, config, lambda _: inputs, by, pictures)


class _Ids:
    """What a mask of pictures wants to know of a tokenizer."""

    def __init__(self, image: int, end: int) -> None:
        self.image, self.eos_token_id = image, end

    def convert_tokens_to_ids(self, _: str) -> int:
        return self.image
