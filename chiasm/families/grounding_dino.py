"""Grounding DINO (arXiv:2303.05499): boxes for phrases, from a Swin and a BERT that read one another in a DETR."""

from dataclasses import replace
from typing import Any

from chiasm.errors import BadConfig
from chiasm.layout import Config, Ignored, Layout, Name, Reading, Rule, under
from chiasm.readers import pixels
from chiasm.spec import (
    Bidirectional,
    Block,
    Deformable,
    Detector,
    Family,
    Find,
    Learned,
    Norm,
    Phrases,
    Pixels,
    Shortest,
    Swin,
)
from chiasm.towers.swin import swin

ENDS = (101, 102, 1012, 1029)
"""[CLS], [SEP], a full stop and a question mark of uncased BERT: no config has these, and none may have others."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

ATTENTION = (("query.*", "q.*"), ("key.*", "k.*"), ("value.*", "v.*"), ("out_proj.*", "out.*"))
SAMPLED = (
    ("sampling_offsets.*", "steps.*"),
    ("attention_weights.*", "shares.*"),
    ("value_proj.*", "value.*"),
    ("output_proj.*", "out.*"),
)
MEETING = (
    ("vision_proj", "map"),
    ("text_proj", "text"),
    ("values_vision_proj", "map_value"),
    ("values_text_proj", "text_value"),
    ("out_vision_proj", "map_out"),
    ("out_text_proj", "text_out"),
)


def renamed(theirs: str, ours: str, names: tuple[tuple[str, str], ...]) -> tuple[Rule, ...]:
    return tuple(Name(theirs + a, ours + b) for a, b in names)


FUSED = (
    Name("fusion_layer.layer_norm_vision.*", "norm_map.*"),
    Name("fusion_layer.layer_norm_text.*", "norm_text.*"),
    *(Name(f"fusion_layer.attn.{a}.*", f"meet.{b}.*") for a, b in MEETING),
    Name("fusion_layer.vision_param", "scale_map.weight"),
    Name("fusion_layer.text_param", "scale_text.weight"),
    *renamed("text_enhancer_layer.self_attn.", "text_attention.", ATTENTION),
    Name("text_enhancer_layer.layer_norm_before.*", "text_norm1.*"),
    Name("text_enhancer_layer.fc1.*", "text_mlp.up.*"),
    Name("text_enhancer_layer.fc2.*", "text_mlp.down.*"),
    Name("text_enhancer_layer.layer_norm_after.*", "text_norm2.*"),
    *renamed("deformable_layer.self_attn.", "map_attention.", SAMPLED),
    Name("deformable_layer.self_attn_layer_norm.*", "map_norm1.*"),
    Name("deformable_layer.fc1.*", "map_mlp.up.*"),
    Name("deformable_layer.fc2.*", "map_mlp.down.*"),
    Name("deformable_layer.final_layer_norm.*", "map_norm2.*"),
)

FINDING = (
    *renamed("self_attn.", "attention.", ATTENTION),
    Name("self_attn_layer_norm.*", "norm.*"),
    *renamed("encoder_attn_text.", "text.", ATTENTION),
    Name("encoder_attn_text_layer_norm.*", "norm_text.*"),
    *renamed("encoder_attn.", "map.", SAMPLED),
    Name("encoder_attn_layer_norm.*", "norm_map.*"),
    Name("fc1.*", "mlp.up.*"),
    Name("fc2.*", "mlp.down.*"),
    Name("final_layer_norm.*", "norm_mlp.*"),
)

HEADS = (
    Name("model.text_projection.*", "lead.*"),
    Name("model.level_embed", "fuse.level"),
    *under("model.encoder.layers.*.", "fuse.layers.*.", FUSED),
    Name("model.query_position_embeddings.weight", "find.query"),
    Name("model.enc_output.*", "find.cell.*"),
    Name("model.enc_output_norm.*", "find.cell_norm.*"),
    Name("model.encoder_output_bbox_embed.layers.*.*", "find.cell_box.layers.*.*"),
    Name("model.decoder.reference_points_head.layers.*.*", "find.place.layers.*.*"),
    *under("model.decoder.layers.*.", "find.layers.*.", FINDING),
    Name("model.decoder.layer_norm.*", "find.norm.*"),
    Name("bbox_embed.*.layers.*.*", "find.boxes.*.layers.*.*"),
    # The decoder's copies of the same heads, in files of older times.
    Ignored("model.decoder.bbox_embed.**"),
)


def maps(given: int, levels: int) -> tuple[Rule, ...]:
    """Names of what leads the eye's maps to one width, and of what makes those it does not give."""
    leading = (Name(f"model.input_proj_vision.{n}.0.*", f"maps.lead.{n}.*") for n in range(given))
    halving = (Name(f"model.input_proj_vision.{n}.0.*", f"maps.halve.{n - given}.*") for n in range(given, levels))
    return (*leading, *halving, Name("model.input_proj_vision.*.1.*", "maps.norms.*.*"))


def backbone(c: Config) -> Reading:
    """A Swin whose stages leave through norms of their own, by number or by name; the last one where neither says which."""
    named = [f"stage{number}" for number in c.get("out_indices", None) or ()] or c.get("out_features", None)
    known = {f"stage{number + 1}": number + 1 for number in range(len(c.get("depths", (2, 2, 6, 2))))}
    wanted = named or list(known)[-1:]
    if not known.keys() >= set(wanted):
        raise BadConfig(f"{c.path}: {', '.join(wanted)} are not all among {', '.join(known)}")
    c.inert("out_features")
    return swin(c, tuple(known[name] for name in wanted))


ABSENT: dict[str, dict[str, Any]] = {"backbone_config": {"model_type": "swin", "out_indices": [2, 3, 4]}, "text_config": {}}
"""Parts as the published class has them where a config says nothing of them."""


def read(c: Config) -> Reading:
    c.data = {**c.data, **{part: c.data.get(part) or own for part, own in ABSENT.items()}}
    for switch in ("two_stage", "embedding_init_target"):
        c.only(switch, True)
    c.only("two_stage_bbox_embed_share", False)
    c.only("query_dim", 4)
    c.only("position_embedding_type", "sine")
    c.only("use_timm_backbone", False)
    c.inert("auxiliary_loss", "activation_dropout", "fusion_droppath", "fusion_dropout", "text_enhancer_dropout")
    c.inert("bbox_cost", "bbox_loss_coefficient", "class_cost", "focal_alpha", "giou_cost", "giou_loss_coefficient", "init_std")
    c.inert(
        "disable_custom_kernels", "backbone", "backbone_kwargs", "use_pretrained_backbone", "tie_word_embeddings", "num_labels"
    )
    looks, text = c.part("backbone_config", "swin"), c.part("text_config", "bert")
    levels = c.get("num_feature_levels", 4)
    if len(looks.spec.normed) > levels:
        raise BadConfig(
            f"{c.path}: num_feature_levels = {levels} is fewer than the {len(looks.spec.normed)} maps of the backbone"
        )
    detector = Detector(
        c.get("d_model", 256), levels, c.get("num_queries", 900), stack(c, "encoder"), stack(c, "decoder"),
        Norm("layer", c.get("layer_norm_eps", 1e-5)), float(c.get("positional_embedding_temperature", 20)),
        c.act("activation_function", "relu"), "shared" if c.get("decoder_bbox_embed_share", True) else "own",
    )  # fmt: skip
    spec = Find(
        shortest(c.pixels), pixels(c.pixels, MEAN, STD, "bilinear"), looks.spec, replace(text.spec, pool="none"),
        Phrases(ENDS, c.get("max_text_len", 256)), detector,
    )  # fmt: skip
    rules = (
        *under("model.backbone.conv_encoder.model.", "vision.", looks.keys),
        Ignored("model.backbone.conv_encoder.model.swin.layernorm.*"),
        *under("model.text_backbone.", "text.", text.keys),
        *maps(len(looks.spec.normed), levels),
        *HEADS,
    )
    return Reading(spec, rules)


def stack(c: Config, side: str) -> Deformable:
    return Deformable(
        c.get(f"{side}_layers", 6), c.get(f"{side}_attention_heads", 8), c.get(f"{side}_n_points", 4),
        c.get(f"{side}_ffn_dim", 2048),
    )  # fmt: skip


def shortest(c: Config) -> Shortest:
    """Edges in an object, or the shortest alone with the longest beside it in `max_size`."""
    c.inert("format", "do_convert_annotations", "annotations", "return_segmentation_masks", "masks_path")
    c.inert("pad_and_return_pixel_mask")
    c.only("pad_size", None)
    size, longest = c.get("size", {"shortest_edge": 800, "longest_edge": 1333}), c.get("max_size", 1333)
    if isinstance(size, int):
        return Shortest(size, longest)
    if "shortest_edge" not in size:
        raise BadConfig(f"{c.path}: size = {size} is not supported; one of shortest_edge and longest_edge is")
    return Shortest(size["shortest_edge"], size.get("longest_edge", longest))


LAYOUTS = (Layout("grounding-dino", read), Layout("swin", backbone))


def eye(width: int, depths: tuple[int, ...], heads: tuple[int, ...], window: int) -> Swin:
    block = Block(width, heads[0], 4 * width, heads[0], width // heads[0], Norm("layer", 1e-5))
    return Swin(block, depths, heads, window, normed=(2, 3, 4), narrow="shifted")


LAYERS = Deformable(6, 8, 4, 2048)

FAMILIES = (
    Family(
        name="grounding-dino",
        title="Grounding DINO",
        paper="2303.05499",
        year=2023,
        layout="grounding-dino",
        model=Find(
            Shortest(800, 1333),
            Pixels(MEAN, STD, resample="bilinear"),
            eye(96, (2, 2, 6, 2), (3, 6, 12, 24), 7),
            Bidirectional(
                Block(768, 12, 3072, 12, 64, Norm("layer", 1e-12), "gelu", norms="after"), 12, 30522, Learned(512), 2, 512
            ),
            Phrases(ENDS, 256),
            Detector(256, 4, 900, LAYERS, LAYERS, Norm("layer", 1e-5)),
        ),
        sizes={"tiny": {}, "base": {"encoder": eye(128, (2, 2, 18, 2), (4, 8, 16, 32), 12)}},
        reference="GroundingDinoForObjectDetection",
    ),
)  # fmt: skip
