"""Swin's config and the names of its tensors."""

from chiasm.errors import BadConfig
from chiasm.layout import Config, Ignored, Name, Reading, Rule
from chiasm.spec import Block, Norm, Swin

BLOCKS = (
    ("layernorm_before.*", "norm1.*"),
    ("attention.self.query.*", "attention.attention.q.*"),
    ("attention.self.key.*", "attention.attention.k.*"),
    ("attention.self.value.*", "attention.attention.v.*"),
    ("attention.self.relative_position_bias_table", "attention.offset"),
    ("attention.output.dense.*", "attention.attention.out.*"),
    ("layernorm_after.*", "norm2.*"),
    ("intermediate.dense.*", "mlp.up.*"),
    ("output.dense.*", "mlp.down.*"),
)


def keys(normed: tuple[int, ...]) -> tuple[Rule, ...]:
    """The names of a Swin whose stages `normed` leave, each through its norm."""
    return (
        Name("embeddings.patch_embeddings.projection.*", "stem.*"),
        Name("embeddings.norm.*", "stem_norm.*"),
        *(Name(f"encoder.layers.*.blocks.*.{theirs}", f"stages.*.*.{ours}") for theirs, ours in BLOCKS),
        Name("encoder.layers.*.downsample.norm.*", "halves.*.norm.*"),
        Name("encoder.layers.*.downsample.reduction.weight", "halves.*.reduce.weight"),
        *(Name(f"hidden_states_norms.stage{stage}.*", f"norms.{number}.*") for number, stage in enumerate(normed)),
        Ignored("**.relative_position_index"),
    )


def swin(c: Config, normed: tuple[int, ...] = ()) -> Reading:
    """`Swin` by the published class's defaults; with `normed` as a backbone, whose windows are shifted at every size."""
    c.only("num_channels", 3)
    c.only("use_absolute_embeddings", False)
    c.inert("image_size", "hidden_size", "drop_path_rate", "encoder_stride", "path_norm", "num_layers", "stage_names")
    width, heads = c.get("embed_dim", 96), c.get("num_heads", (3, 6, 12, 24))
    hidden = c.get("mlp_ratio", 4.0) * width
    if hidden != int(hidden):
        raise BadConfig(
            f"{c.path}: mlp_ratio = {c.data['mlp_ratio']} makes {hidden:g} of {width} channels; a whole number is needed"
        )
    block = Block(
        width, heads[0], int(hidden), heads[0], width // heads[0], Norm("layer", c.get("layer_norm_eps", 1e-5)),
        c.act("hidden_act", "gelu"), qkv_bias=c.get("qkv_bias", True),
    )  # fmt: skip
    spec = Swin(
        block, tuple(c.get("depths", (2, 2, 6, 2))), tuple(heads), c.get("window_size", 7), c.get("patch_size", 4),
        normed=normed, narrow="shifted" if normed else "still",
    )  # fmt: skip
    return Reading(spec, keys(normed))
