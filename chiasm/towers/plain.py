"""Plain towers: CLIP's and SigLIP's blocks, SigLIP's pool and text tower, the names of ViT's encoder."""

from chiasm.layout import Config, Name, Reading, Reshaped, Rule, alone, rows
from chiasm.readers import TEXT_KEYS, vit_block
from chiasm.spec import Activation, Block, Norm, TextTower

POOL_KEYS = (
    Name("head.probe", "query"),
    Name("head.attention.*", "attention.*"),
    Name("head.attention.out_proj.*", "attention.out_proj.*"),
    Name("head.layernorm.*", "norm.*"),
    Name("head.mlp.fc1.*", "mlp.up.*"),
    Name("head.mlp.fc2.*", "mlp.down.*"),
)


def tower(width: int, heads: int, mlp_width: int, act: Activation = "gelu", eps: float = 1e-5) -> Block:
    """A block as most towers have it."""
    return Block(width, heads, mlp_width, heads, width // heads, Norm("layer", eps), act)


def sigmoid_tower(width: int, heads: int, mlp_width: int) -> Block:
    """SigLIP's block, of pictures and of texts."""
    return tower(width, heads, mlp_width, "gelu_tanh", 1e-6)


def sigmoid_text(c: Config) -> Reading:
    """SigLIP's text tower."""
    block = vit_block(c, width=768, heads=12, mlp_width=3072, act="gelu_pytorch_tanh", eps=1e-6)
    spec = TextTower(
        block, c.get("num_hidden_layers", 12), c.get("vocab_size", 32000), c.get("max_position_embeddings", 64), "full", "last",
        c.get("eos_token_id", 49407), c.first("projection_size", default=block.width), project_bias=True,
    )  # fmt: skip
    return Reading(spec, (*TEXT_KEYS, Name("head.*", "project.*")))


def encoder_keys(width: int) -> tuple[Rule, ...]:
    """The names that ViT and DINOv2 share: all but those of their blocks' norms and MLPs."""
    return (
        Reshaped("embeddings.cls_token", "cls", alone(2)),
        Reshaped("embeddings.position_embeddings", "position.weight", rows(width)),
        Name("embeddings.patch_embeddings.projection.*", "stem.*"),
        Name("encoder.layer.*.attention.attention.query.*", "blocks.*.attention.q.*"),
        Name("encoder.layer.*.attention.attention.key.*", "blocks.*.attention.k.*"),
        Name("encoder.layer.*.attention.attention.value.*", "blocks.*.attention.v.*"),
        Name("encoder.layer.*.attention.output.dense.*", "blocks.*.attention.out.*"),
        Name("layernorm.*", "post_norm.*"),
    )
