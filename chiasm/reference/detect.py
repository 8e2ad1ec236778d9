"""Detectors: Grounding DINO."""

from __future__ import annotations

from chiasm.reference.case import Case, Draw, padded
from chiasm.reference.parts import library, processed, processor

START, END, STOP, QUESTION = 101, 102, 1012, 1029
"""Ids that its class holds to be ends of phrases."""


def grounding_dino(variant: int, draw: Draw) -> Case:
    """0: one picture, windows that no map fills; 1: two pictures of two shapes and rows of unequal length, two maps that the
    eye does not give, heads of their own for every layer; 2: maps as narrow as a window, two phrases and a question.

    Attention is of each part's own choice: asked for eager attention, the text's part does not hide phrases at all.
    """
    eye = library().SwinConfig(
        image_size=64, patch_size=4, embed_dim=[8, 12, 8][variant], depths=[1, 1, 2, 1], num_heads=[1, 2, 2, 4],
        window_size=[3, 4, 5][variant], out_indices=[[2, 3, 4], [3, 4], [2, 3, 4]][variant], drop_path_rate=0.0,
    )  # fmt: skip
    text = {
        "model_type": "bert", "vocab_size": 1100, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 64,
    }  # fmt: skip
    config = library().GroundingDinoConfig(
        backbone_config=eye, text_config=text, d_model=[64, 64, 96][variant], num_queries=[7, 9, 5][variant],
        encoder_layers=2, decoder_layers=[2, 3, 2][variant], encoder_ffn_dim=24, decoder_ffn_dim=40,
        encoder_attention_heads=[2, 4, 2][variant], decoder_attention_heads=[2, 4, 4][variant],
        encoder_n_points=[2, 3, 1][variant], decoder_n_points=[3, 2, 4][variant], num_feature_levels=4, dropout=0.0,
        fusion_droppath=0.0, max_text_len=[16, 20, 12][variant], disable_custom_kernels=True,
        decoder_bbox_embed_share=variant != 1, positional_embedding_temperature=[20, 20, 10000][variant],
    )  # fmt: skip
    size = {"shortest_edge": 64, "longest_edge": 112}
    by = processor("grounding_dino", "GroundingDino", size=size)
    pictures = draw.pictures(*[[(40, 61)], [(40, 61), (55, 30)], [(30, 90)]][variant])
    first = [START, *draw.text(3), STOP, *draw.text(2), QUESTION if variant == 2 else STOP, END]
    rows = [first, [START, *draw.text(2), STOP, END]] if variant == 1 else [first]
    ids = padded(*rows, left=False)
    inputs = {**ids, **processed(by, pictures, "pixel_values", "pixel_mask")}
    model = library().GroundingDinoForObjectDetection
    return Case(model, config, lambda _: inputs, by, pictures, writes=False, attention=None)
