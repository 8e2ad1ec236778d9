"""Prefix models that look at pictures in tiles, in their own shape or in a padded square."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch

from chiasm.reference.case import AFTER, BEFORE, BOS, IMAGE, VIDEO, Case, Draw, padded
from chiasm.reference.parts import clip_processor, clip_tower, decoder, library, processed, processor, siglip_tower

POINTS = [[28 * high, 28 * wide] for high in range(1, 5) for wide in range(1, 5)]


def internvl(variant: int, draw: Draw) -> Case:
    """0: the small eye (LayerNorm, biases) and Qwen2, up to four tiles; 1: the large one (RMSNorm, queries and keys normed
    across heads) and Llama, two pictures, up to three."""
    vision = library().InternVLVisionConfig(
        hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, image_size=[28, 28],
        patch_size=[7, 7], attention_bias=variant == 0, use_qk_norm=variant == 1,
        norm_type=["layer_norm", "rms_norm"][variant],
    )  # fmt: skip
    text = decoder(["qwen2", "llama"][variant], tie_word_embeddings=False)
    config = library().InternVLConfig(
        vision_config=vision.to_dict(), text_config=text.to_dict(), image_token_id=IMAGE, image_seq_length=4,
        tie_word_embeddings=False,
    )  # fmt: skip
    by = processor(
        "got_ocr2", "GotOcr2", size={"height": 28, "width": 28}, crop_to_patches=True, min_patches=1,
        max_patches=[4, 3][variant],
    )  # fmt: skip
    pictures = draw.pictures(*([(90, 31), (30, 33)] if variant else [(40, 75)]))

    def inputs(_: Any) -> dict[str, Any]:
        seen = processed(by, pictures, "pixel_values", "num_patches")
        row = [BOS, *draw.text(3)]
        for tiles in seen.pop("num_patches"):
            row += [BEFORE, *[IMAGE] * (4 * int(tiles)), AFTER, *draw.text(4)]
        return {**padded(row), **seen}

    return Case(library().InternVLForConditionalGeneration, config, inputs, by, pictures)


def onevision(variant: int, draw: Draw) -> Case:
    """0: one picture of more tokens than four tiles have; 1: two pictures and a clip of three frames, tied."""
    config = library().LlavaOnevisionConfig(
        vision_config=siglip_tower(vision_use_head=False), text_config=decoder("qwen2", tie_word_embeddings=variant == 1),
        image_token_index=IMAGE, video_token_index=VIDEO, image_grid_pinpoints=POINTS,
        vision_aspect_ratio=["anyres_max_4", "anyres_max_9"][variant], tie_word_embeddings=variant == 1,
    )  # fmt: skip
    by = processor("llava_onevision", "LlavaOnevision", size={"height": 28, "width": 28}, image_grid_pinpoints=POINTS)
    pictures = draw.pictures(*([(40, 81), (66, 50)] if variant else [(120, 95)]))

    def inputs(model: Any) -> dict[str, Any]:
        seen = processed(by, pictures, "pixel_values", "image_sizes")
        row = [BOS, *draw.text(3)]
        for length in anyres_lengths(model, seen):
            row += [*[IMAGE] * length, *draw.text(3)]
        if variant:
            # Three frames of four cells a side, pooled to two, and one newline.
            seen["pixel_values_videos"] = draw.normal(1, 3, 3, 28, 28)
            row += [*[VIDEO] * (3 * 4 + 1), *draw.text(2)]
        return {**padded(row), **seen}

    return Case(library().LlavaOnevisionForConditionalGeneration, config, inputs, by, pictures)


def anyres_lengths(model: Any, seen: dict[str, Any]) -> list[int]:
    """How many visual tokens the reference makes of each picture."""
    with torch.no_grad():
        features = model.get_image_features(seen["pixel_values"], image_sizes=seen["image_sizes"]).pooler_output
    return [len(feature) for feature in features]


def pixtral(variant: int, draw: Draw) -> Case:
    """0: two pictures, patches of 6 pixels; 1: three, patches of 8, one shared key head."""
    patch = [6, 8][variant]
    vision = library().PixtralVisionConfig(
        hidden_size=[24, 32][variant], intermediate_size=40, num_hidden_layers=2, num_attention_heads=[2, 4][variant],
        image_size=48, patch_size=patch, hidden_act=["silu", "gelu"][variant],
    )  # fmt: skip
    config = library().LlavaConfig(
        vision_config=vision, text_config=decoder("mistral", tie_word_embeddings=False, num_key_value_heads=[2, 1][variant]),
        image_token_index=IMAGE, vision_feature_layer=-1, vision_feature_select_strategy="full", image_seq_length=1,
    )  # fmt: skip
    by = processor("pixtral", "Pixtral", size={"longest_edge": 48}, patch_size={"height": patch, "width": patch})
    pictures = draw.pictures(*([(90, 50), (25, 17), (33, 60)] if variant else [(30, 41), (64, 37)]))

    def inputs(_: Any) -> dict[str, Any]:
        seen = processed(by, pictures, "pixel_values", "image_sizes")
        row = [BOS]
        for height, width in seen["image_sizes"].tolist():
            lines = [[IMAGE] * (width // patch)] * (height // patch)
            row += [*chain.from_iterable([*line, BEFORE] for line in lines[:-1]), *lines[-1], AFTER, *draw.text(3)]
        return {**padded(row), **seen}

    return Case(library().LlavaForConditionalGeneration, config, inputs, by, pictures)


def deepseek_vl(variant: int, draw: Draw) -> Case:
    """0: one picture; 1: two, shared key heads."""
    text = decoder("llama", num_key_value_heads=[4, 2][variant]).to_dict()
    config = library().DeepseekVLConfig(
        vision_config=siglip_tower(vision_use_head=False).to_dict(), text_config=text, image_token_id=IMAGE,
        tie_word_embeddings=False,
    )  # fmt: skip
    by = processor("deepseek_vl", "DeepseekVL", size={"height": 28, "width": 28}, min_size=14)
    pictures = draw.pictures((40, 61), (55, 20))[: variant + 1]
    row = [BOS]
    for _ in pictures:
        row += [*draw.text(2), *[IMAGE] * 16]
    inputs = {**padded([*row, *draw.text(3)]), **processed(by, pictures, "pixel_values")}
    return Case(library().DeepseekVLForConditionalGeneration, config, lambda _: inputs, by, pictures)


def idefics2(variant: int, draw: Draw) -> Case:
    """0: one picture, five queries; 1: two pictures and one in rows of their own, three queries; 2: as 0, in quarters."""
    vision = {
        "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3, "image_size": 42,
        "patch_size": 7,
    }  # fmt: skip
    queries = 3 if variant == 1 else 5
    perceiver = {
        "hidden_act": "silu", "hidden_size": 32, "resampler_n_latents": queries, "resampler_depth": 2,
        "resampler_n_heads": 4, "resampler_head_dim": 8, "num_key_value_heads": 2,
    }  # fmt: skip
    config = library().Idefics2Config(
        vision_config=vision, perceiver_config=perceiver, image_token_id=IMAGE, tie_word_embeddings=False,
        text_config=decoder("mistral", tie_word_embeddings=False).to_dict(),
    )  # fmt: skip
    views = 5 if variant == 2 else 1
    size = {"shortest_edge": 20, "longest_edge": 42}
    by = processor("idefics2", "Idefics2", size=size, do_image_splitting=variant == 2)
    shown = [draw.pictures((40, 61), (77, 30)), draw.pictures((35, 35))] if variant == 1 else [draw.pictures((40, 61))]
    one = [*[BEFORE, *[IMAGE] * queries] * views, BEFORE]
    ids = padded(*([BOS, *draw.text(2), *one * len(pictures), *draw.text(3)] for pictures in shown))
    inputs = {**ids, **processed(by, shown, "pixel_values", "pixel_attention_mask")}
    model = library().Idefics2ForConditionalGeneration
    return Case(model, config, lambda _: inputs, by, tuple(chain.from_iterable(shown)))


def next_video(variant: int, draw: Draw) -> Case:
    """0: a clip, its frames pooled by their mean; 1: a picture in tiles and a clip, pooled by the highest; 2: a clip from its
    frames on."""
    points = [[36, 72], [72, 36], [72, 72]]
    config = library().LlavaNextVideoConfig(
        vision_config=clip_tower(image_size=36).to_dict(), text_config=decoder("llama").to_dict(), image_token_index=IMAGE,
        video_token_index=VIDEO, image_grid_pinpoints=points, spatial_pool_mode=["average", "max", "average"][variant],
        spatial_pool_stride=2, tie_word_embeddings=False,
    )  # fmt: skip
    by = clip_processor(36, "llava_next", "LlavaNext", image_grid_pinpoints=points)
    pictures = draw.pictures((40, 77)) if variant == 1 else ()
    clips = ((draw.clip(4, 50, 71), 2.0),) if variant == 2 else ()

    def inputs(model: Any) -> dict[str, Any]:
        row, seen = [BOS, *draw.text(2)], {}
        if variant == 1:
            seen = processed(by, pictures, "pixel_values", "image_sizes")
            row += [*[IMAGE] * anyres_lengths(model, seen)[0], *draw.text(2)]
        if clips:
            seen["pixel_values_videos"] = processed(clip_processor(36), list(clips[0][0]), "pixel_values")["pixel_values"][None]
        else:
            seen["pixel_values_videos"] = draw.normal(1, 4, 3, 36, 36)
        return {**padded([*row, *[VIDEO] * (4 * 9), *draw.text(3)]), **seen}

    return Case(
        library().LlavaNextVideoForConditionalGeneration, config, inputs, by if variant else None, pictures, clips=clips
    )


def video_llava(variant: int, draw: Draw) -> Case:
    """0: a clip of eight frames, ten tokens each; 1: a picture, of nine tokens, and a clip."""
    config = library().VideoLlavaConfig(
        vision_config=clip_tower(image_size=18).to_dict(), text_config=decoder("llama").to_dict(), image_token_index=IMAGE,
        video_token_index=VIDEO, image_seq_length=9, video_seq_length=80, tie_word_embeddings=False,
    )  # fmt: skip
    seen = {"pixel_values_videos": draw.normal(1, 8, 3, 18, 18)}
    row = [BOS, *draw.text(2)]
    if variant:
        seen["pixel_values_images"] = draw.normal(1, 3, 18, 18)
        row += [*[IMAGE] * 9, *draw.text(2)]
    inputs = {**padded([*row, *[VIDEO] * 80, *draw.text(3)]), **seen}
    return Case(library().VideoLlavaForConditionalGeneration, config, lambda _: inputs)
