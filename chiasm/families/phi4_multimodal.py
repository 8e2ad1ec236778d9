"""Phi-4-multimodal (arXiv:2503.01743), its seeing part: tiles through SigLIP, averaged by squares, rows with learned ends.

Two layouts: the ecosystem's `phi4_multimodal`, and the published `phi4mm`, whose adapter for pictures is merged into the
decoder. That adapter counts for texts alone as well here, which the original code reads without it.
"""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Adapters, Config, Fused, Ignored, Layout, Name, Reading, Reshaped, Rule, Shared, alone, under
from chiasm.readers import HALF, VIT_KEYS, edges, head_keys, longrope_louder, pixels, vit_block
from chiasm.spec import (
    Block,
    Buckets,
    Carried,
    Causal,
    CoverTiles,
    Decoder,
    Family,
    LongRope,
    Mlp,
    Norm,
    Pixels,
    PoolSquares,
    Rope,
    RowsOfTiles,
    Sight,
    Splice,
    ViT,
)
from chiasm.towers.codes import Tensors, linear, norm
from chiasm.towers.decoders import LONG, llama_like
from chiasm.towers.speech import conformer, measured

IMAGE = "model.embed_tokens_extend.image_embed."
DEFAULTS = {
    "hidden_size": 3072, "vocab_size": 200064, "num_attention_heads": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-5,
    "max_position_embeddings": 131072, "original_max_position_embeddings": 4096,
}  # fmt: skip


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, "audio_config": {}, **c.data}
    inner, heard = c.nest("vision_config"), c.nest("audio_config")
    tower = eye(inner)
    side = inner.get("crop_size", 448)
    inner.only("crop_size", inner.get("image_size", 448))
    reading = whole(c, tower, views(c, side), inner.get("image_token_id", 200010), NATIVE)
    model = reading.spec
    unread = carried(heard, model.decoder.width, tower.block)
    return replace(reading, spec=replace(model, sight=replace(model.sight, carried=unread)))


def carried(heard: Config, width: int, block: Block) -> Carried:
    """What is heard, by the class's own defaults at the published size, and the eye's head."""
    learned = (*((f"audio.{name}", shape) for name, shape in conformer(heard, width)), *pool(block))
    return Carried(learned, tuple((f"audio.{name}", shape) for name, shape in measured(heard)))


def pool(block: Block) -> Tensors:
    """The eye's own head, which nobody asks."""
    width = block.width
    return [
        ("head.probe", (1, 1, width)), ("head.attention.in_proj_weight", (3 * width, width)),
        ("head.attention.in_proj_bias", (3 * width,)), *linear("head.attention.out_proj", width, width),
        *norm("head.layernorm", width), *linear("head.mlp.fc1", width, block.mlp_width),
        *linear("head.mlp.fc2", block.mlp_width, width),
    ]  # fmt: skip


def eye(c: Config) -> ViT:
    c.only("num_channels", 3)
    block = vit_block(c, width=1152, heads=16, mlp_width=4304, act="gelu_pytorch_tanh", eps=1e-6)
    patch = c.get("patch_size", 14)
    return ViT(
        block, c.get("num_hidden_layers", 27), patch, Buckets(c.get("image_size", 448) // patch), post_norm="idle",
        taps=(c.get("feature_layer", -2),),
    )  # fmt: skip


def views(c: Config, side: int) -> CoverTiles:
    c.pixels.only("size", side, {"height": side, "width": side})
    c.pixels.inert("patch_size")
    return CoverTiles(edges(c.pixels.get("size", side))[0], c.pixels.get("dynamic_hd", 36))


def whole(c: Config, tower: ViT, tiles: CoverTiles, image: int, names: tuple[Rule, ...]) -> Reading:
    """Published files resample tiles bilinearly, whatever their preprocessor says of the whole view."""
    c.pixels.inert("resample")
    c.data = {**DEFAULTS, **c.data}
    text = c.flat("phi3")
    width = text.spec.width
    look = replace(pixels(c.pixels, HALF, HALF), resample="bilinear")
    steps = (PoolSquares(), RowsOfTiles("tiles"), Mlp(width, width))
    keys = (
        *names,
        *under(f"{IMAGE}img_processor.", "vision.", VIT_KEYS),
        *under("model.", "language.", text.keys),
        *head_keys("lm_head.weight", text.spec.tied),
    )
    return Reading(Causal(text.spec, Sight(tiles, look, tower, steps, Splice(image))), keys)


NATIVE: tuple[Rule, ...] = (
    Name(f"{IMAGE}img_processor.head.**", "carried.head.**"),
    Name("model.embed_tokens_extend.audio_embed.**", "carried.audio.**"),
    Reshaped(f"{IMAGE}sub_img_feature_extensor", "connect.steps.1.newline", alone(3)),
    Reshaped(f"{IMAGE}global_img_feature_extensor", "connect.steps.1.between", alone(2)),
    Name(f"{IMAGE}img_projection_up.*", "connect.steps.2.layers.0.*"),
    Name(f"{IMAGE}img_projection_down.*", "connect.steps.2.layers.1.*"),
)


# --- the published folder ---------------------------------------------------------------------------------------------------


def read_published(c: Config) -> Reading:
    c.data = {"vision_lora": {}, **c.data}
    c.inert("speech_lora", "audio_processor", "img_processor", "full_attn_mod", "interpolate_factor")
    layers = c.nest("embd_layer", {"image_embd_layer": {}})
    layers.inert("embedding_cls", "audio_embd_layer")
    image = layers.nest("image_embd_layer", {})
    image.inert("embedding_cls", "enable_gradient_checkpointing")
    image.only("hd_transform_order", "sub_glb")
    image.only("image_token_compression_cls", "avg_pool_2d")
    image.only("projection_cls", "mlp")
    image.only("use_hd_transform", True)
    image.only("with_learnable_separator", True)
    side = image.get("crop_size", 448)
    lora = c.nest("vision_lora")
    lora.inert("dp", "layer")
    c.pixels.inert("audio_compression_rate", "audio_downsample_rate", "audio_feat_stride", "feature_extractor_type")
    tiles = CoverTiles(side, c.pixels.get("dynamic_hd", 36))
    reading = whole(c, SIGLIP, tiles, 200010, PUBLISHED)
    rules = (*reading.keys, *adapters(reading.spec.decoder.block))
    return replace(reading, keys=rules, adapters=Adapters(lora.get("r", 256), lora.get("lora_alpha", 512)))


PUBLISHED: tuple[Rule, ...] = (
    Ignored(f"{IMAGE}img_processor.head.**"),
    Ignored("model.embed_tokens_extend.audio_embed.**"),
    Reshaped(f"{IMAGE}sub_GN", "connect.steps.1.newline", alone(3)),
    Reshaped(f"{IMAGE}glb_GN", "connect.steps.1.between", alone(2)),
    Name(f"{IMAGE}img_projection.0.*", "connect.steps.2.layers.0.*"),
    Name(f"{IMAGE}img_projection.2.*", "connect.steps.2.layers.1.*"),
)


def adapters(block: Block) -> tuple[Rule, ...]:
    """Every layer's weight under another name, and the two halves of what pictures add to it. A half that reads serves all
    parts of a fused layer, one that writes is fused like the layer."""
    qkv, mlp = tuple(f"attention.{part}" for part in "qkv"), ("mlp.gate", "mlp.up")
    shares = (block.heads, block.kv_heads, block.kv_heads)
    layers = (
        ("self_attn.qkv_proj", qkv, shares), ("self_attn.o_proj", ("attention.out",), (1,)),
        ("mlp.gate_up_proj", mlp, (1, 1)), ("mlp.down_proj", ("mlp.down",), (1,)),
    )  # fmt: skip
    rules: list[Rule] = []
    for theirs, ours, each in layers:
        base, here = f"model.layers.*.{theirs}", tuple(f"language.blocks.*.{name}" for name in ours)
        rules += [
            Fused(f"{base}.base_layer.weight", tuple(f"{name}.weight" for name in here), each),
            Shared(f"{base}.lora_A.vision.weight", tuple(f"adapters.{name}.a" for name in here)),
            Fused(f"{base}.lora_B.vision.weight", tuple(f"adapters.{name}.b" for name in here), each),
            Ignored(f"{base}.lora_*.speech.weight"),
        ]
    return tuple(rules)


LAYOUTS = (Layout("phi4_multimodal", read), Layout("phi4mm", read_published))

SIGLIP = ViT(Block(1152, 16, 4304, 16, 72, Norm("layer", 1e-6), "gelu_tanh"), 27, 14, Buckets(32), post_norm="idle", taps=(-2,))


def _alone(model_type: str, where: str) -> Layout:
    raise BadConfig(f"{where}: what hears has no part of type {model_type!r}")


CHAT = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<|image|>' }}"
    "{% elif message['role'] == 'assistant' %}{% generation %}{{ content['text'] }}{% endgeneration %}"
    "{% else %}{{ content['text'] }}{% endif %}{% endfor %}{{ '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

FAMILIES = (
    Family(
        name="phi-4-multimodal",
        title="Phi-4-multimodal",
        paper="2503.01743",
        year=2025,
        layout="phi4_multimodal",
        model=Causal(
            Decoder(
                llama_like(3072, 24, 8, 8192, eps=1e-5), 32, 200064,
                Rope(10000.0, LongRope((1.0,) * 48, LONG, longrope_louder(32, 4096), 4096), share=0.75), 131072, tied=True,
                window=262144,
            ),
            Sight(
                CoverTiles(448, 36), Pixels(HALF, HALF, resample="bilinear"), SIGLIP,
                (PoolSquares(), RowsOfTiles("tiles"), Mlp(3072, 3072)), Splice(200010),
                carried=carried(Config({}, "what hears", _alone), 3072, SIGLIP.block),
            ),
        ),
        sizes={"5.6b": {}},
        reference="Phi4MultimodalForCausalLM",
        chat=CHAT,
    ),
)  # fmt: skip
