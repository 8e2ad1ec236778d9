"""VideoChat2 (arXiv:2311.17005): UMT's tower over whole clips, a Q-Former that reads the question, one linear layer.

The layout is that of the seeing half by itself, in the original code's names.
"""

from typing import Any

from chiasm.layout import Config, Form, Fused, Ignored, Layout, Name, Reading, Reshaped, Rule, rows, under
from chiasm.readers import CLIP_MEAN, CLIP_STD
from chiasm.spec import (
    Around,
    Block,
    Causal,
    ClipSines,
    ClipTable,
    Decoder,
    Even,
    Family,
    Frames,
    Mlp,
    Norm,
    Normed,
    Pixels,
    QFormer,
    Resize,
    Rope,
    See,
    Sight,
    Splice,
    ViT,
    Words,
)
from chiasm.towers.blip import BERT_WORDS, QFORMER_KEYS
from chiasm.towers.decoders import llama_like

TRAINED = (224, 28)
"""Sides of pictures whose sines count the cells of their own grid: the published one, and the one that plays its part in small
folders. ClipSines of other sides are those of 14 x 14 cells, stretched."""


def read(c: Config) -> Reading:
    eye, asks = c.nest("vision_encoder"), c.nest("qformer")
    tower, queries = read_eye(eye), read_queries(c, asks)
    eps, width = c.get("vision_layernorm_eps", 1e-12), c.get("llm_hidden")
    steps = (Normed(Norm("layer", eps)), queries, Mlp(width, width, depth=1))
    side = eye.get("img_size", 224)
    spec = See(Resize(side, side, "crop"), Pixels(CLIP_MEAN, CLIP_STD), tower, steps)
    return Reading(spec, (*under("vision_encoder.encoder.", "vision.", eye_keys(tower)), *connector_keys(queries)))


def read_eye(c: Config) -> ViT:
    """Only as many blocks are there as run: `return_index` counts back from the last of the published depth."""
    c.only("qkv_bias", "q and v only")
    width, heads, patch = c.get("encoder_embed_dim", 1024), c.get("encoder_num_heads", 16), c.get("patch_size", 16)
    block = Block(
        width, heads, int(width * c.get("mlp_ratio", 4.0)), heads, width // heads, Norm("layer", c.get("layer_norm_eps", 1e-6)),
        "gelu", k_bias=False,
    )  # fmt: skip
    image, frames, before = c.get("img_size", 224), c.get("num_frames", 8), c.get("ckpt_num_frame", 4)
    tubelet = c.get("tubelet_size", 1)
    side, steps = image // patch, frames // tubelet
    trained = ClipSines(side if image in TRAINED else 14, before if before > 0 else steps)
    return ViT(
        block, c.get("encoder_depth", 24) + c.get("return_index", -2) + 1, patch,
        trained if image in TRAINED else ClipTable(side, steps, trained),
        tubelet, post_norm="applied" if c.get("with_ln", False) else "none", sees="clip",
    )  # fmt: skip


def read_queries(c: Config, asks: Config) -> QFormer:
    width, heads = asks.get("hidden_size", 768), asks.get("num_attention_heads", 12)
    asks.inert("encoder_width")
    block = Block(
        width, heads, asks.get("intermediate_size", 3072), heads, width // heads,
        Norm("layer", asks.get("layer_norm_eps", 1e-12)), "gelu", norms="after",
    )  # fmt: skip
    words = Words(asks.get("vocab_size", 30522), asks.get("max_position_embeddings", 512))
    return QFormer(
        block, asks.get("num_hidden_layers", 12), asks.get("query_length", 32), asks.get("cross_attention_freq", 2),
        words if c.get("qformer_text_input", True) else None, c.get("extra_num_query_token", 0),
    )  # fmt: skip


def eye_keys(spec: ViT) -> tuple[Rule, ...]:
    width, patch, depth = spec.block.width, spec.patch, spec.frames
    joint = ("attention.q.weight", "attention.k.weight", "attention.v.weight")
    flat = (width, 3, patch, patch) if depth == 1 else (width, 3, depth, patch, patch)
    stem = Form(flat, tuple(range(len(flat))), flat, (width, 3, depth, patch, patch))
    return (
        Reshaped("patch_embed.proj.weight", "stem.weight", stem),
        Name("patch_embed.proj.bias", "stem.bias"),
        Reshaped("pos_embed", "place.clips", rows(width)),
        Reshaped("img_pos_embed", "place.pictures", rows(width)),
        Fused("blocks.*.attn.qkv.weight", tuple(f"blocks.*.{part}" for part in joint), (1, 1, 1)),
        Name("blocks.*.attn.q_bias", "blocks.*.attention.q.bias"),
        Name("blocks.*.attn.v_bias", "blocks.*.attention.v.bias"),
        Name("blocks.*.attn.proj.*", "blocks.*.attention.out.*"),
        Name("blocks.*.norm1.*", "blocks.*.norm1.*"),
        Name("blocks.*.norm2.*", "blocks.*.norm2.*"),
        Name("blocks.*.mlp.fc1.*", "blocks.*.mlp.up.*"),
        Name("blocks.*.mlp.fc2.*", "blocks.*.mlp.down.*"),
        Name("vision_layernorm.*", "post_norm.*"),
        Name("norm.*", "post_norm.*"),
    )


def connector_keys(spec: QFormer) -> tuple[Rule, ...]:
    """BERT's own names inside the blocks, where BLIP-2's class later said `attention` twice."""
    blocks = (
        Name(rule.theirs.replace("attention.attention.", "attention.self."), rule.ours) for rule in QFORMER_KEYS
    )  # fmt: skip
    words = (
        Name("qformer.bert.embeddings.word_embeddings.weight", "connect.steps.1.embed.weight"),
        Name("qformer.bert.embeddings.position_embeddings.weight", "connect.steps.1.position.weight"),
    )
    unread = (
        Ignored("qformer.bert.embeddings.word_embeddings.weight"),
        Ignored("qformer.bert.embeddings.position_embeddings.weight"),
        Ignored("qformer.bert.encoder.layer.*.intermediate.**"),
        Ignored("qformer.bert.encoder.layer.*.output.**"),
    )
    added = Reshaped("extra_query_tokens", "connect.steps.1.added", rows(spec.block.width))
    return (
        Name("vision_layernorm.*", "connect.steps.0.*"),
        Reshaped("query_tokens", "connect.steps.1.queries", rows(spec.block.width)),
        added if spec.added else Ignored("extra_query_tokens"),
        Name("qformer.bert.embeddings.LayerNorm.*", "connect.steps.1.embed_norm.*"),
        Ignored("qformer.bert.embeddings.position_ids"),
        Ignored("qformer.cls.**"),
        *(words if spec.words is not None else unread),
        *under("qformer.bert.", "connect.steps.1.", tuple(blocks)),
        Name("llama_proj.*", "connect.steps.2.layers.0.*"),
    )


LAYOUTS = (Layout("videochat2", read, signs=("vision_encoder", "qformer", "llm_hidden")),)

UMT_L = ViT(
    Block(1024, 16, 4096, 16, 64, Norm("layer", 1e-6), "gelu", k_bias=False), 23, 16, ClipSines(14, 4), sees="clip"
)  # fmt: skip
QUERIES = QFormer(
    Block(768, 12, 3072, 12, 64, Norm("layer", 1e-12), "gelu", norms="after"), 12, 32, words=BERT_WORDS, added=64
)  # fmt: skip
VICUNA = Decoder(llama_like(4096, 32, 32, 11008), 32, 32000, Rope(10000.0), 2048)

CHAT = (
    "{% for message in messages %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '### Human: ' + '<image>' + '\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% if message['role'] == 'assistant' %}"
    "{{ '### Assistant: ' }}{% generation %}{{ content['text'] + '\n' }}{% endgeneration %}"
    "{% else %}{{ '### Human: ' + content['text'] + '\n' }}{% endif %}"
    "{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Assistant:' }}{% endif %}"
)
"""The original code's conversation for Vicuna; a picture stands in a turn of its own."""

SIZES: dict[str, dict[str, Any]] = {"7b": {}}

FAMILIES = (
    Family(
        name="videochat2",
        title="VideoChat2",
        paper="2311.17005",
        year=2023,
        layout="videochat2",
        model=Causal(
            VICUNA,
            Sight(
                Resize(224, 224, "crop"), Pixels(CLIP_MEAN, CLIP_STD), UMT_L,
                (Normed(Norm("layer", 1e-12)), QUERIES, Mlp(4096, 4096, depth=1)), Splice(-200, -201),
                Around("<Image>", "</Image>"),
                clips=Frames(Even(8, "halves"), Resize(224, 224, "crop"), Pixels(CLIP_MEAN, CLIP_STD)),
            ),
        ),
        sizes=SIZES,
        reference="videochat2-0",
        proof="recorded",
        chat=CHAT,
    ),
)  # fmt: skip
