"""Folders of SAM, or with it as a part: fields of the config, names of the tensors."""

from chiasm.errors import BadConfig
from chiasm.layout import Config, Layout, Reading, under
from chiasm.spec import MaskDecoder, Segment, WindowedViT
from chiasm.towers.sam import LIBRARY_PLACES, corner, mask_keys, read_tower, tower_keys


def read_vision(c: Config) -> Reading:
    spec = read_tower(c)
    return Reading(spec, tower_keys(spec, "library"))


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, **c.data}
    vision = c.part("vision_config", "sam_vision_model")
    c.inert("tie_word_embeddings")
    masks = read_masks(c, vision.spec)
    views, look = corner(c.pixels, vision.spec.side * vision.spec.patch)
    if views.side != vision.spec.side * vision.spec.patch:
        side = vision.spec.side * vision.spec.patch
        raise BadConfig(f"{c.pixels.path}: size = {views.side} and the model sees {side} x {side} pixels alone")
    keys = (*LIBRARY_PLACES, *under("vision_encoder.", "vision.", vision.keys), *mask_keys(masks, "library"))
    return Reading(Segment(views, look, vision.spec, masks), keys)


def read_masks(c: Config, tower: WindowedViT) -> MaskDecoder:
    """Prompts and decoder, which stand in two objects beside the tower's."""
    prompts, decoder = c.nest("prompt_encoder_config"), c.nest("mask_decoder_config")
    width = decoder.get("hidden_size", 256)
    seen = tower.side * tower.patch
    wanted = {"hidden_size": width, "image_size": seen, "patch_size": tower.patch, "num_point_embeddings": 4}
    for name, value in wanted.items():
        prompts.only(name, value)
    prompts.inert("image_embedding_size")
    if tower.neck != width:
        raise BadConfig(f"{c.path}: output_channels = {tower.neck} and hidden_size = {width} of the decoder must be equal")
    return MaskDecoder(
        width, tower.side, decoder.get("num_hidden_layers", 2), decoder.get("num_attention_heads", 8),
        decoder.get("mlp_dim", 2048), decoder.get("attention_downsample_rate", 2), decoder.get("num_multimask_outputs", 3),
        decoder.get("iou_head_depth", 3), decoder.get("iou_head_hidden_dim", 256),
        decoder.get("layer_norm_eps", 1e-6), decoder.act("hidden_act", "relu"),
        prompts.get("mask_input_channels", 16), prompts.get("layer_norm_eps", 1e-6),
        prompts.act("hidden_act", "gelu"),
    )  # fmt: skip


LAYOUTS = (Layout("sam", read), Layout("sam_vision_model", read_vision))
