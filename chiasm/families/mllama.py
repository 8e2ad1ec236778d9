"""Llama 3.2 Vision (arXiv:2407.21783): a canvas of tiles, and gated layers in which a Llama 3.1 asks it."""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Ignored, Layout, Name, Reading, Respelt, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, DECODER_KEYS, HALF, decoder, head_keys, pixels
from chiasm.spec import (
    Block,
    Canvas,
    Causal,
    Cross,
    Decoder,
    Everything,
    Family,
    Llama3Scaling,
    Mlp,
    Norm,
    Pixels,
    Rope,
    Sight,
    TiledViT,
)
from chiasm.towers.decoders import llama_like

UNSAID = 8
"""Ids after the vocabulary that have a row in the embedding: the picture's is the first."""

BLOCK_KEYS: tuple[Rule, ...] = (
    Name("input_layernorm.*", "norm1.*"),
    Name("post_attention_layernorm.*", "norm2.*"),
    *(Name(f"self_attn.{p}_proj.weight", f"attention.{p}.weight") for p in "qkv"),
    Name("self_attn.o_proj.weight", "attention.out.weight"),
    Name("mlp.fc1.*", "mlp.up.*"),
    Name("mlp.fc2.*", "mlp.down.*"),
    Name("gate_attn", "scale1.weight"),
    Name("gate_ffn", "scale2.weight"),
)

VISION_KEYS: tuple[Rule, ...] = (
    Name("class_embedding", "cls"),
    Name("patch_embedding.weight", "stem.weight"),
    Name("gated_positional_embedding.gate", "tile_position.gate.weight"),
    Name("gated_positional_embedding.embedding", "position"),
    Name("gated_positional_embedding.tile_embedding.weight", "tile_position.table.weight"),
    *(
        rule
        for theirs, ours in (("pre_tile", "before"), ("post_tile", "after"))
        for rule in (
            Name(f"{theirs}_positional_embedding.embedding.weight", f"{ours}.table.weight"),
            Name(f"{theirs}_positional_embedding.gate", f"{ours}.gate.weight"),
        )
    ),
    Name("layernorm_pre.*", "pre_norm.*"),
    Name("layernorm_post.*", "post_norm.*"),
    *under("transformer.layers.*.", "blocks.*.", BLOCK_KEYS),
    *under("global_transformer.layers.*.", "wide.*.", BLOCK_KEYS),
)

GATED_KEYS: tuple[Rule, ...] = (
    Name("input_layernorm.weight", "norm1.weight"),
    Name("post_attention_layernorm.weight", "norm2.weight"),
    *(Name(f"cross_attn.{p}_proj.weight", f"cross.{p}.weight") for p in "qkv"),
    Name("cross_attn.o_proj.weight", "cross.out.weight"),
    *(Name(f"cross_attn.{p}_norm.weight", f"cross.{p}_norm.weight") for p in "qk"),
    *(Name(f"mlp.{p}_proj.weight", f"mlp.{p}.weight") for p in ("gate", "up", "down")),
    Name("cross_attn_attn_gate", "gate1.weight"),
    Name("cross_attn_mlp_gate", "gate2.weight"),
)


def read_vision(c: Config) -> TiledViT:
    width, heads = c.get("hidden_size", 1280), c.first("attention_heads", "num_attention_heads", default=16)
    # The norms around the blocks are of torch's own precision, which is also the blocks' in every published config.
    c.only("norm_eps", 1e-5)
    block = Block(
        width, heads, c.get("intermediate_size", 5120), heads, width // heads, Norm("layer", 1e-5),
        c.act("hidden_act", "gelu"), qkv_bias=False, out_bias=False,
    )  # fmt: skip
    patch, most = c.get("patch_size", 14), c.get("max_num_tiles", 4)
    taps = tuple(c.get("intermediate_layers_indices", None) or [3, 7, 15, 23, 30])
    c.only("num_channels", 3)
    counts = range(1, most + 1)
    c.only("supported_aspect_ratios", [[high, wide] for high in counts for wide in counts if high * wide <= most])
    c.only("vision_output_dim", width * (1 + len(taps)))
    c.inert("max_aspect_ratio_id")
    return TiledViT(
        block, c.get("num_hidden_layers", 32), c.get("num_global_layers", 8), patch, c.get("image_size", 448) // patch,
        most, taps,
    )  # fmt: skip


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, "text_config": {}, **c.data}
    eye, text = read_vision(c.nest("vision_config")), c.nest("text_config")
    text.data = {**TEXT, **text.data}
    layers = set(text.get("cross_attention_layers", None) or range(3, 40, 5))
    text.only("tie_word_embeddings", False)
    text.inert("num_hidden_layers")
    whole = decoder(text, context=131072, eps=1e-5, theta=500000.0).spec
    own = [layer for layer in range(whole.depth) if layer not in layers]
    spec = replace(whole, depth=len(own), unsaid=UNSAID)
    block = replace(spec.block, qk_norm=spec.block.norm)
    before = tuple(sum(layer < gated for layer in own) for gated in sorted(layers))
    image = c.first("image_token_index", "image_token_id", default=128256)
    c.only("tie_word_embeddings", False)
    tile = eye.side * eye.patch
    c.pixels.only("size", {"height": tile, "width": tile})
    c.pixels.only("max_image_tiles", eye.most)
    look = pixels(c.pixels, HALF, HALF, "bilinear")
    fusion = Cross(image, block, before, "run", Everything())
    sight = Sight(Canvas(tile, eye.most), look, eye, (Mlp(spec.width, spec.width, depth=1),), fusion)
    return Reading(Causal(spec, sight), keys(own, sorted(layers)))


TEXT: dict[str, Any] = {
    "vocab_size": 128256, "hidden_size": 4096, "num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 8,
    "intermediate_size": 14336,
}  # fmt: skip
"""The published class's defaults."""


def keys(own: list[int], gated: list[int]) -> tuple[Rule, ...]:
    """Layers are numbered through in files; here the gated ones are counted apart."""
    layer = tuple(
        Name(rule.theirs.removeprefix("layers.*."), rule.ours.removeprefix("blocks.*."))
        for rule in DECODER_KEYS
        if isinstance(rule, Name) and rule.theirs.startswith("layers.*.")
    )
    text = "language_model.model."
    return (
        Respelt("model.vision_model.", "vision_model."),
        Respelt("model.multi_modal_projector.", "multi_modal_projector."),
        Respelt("model.language_model.", "language_model.model."),
        Respelt("lm_head.", "language_model.lm_head."),
        *under("vision_model.", "vision.", VISION_KEYS),
        Name("multi_modal_projector.*", "connect.steps.0.layers.0.*"),
        Name(f"{text}embed_tokens.weight", "language.embed.weight"),
        Name(f"{text}norm.weight", "language.norm.weight"),
        *(rule for n, at in enumerate(gated) for rule in under(f"{text}layers.{at}.", f"gated.blocks.{n}.", GATED_KEYS)),
        *(rule for n, at in enumerate(own) for rule in under(f"{text}layers.{at}.", f"language.blocks.{n}.", layer)),
        Ignored(f"{text}layers.*.self_attn.rotary_emb.inv_freq"),
        *head_keys("language_model.lm_head.weight", False),
    )


LAYOUTS = (Layout("mllama", read),)


def crossed(width: int, heads: int, mlp_width: int, depth: int) -> dict[str, Any]:
    """A decoder of so many layers, every fifth of them gated, and the gated ones."""
    gated = range(3, depth, 5)
    own = [layer for layer in range(depth) if layer not in gated]
    block = llama_like(width, heads, 8, mlp_width, eps=1e-5)
    scaling = Llama3Scaling(8.0, 1.0, 4.0, 8192)
    decoder = Decoder(block, len(own), 128256, Rope(500000.0, scaling), 131072, unsaid=UNSAID)
    before = tuple(sum(layer < at for layer in own) for at in gated)
    fusion = Cross(128256, replace(block, qk_norm=block.norm), before, "run", Everything())
    return {"decoder": decoder, "sight.connector": (Mlp(width, width, depth=1),), "sight.fusion": fusion}


EYE = TiledViT(
    Block(1280, 16, 5120, 16, 80, Norm("layer", 1e-5), "gelu", qkv_bias=False, out_bias=False), 32, 8, 14, 40, 4,
    (3, 7, 15, 23, 30),
)  # fmt: skip
SMALL = crossed(4096, 32, 14336, 40)

CHAT = (
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}{{ '<|image|>' }}"
    "{% elif content['type'] == 'text' %}{{ content['text'] }}{% endif %}{% endfor %}{{ '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)

FAMILIES = (
    Family(
        name="llama-3.2-vision",
        title="Llama 3.2 Vision",
        paper="2407.21783",
        year=2024,
        layout="mllama",
        model=Causal(
            SMALL["decoder"],
            Sight(
                Canvas(560, 4), Pixels(CLIP_MEAN, CLIP_STD, resample="bilinear"), EYE, SMALL["sight.connector"],
                SMALL["sight.fusion"],
            ),
        ),
        sizes={"11b": {}, "90b": crossed(8192, 64, 28672, 100)},
        reference="MllamaForConditionalGeneration",
        chat=CHAT,
    ),
)  # fmt: skip
