"""Qwen and Qwen-VL (arXiv:2309.16609, 2308.12966): OpenCLIP's largest eye read once by 256 queries, spliced into Qwen.

Their configs have one `model_type`; one that sees has an object `visual`.
"""

from chiasm.layout import Config, Fused, Layout, Name, Reading, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, head_keys, pixels
from chiasm.spec import Always, Around, Block, Causal, Decoder, Family, Norm, Pixels, Reader, Resize, Sight, Splice, Table, ViT
from chiasm.towers.placed import after, reader_keys
from chiasm.towers.qwen import KEYS, block, larger, qwen, read_decoder, rope

LAYER = Norm("layer", 1e-6)
MARKS = Around("<img>", "</img>")


def read(c: Config) -> Reading:
    decoder = read_decoder(c).spec
    keys = (*under("transformer.", "language.", KEYS), *head_keys("lm_head.weight", decoder.tied))
    if not c.data.get("visual"):
        c.inert("visual")
        return Reading(Causal(decoder), keys)
    v = c.nest("visual")
    width, heads, patch = v.get("width"), v.get("heads"), v.get("patch_size")
    side, out, start = v.get("image_size"), v.get("output_dim", decoder.width), v.get("image_start_id")
    eye = ViT(
        Block(width, heads, int(width * v.get("mlp_ratio")), heads, width // heads, LAYER, "gelu"), v.get("layers"), patch,
        Table(round(v.get("base_positions", 256) ** 0.5)), stem_bias=False, pre_norm=True,
    )  # fmt: skip
    reader = Reader(out, v.get("resampler_heads", out // 128), v.get("n_queries", 256), LAYER, "table")
    fusion = Splice(start + 2, inside=(start, start + 1))
    views, look = Resize(side, side, "squash"), pixels(c.pixels, CLIP_MEAN, CLIP_STD)
    keys = (*keys, *under("transformer.visual.", "vision.", vision_keys(heads)))
    keys = (*keys, *under("transformer.visual.", "connect.steps.0.", (*reader_keys("attn_pool."), *after("", out))))
    return Reading(Causal(decoder, Sight(views, look, eye, (reader,), fusion, MARKS), boxes="corners"), keys)


def vision_keys(heads: int) -> tuple[Rule, ...]:
    """Queries, keys and values stand together for each head."""
    parts = tuple(f"blocks.*.attention.{part}.*" for part in "qkv")
    return (
        Name("conv1.weight", "stem.weight"),
        Name("positional_embedding", "position.weight"),
        Name("ln_pre.*", "pre_norm.*"),
        Name("transformer.resblocks.*.ln_1.*", "blocks.*.norm1.*"),
        Name("transformer.resblocks.*.ln_2.*", "blocks.*.norm2.*"),
        Fused("transformer.resblocks.*.attn.in_proj.*", parts, (1, 1, 1), groups=heads),
        Name("transformer.resblocks.*.attn.out_proj.*", "blocks.*.attention.out.*"),
        Name("transformer.resblocks.*.mlp.c_fc.*", "blocks.*.mlp.up.*"),
        Name("transformer.resblocks.*.mlp.c_proj.*", "blocks.*.mlp.down.*"),
    )


LAYOUTS = (Layout("qwen", read),)

EYE = ViT(Block(1664, 16, 8192, 16, 104, LAYER, "gelu"), 48, 14, Table(16), stem_bias=False, pre_norm=True)

CHAT = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% set shown = namespace(number=0) %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}{% set shown.number = shown.number + 1 %}"
    "{{ 'Picture ' ~ shown.number ~ ': <imgpad>\n' }}{% else %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|im_end|>' }}{% if not loop.last or add_generation_prompt %}{{ '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

FAMILIES = (
    Family(
        name="qwen",
        title="Qwen",
        paper="2309.16609",
        year=2023,
        layout="qwen",
        model=Causal(qwen(2048, 16, 5504, 24, 151936, 8192)),
        sizes={
            "1.8b": {},
            "7b": larger(qwen(4096, 32, 11008, 32, 151936, 8192)),
            "14b": larger(qwen(5120, 40, 13696, 40, 152064, 8192)),
            "72b": larger(Decoder(block(8192, 64, 128, 24576), 80, 152064, rope(1000000.0, None, None), 32768)),
        },
        reference="qwen_vl-0",
        proof="recorded",
        chat=CHAT,
    ),
    Family(
        name="qwen-vl",
        title="Qwen-VL",
        paper="2308.12966",
        year=2023,
        layout="qwen",
        model=Causal(
            qwen(4096, 32, 11008, 32, 151936, 2048),
            Sight(
                Resize(448, 448, "squash"), Pixels(CLIP_MEAN, CLIP_STD), EYE, (Reader(4096, 32, 256, LAYER, "table"),),
                Splice(151859, inside=(151857, 151858)), MARKS,
            ),
            boxes="corners",
        ),
        sizes={"7b": {}},
        reference="qwen_vl-0",
        proof="recorded",
        chat=CHAT,
        numbers=Always("'Picture 1: ', by the original tokenizer's from_list_format"),
    ),
)  # fmt: skip
