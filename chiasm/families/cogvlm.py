"""CogVLM (arXiv:2311.03079) and CogVLM2 (arXiv:2408.16500): visual tokens with weights of their own in every block."""

from chiasm.layout import Config, Form, Fused, Ignored, Layout, Name, Reading, Reshaped, Rule, alone, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, head_keys, pixels, squash
from chiasm.spec import (
    Bend,
    Block,
    Causal,
    Decoder,
    Enclose,
    Expert,
    Family,
    Merge,
    Mlp,
    Norm,
    Normed,
    Pixels,
    Resize,
    Rope,
    Sight,
    Step,
    Table,
    ViT,
)
from chiasm.towers.decoders import llama_like

OLD, NEW = (0, "<unk>"), (128002, "<|reserved_special_token_0|>")
"""The id that stands where a picture's tokens go, and how tokenizers call it: Vicuna's pad, a word that Llama 3 kept free."""

CHAT = (
    "{{{{ bos_token }}}}{{% for message in messages %}}{{% for content in message['content'] %}}"
    "{{% if content['type'] == 'image' %}}{{{{ '{image}' }}}}{{% endif %}}{{% endfor %}}"
    "{{% for content in message['content'] %}}{{% if content['type'] == 'text' %}}"
    "{{% if message['role'] == 'user' %}}{{{{ 'Question: ' + content['text'] + ' Answer:' }}}}"
    "{{% else %}}{{% generation %}}{{{{ ' ' + content['text'] + '\n' }}}}{{% endgeneration %}}{{% endif %}}"
    "{{% endif %}}{{% endfor %}}{{% endfor %}}"
)


VISION_KEYS: tuple[Rule, ...] = (
    Reshaped("patch_embedding.cls_embedding", "cls", alone(1)),
    Name("patch_embedding.position_embedding.weight", "position.weight"),
    Name("patch_embedding.proj.*", "stem.*"),
    Name("transformer.layers.*.input_layernorm.*", "blocks.*.norm1.*"),
    Name("transformer.layers.*.post_attention_layernorm.*", "blocks.*.norm2.*"),
    Fused("transformer.layers.*.attention.query_key_value.*", tuple(f"blocks.*.attention.{p}.*" for p in "qkv"), (1, 1, 1)),
    Name("transformer.layers.*.attention.dense.*", "blocks.*.attention.out.*"),
    Name("transformer.layers.*.mlp.fc1.*", "blocks.*.mlp.up.*"),
    Name("transformer.layers.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
)


def read_vision(c: Config) -> ViT:
    width, heads = c.get("hidden_size"), c.get("num_heads")
    norm, patch = Norm("layer", c.get("layer_norm_eps")), c.get("patch_size")
    block = Block(
        width, heads, c.get("intermediate_size"), heads, width // heads, norm, c.act("hidden_act", "gelu"), norms="inside"
    )
    side = c.get("image_size") // patch
    c.only("num_positions", side**2 + 1)
    c.only("in_channels", 3)
    c.inert("dropout_prob")
    return ViT(block, c.get("num_hidden_layers"), patch, Table(side), cls="drop")


def adapter(eye: int, width: int, hidden: int, halved: bool) -> tuple[Step, ...]:
    """From the tower to the decoder: squares of four cells joined where `halved`, then a gated MLP, ends around."""
    squares: tuple[Step, ...] = (Merge(2), Mlp(eye, eye, depth=1)) if halved else ()
    gated = Mlp(width, hidden, act="silu", bias=False, gated=True)
    return (*squares, Mlp(width, width, depth=1, bias=False), Normed(Norm("layer", 1e-5)), Bend("gelu"), gated, Enclose())


def read(c: Config) -> Reading:
    """The second edition's config names shared key heads, the first one's does not; what else they differ in is in their code,
    unless a config says it."""
    second = "num_multi_query_heads" in c.data
    said = second or "vision_expert_qkv_bias" in c.data
    width, heads, vocab = c.get("hidden_size", 4096), c.get("num_attention_heads", 32), c.get("vocab_size", 32000)
    block = Block(
        width, heads, c.get("intermediate_size", 11008), c.get("num_multi_query_heads", heads), width // heads,
        Norm("rms", c.get("rms_norm_eps", 1e-6)), c.act("hidden_act", "silu"), "gated",
        qkv_bias=False, out_bias=False, mlp_bias=False,
    )  # fmt: skip
    c.inert("template_version")
    decoder = Decoder(
        block, c.get("num_hidden_layers", 32), vocab, Rope(float(c.get("rope_theta", 500000 if second else 10000))),
        c.get("max_position_embeddings", 2048), c.get("tie_word_embeddings", False),
    )  # fmt: skip
    eye = read_vision(c.nest("vision_config"))
    image, name = NEW if vocab > NEW[0] else OLD
    fusion = Expert(image, c.get("vision_expert_qkv_bias", second))
    side = c.nested[0].get("image_size")
    steps = adapter(eye.width, width, block.mlp_width, said)
    sight = Sight(squash(c.pixels, side), pixels(c.pixels, CLIP_MEAN, CLIP_STD), eye, steps, fusion)
    # Their tokenizers' own templates know no pictures.
    return Reading(Causal(decoder, sight), keys(decoder, eye, steps), chat=CHAT.format(image=name))


def keys(decoder: Decoder, eye: ViT, steps: tuple[Step, ...]) -> tuple[Rule, ...]:
    block, wide, first = decoder.block, eye.width, len(steps) - 5
    shares = (block.heads, block.kv_heads, block.kv_heads)
    layer = "model.layers.*."
    kinds = (("language", "language.blocks.*."), ("vision", "language.blocks.*.expert."))
    squares = Form((wide, wide, 4), (0, 2, 1), (wide, 4 * wide), (wide, wide, 2, 2))
    vision: tuple[Rule, ...] = (
        *under("", "vision.", VISION_KEYS),
        Reshaped("conv.weight", "connect.steps.1.layers.0.weight", squares),
        Name("conv.bias", "connect.steps.1.layers.0.bias"),
        Name("linear_proj.linear_proj.weight", f"connect.steps.{first}.layers.0.weight"),
        Name("linear_proj.norm1.*", f"connect.steps.{first + 1}.*"),
        Name("linear_proj.gate_proj.weight", f"connect.steps.{first + 3}.gate.weight"),
        Name("linear_proj.dense_h_to_4h.weight", f"connect.steps.{first + 3}.up.weight"),
        Name("linear_proj.dense_4h_to_h.weight", f"connect.steps.{first + 3}.down.weight"),
        Reshaped("boi", f"connect.steps.{first + 4}.before", alone(2)),
        Reshaped("eoi", f"connect.steps.{first + 4}.after", alone(2)),
    )
    return (
        Name("model.embed_tokens.weight", "language.embed.weight"),
        Name("model.norm.weight", "language.norm.weight"),
        Name(f"{layer}input_layernorm.weight", "language.blocks.*.norm1.weight"),
        Name(f"{layer}post_attention_layernorm.weight", "language.blocks.*.norm2.weight"),
        Ignored(f"{layer}self_attn.rotary_emb.inv_freq"),
        *(rule for theirs, ours in kinds for rule in weights(layer, theirs, ours, shares)),
        *under("model.vision.", "", vision),
        *head_keys("lm_head.weight", decoder.tied),
    )


def weights(layer: str, theirs: str, ours: str, shares: tuple[int, ...]) -> tuple[Rule, ...]:
    """The projections and the MLP of one kind of token."""
    return (
        Fused(f"{layer}self_attn.{theirs}_expert_query_key_value.*", tuple(f"{ours}attention.{p}.*" for p in "qkv"), shares),
        Name(f"{layer}self_attn.{theirs}_expert_dense.weight", f"{ours}attention.out.weight"),
        *(Name(f"{layer}mlp.{theirs}_mlp.{p}_proj.weight", f"{ours}mlp.{p}.weight") for p in ("gate", "up", "down")),
    )


LAYOUTS = (Layout("cogvlm", read, signs=("template_version", "vision_config")),)


def eye(side: int) -> ViT:
    """EVA2-CLIP-E without its last block."""
    block = Block(1792, 16, 15360, 16, 112, Norm("layer", 1e-6), "gelu", norms="inside")
    return ViT(block, 63, 14, Table(side // 14), cls="drop")


def sight(side: int, hidden: int, image: int, second: bool) -> Sight:
    return Sight(
        Resize(side, side, "squash"), Pixels(CLIP_MEAN, CLIP_STD), eye(side), adapter(1792, 4096, hidden, second),
        Expert(image, qkv_bias=second),
    )  # fmt: skip


VICUNA_7B = Decoder(llama_like(4096, 32, 32, 11008, eps=1e-5), 32, 32000, Rope(10000.0), 2048)
LLAMA_3_8B = Decoder(llama_like(4096, 32, 8, 14336, eps=1e-5), 32, 128256, Rope(500000.0), 8192)


FAMILIES = (
    Family(
        name="cogvlm",
        title="CogVLM",
        paper="2311.03079",
        year=2023,
        layout="cogvlm",
        model=Causal(VICUNA_7B, sight(490, 11008, OLD[0], second=False)),
        sizes={"17b": {}, "17b-base-224": {"sight": sight(224, 11008, OLD[0], second=False)}},
        reference="cogvlm-0",
        proof="recorded",
        chat=CHAT.format(image=OLD[1]),
    ),
    Family(
        name="cogvlm2",
        title="CogVLM2",
        paper="2408.16500",
        year=2024,
        layout="cogvlm",
        model=Causal(LLAMA_3_8B, sight(1344, 14336, NEW[0], second=True)),
        sizes={"19b": {}},
        reference="cogvlm-0",
        proof="recorded",
        chat=CHAT.format(image=NEW[1]),
    ),
)  # fmt: skip
