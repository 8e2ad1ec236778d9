"""Nomic Embed Vision (arXiv:2406.18587): an EVA-02-like encoder in the space of Nomic Embed Text."""

from chiasm.layout import Config, Form, Fused, Layout, Name, Reading, Reshaped, Rule, alone, rows
from chiasm.readers import CLIP_MEAN, CLIP_STD, crop_resize, pixels
from chiasm.spec import AddedPool, Axial, Block, Encode, Family, Norm, Pixels, Resize, Table, ViT
from chiasm.towers.rotary import bias_pairs, pairs

ROUND = 256
"""Gated MLPs are widened to a multiple of this, whatever the config says."""


def keys(block: Block, patch: int, turned: bool) -> tuple[Rule, ...]:
    width, form = block.width, pairs(block) if turned else None
    stem = Form((width, 3, patch, patch), (0, 1, 2, 3), (width, 3, patch, patch), (width, -1))
    parts = tuple(f"vision.blocks.*.attention.{part}" for part in "qkv")
    bias = bias_pairs(block) if turned else None
    return (
        Reshaped("embeddings.cls_token", "vision.cls", alone(2)),
        Reshaped("embeddings.pos_embed", "vision.position.weight", rows(width)),
        Reshaped("embeddings.proj.weight", "vision.stem.weight", stem),
        Name("embeddings.proj.bias", "vision.stem.bias"),
        Fused("layers.*.attn.Wqkv.weight", tuple(f"{p}.weight" for p in parts), (1, 1, 1), (form, form, None)),
        Fused("layers.*.attn.Wqkv.bias", tuple(f"{p}.bias" for p in parts), (1, 1, 1), (bias, bias, None)),
        Name("layers.*.attn.out_proj.*", "vision.blocks.*.attention.out.*"),
        Name("layers.*.norm1.*", "vision.blocks.*.norm1.*"),
        Name("layers.*.norm2.*", "vision.blocks.*.norm2.*"),
        *mlp(block, "layers.*.mlp.", "vision.blocks.*.mlp."),
        Name("layers.*.mlp.norm.*", "vision.blocks.*.mlp.norm.*"),
        Reshaped("selector.attn.latent", "pool.query", alone(2)),
        Name("selector.attn.Wq.*", "pool.q.*"),
        Fused("selector.attn.Wkv.*", ("pool.k.*", "pool.v.*"), (1, 1)),
        Name("selector.attn.out_proj.*", "pool.out.*"),
        Name("selector.norm1.*", "pool.norm.*"),
        *mlp(block, "selector.mlp.", "pool.mlp."),
    )


def mlp(block: Block, theirs: str, ours: str) -> tuple[Rule, ...]:
    into = {"up": "fc1"} if block.mlp == "plain" else {"up": "fc11", "gate": "fc12"}
    return tuple(Name(f"{theirs}{b}.*", f"{ours}{a}.*") for a, b in {**into, "down": "fc2"}.items())


def read(c: Config) -> Reading:
    for field, value in {
        "prenorm": True, "qkv_proj_bias": True, "mlp_fc1_bias": True, "mlp_fc2_bias": True, "patch_embed_bias": True,
        "use_pos_embed": True, "learned_pos_embedding": False, "num_channels": 3,
        "register_tokens": 0, "no_cls_token": False, "no_embed_class": False, "rotary_emb_fraction": 0.0, "causal": False,
        "parallel_block": False, "use_rms_norm": False,
    }.items():  # fmt: skip
        c.only(field, value)
    c.only("global_pool", None)
    c.inert(*UNUSED)
    width, heads, side, patch = c.get("n_embd", 768), c.get("n_head", 12), c.get("img_size", 224), c.get("patch_size", 16)
    gated, hidden = c.get("activation_function", "swiglu") == "swiglu", c.get("n_inner", 4 * width)
    c.only("activation_function", "swiglu", "gelu")
    hidden = (hidden + ROUND - 1) // ROUND * ROUND if gated else hidden
    block = Block(
        width, heads, hidden, heads, width // heads, Norm("layer", c.get("layer_norm_epsilon", 1e-6)),
        "silu" if gated else "gelu", "gated" if gated else "plain",
        mlp_norm=Norm("layer", 1e-5) if gated and c.get("norm_mlp", False) else None,
    )  # fmt: skip
    shape = c.get("ref_feat_shape", None)
    turn = Axial(side=shape if shape is None or isinstance(shape, int) else shape[0])
    turned = c.get("use_rotary_pos_emb", True)
    spec = ViT(block, c.get("n_layer", 12), patch, Table(side // patch), cls="keep", turn=turn if turned else None)
    views, look = crop_resize(c.pixels, side), pixels(c.pixels, CLIP_MEAN, CLIP_STD)
    return Reading(Encode(views, look, spec, AddedPool(hidden)), keys(block, patch, turned))


UNUSED = (
    "attn_pdrop", "embd_pdrop", "resid_pdrop", "mlp_pdrop", "drop_path_rate", "summary_activation",
    "summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj", "scale_attn_weights",
    "scale_attn_by_inverse_layer_idx", "reorder_and_upcast_attn", "fused_bias_fc", "fused_dropout_add_ln", "use_flash_attn",
    "use_xentropy", "pad_vocab_size_multiple", "n_positions", "vocab_size", "type_vocab_size", "rotary_emb_base",
    "rotary_emb_interleaved", "rotary_emb_scale_base", "rotary_scaling_factor", "max_trained_positions", "patch_dropout",
    "pos_drop_rate", "attention_pooling", "use_cls", "dense_seq_output", "head_init_scale", "init_values", "norm_pre",
    "post_norm", "qkv_bias", "norm_mlp", "tie_word_embeddings", "mask_token",
)  # fmt: skip
"""What its class shares with a text model, and what says nothing about inference."""

LAYOUTS = (Layout("nomic_vision", read, ("n_embd", "n_inner", "img_size", "patch_size")),)

BLOCK = Block(
    768, 12, 2048, 12, 64, Norm("layer", 1e-6), "silu", "gated", mlp_norm=Norm("layer", 1e-5),
)  # fmt: skip

FAMILIES = (
    Family(
        name="nomic-vision",
        title="Nomic Embed Vision",
        paper="2406.18587",
        year=2024,
        layout="nomic_vision",
        model=Encode(
            Resize(224, 224, "crop"),
            Pixels(CLIP_MEAN, CLIP_STD),
            ViT(BLOCK, 12, 16, Table(14), cls="keep", turn=Axial(side=16)),
            AddedPool(2048),
        ),
        sizes={"v1.5": {}},
        reference="NomicVisionModel",
        proof="recorded",
    ),
)
