"""Documents: Donut."""

from __future__ import annotations

import torch

from chiasm.reference.case import Case, Draw
from chiasm.reference.parts import library, processed, processor

START = 3


def donut(variant: int, draw: Draw) -> Case:
    """0: a square, windows that fill no map; 1: a page that pictures are turned to, scaled embeddings; 2: a page that lies, an
    odd number of cells across it, a decoder of another width that is no embedding's transpose."""
    height, width = [(64, 64), (96, 64), (60, 100)][variant]
    eye = library().DonutSwinConfig(
        image_size=[height, width], patch_size=4, embed_dim=8, depths=[2, 2], num_heads=[2, 4], window_size=[3, 5, 4][variant],
        drop_path_rate=0.0,
    )  # fmt: skip
    writer = library().MBartConfig(
        vocab_size=99, d_model=[16, 16, 24][variant], decoder_layers=2, decoder_attention_heads=4, decoder_ffn_dim=40,
        encoder_layers=2, encoder_attention_heads=2, max_position_embeddings=64, is_decoder=True, is_encoder_decoder=False,
        add_cross_attention=True, scale_embedding=variant == 1, dropout=0.0, pad_token_id=1, bos_token_id=0, eos_token_id=2,
        activation_function=["gelu", "gelu", "relu"][variant], tie_word_embeddings=variant != 2,
    )  # fmt: skip
    config = library().VisionEncoderDecoderConfig(
        encoder=eye.to_dict(), decoder=writer.to_dict(), decoder_start_token_id=START, pad_token_id=1,
        tie_word_embeddings=variant != 2,
    )  # fmt: skip
    size = {"height": height, "width": width}
    by = processor("donut", "Donut", size=size, do_align_long_axis=variant == 1)
    pictures = draw.pictures(*[(40, 61), (80, 50)][: variant + 1])
    inputs = {"decoder_input_ids": torch.tensor([[START, *draw.text(5)]] * len(pictures))}
    inputs |= processed(by, pictures, "pixel_values")
    return Case(library().VisionEncoderDecoderModel, config, lambda _: inputs, by, pictures)
