"""Emu3 (arXiv:2409.18869): pictures of many sizes as words, a closing word after each row and the size written before them.

The tokenizer looks at clips; a picture is one of equal frames. Only reading is computed: the tokenizer's drawing half is
carried from file to file. Pictures of different sizes in one batch are tokenized each by itself, as the original code does;
transformers pads them to one size first, so that there a picture's words depend on its neighbours. Published folders, which
were converted, have halves for mean and deviation; CLIP's are the library's, for a file that names none.
"""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Form, Layout, Name, Reading, Reshaped, Respelt, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, HALF, head_keys, pixels
from chiasm.spec import VQ, Causal, Decoder, Discrete, Family, Native, Pixels, Rope
from chiasm.towers.codes import pyramid_keys, runs
from chiasm.towers.decoders import llama_like
from chiasm.towers.emu3 import OVER_TIME, attended, halvings, native, read_text, seeing

WORD = "<|visual token "


def attention_keys(theirs: str, ours: str, width: int) -> tuple[Rule, ...]:
    """Linear layers of theirs, which are 1x1 convolutions here."""
    square = Form((width, width), (0, 1), (width, width, 1, 1), (width, width))
    parts = {"q_proj": "q", "k_proj": "k", "v_proj": "v", "out_proj": "out"}
    weights = (Reshaped(f"{theirs}.{a}.weight", f"{ours}.{b}.weight", square) for a, b in parts.items())
    return (*weights, *(Name(f"{theirs}.{a}.bias", f"{ours}.{b}.bias") for a, b in parts.items()))


def tokenizer_keys(width: int) -> tuple[Rule, ...]:
    """`width` are the channels that attention sees."""
    return (
        *pyramid_keys("down_block.down", "middle_block"),
        *attention_keys("encoder.down_block.down.*.attn.*", "levels.*.attentions.*", width),
        Name("encoder.down_block.down.*.attn_norms.*.*", "levels.*.attentions.*.norm.*"),
        *attention_keys("encoder.middle_block.attn_1", "attention", width),
        Name("encoder.middle_block.attn_norm.*", "attention.norm.*"),
        *OVER_TIME,
    )


def read_tokenizer(c: Config) -> Reading:
    c.only("double_latent", False)
    c.only("in_channels", 3)
    c.only("out_channels", 3)
    c.only("num_attention_heads", 1)
    stem, times = c.get("base_channels", 256), c.get("channel_multiplier", (1, 2, 2, 4))
    attends = tuple(c.get("attn_resolutions", (3,)) or ())
    spec = VQ(
        stem, tuple(stem * more for more in times), c.get("num_res_blocks", 2), c.get("latent_channels", 4),
        c.get("codebook_size", 32768), c.get("embed_dim", 4), attends, "attends", halvings(c),
    )  # fmt: skip
    width = c.get("hidden_size", 1024)
    seen = attended(spec)
    if seen != {width}:
        raise BadConfig(f"{c.path}: hidden_size = {width} is not supported; the channels where attention stands, {seen}, are")
    return Reading(spec, tokenizer_keys(width))


def read(c: Config) -> Reading:
    c.data = {"vq_config": {}, "text_config": {}, **c.data}
    text, eye = c.part("text_config", "emu3_text_model"), c.part("vq_config", "emu3_vqgan")
    tied = c.get("tie_word_embeddings", False) and text.spec.tied
    c.inert("image_token_id")
    words = c.get("vocabulary_map") or {}
    for needed in ("<image>", "<|extra_200|>"):
        if needed not in words:
            raise BadConfig(f"{c.path}: vocabulary_map does not name {needed!r}, which pictures are written with")
    ids = {int(name.removeprefix(WORD)[:6]): number for name, number in words.items() if name.startswith(WORD)}
    fusion = Discrete(words["<image>"], runs=runs(ids, eye.spec.codes, c.path), ends=(words["<|extra_200|>"],))
    sight = seeing(native(c.pixels, eye.spec.patch), pixels(c.pixels, CLIP_MEAN, CLIP_STD), eye.spec, fusion)
    keys = (
        Respelt("model.text_model.", "text_model.model."),
        Respelt("model.vqmodel.", "vqmodel."),
        Respelt("lm_head.", "text_model.lm_head."),
        *under("vqmodel.", "vision.", eye.keys),
        Name("vqmodel.decoder.**", "carried.decoder.**"),
        Name("vqmodel.post_quant_conv.**", "carried.post_quant_conv.**"),
        *under("text_model.model.", "language.", text.keys),
        *head_keys("text_model.lm_head.weight", tied),
    )
    return Reading(Causal(replace(text.spec, tied=tied), sight), keys)


LAYOUTS = (Layout("emu3", read), Layout("emu3_vqgan", read_tokenizer), Layout("emu3_text_model", read_text))

CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
    "{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' ' }}{% endfor %}"
    "{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' ' }}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

TOKENIZER = VQ(256, (256, 512, 512, 1024), 2, 4, 32768, 4, (3,), "attends", 2)
TEXT = Decoder(llama_like(4096, 32, 8, 14336, eps=1e-5), 32, 184622, Rope(1000000.0), 131072)
WORDS = Discrete(151646, runs=((151854, 32768),), ends=(151846,))

FAMILIES = (
    Family(
        name="emu3",
        title="Emu3",
        paper="2409.18869",
        year=2024,
        layout="emu3",
        model=Causal(TEXT, seeing(Native(8, 512 * 512, 1024 * 1024), Pixels(HALF, HALF), TOKENIZER, WORDS)),
        sizes={"8.5b": {}},
        reference="Emu3ForConditionalGeneration",
        chat=CHAT,
    ),
)
