"""Chameleon (arXiv:2405.09818): pictures are words. A tokenizer gives each cell a code, each code is an id of the vocabulary,
and the decoder norms every head's queries and keys; the large one has its norms inside the residuals.

Ids of pictures are read and never written: the published class gives them the lowest logit.
"""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Ignored, Layout, Name, Reading, under
from chiasm.readers import crop_resize, decoder, head_keys, pixels
from chiasm.spec import VQ, Around, Block, Causal, Decoder, Discrete, Family, Norm, Pixels, Resize, Rope, Sight
from chiasm.towers.codes import ENCODER_KEYS, carried, conv, runs
from chiasm.towers.decoders import llama_like

ONES = (1.0, 1.0, 1.0)
MARKS = Around("<racm3:break>", "<eoss>")
WORD = "IMGIMG"


def code_of(name: str) -> int:
    """The number that a word of a picture is spelt by, A for 0 to J for 9, between its first letters and its last one."""
    return int("".join(str(ord(letter) - ord("A")) for letter in name.removeprefix(WORD)[:-1]))


def read_tokenizer(c: Config) -> Reading:
    c.only("double_latent", False)
    c.only("in_channels", 3)
    c.inert("dropout")
    stem, times, resolution = (
        c.get("base_channels", 128),
        c.get("channel_multiplier", (1, 1, 2, 2, 4)),
        c.get("resolution", 512),
    )
    # The published class takes any other word, and null, for none.
    kind = c.get("attn_type", "vanilla") == "vanilla"
    at = c.get("attn_resolutions", None) or ()
    attends = tuple(number for number in range(len(times)) if resolution // 2**number in at)
    spec = VQ(
        stem, tuple(stem * factor for factor in times), c.get("num_res_blocks", 2), c.get("latent_channels", 256),
        c.get("num_embeddings", 8192), c.get("embed_dim", 256), attends if kind else (), "attends" if kind else "plain",
    )  # fmt: skip
    return Reading(spec, ENCODER_KEYS)


def read(c: Config) -> Reading:
    c.data = {"vocab_size": 65536, "vq_config": {}, **c.data}
    c.inert("model_parallel_size", "image_token_id")
    bias = c.get("attention_bias", False)
    text = decoder(c, context=4096, eps=1e-5, qkv_bias=bias, out_bias=bias, mlp_bias=c.get("mlp_bias", False))
    eye = c.part("vq_config", "chameleon_vqgan")
    words = c.get("vocabulary_map") or {}
    if "<image>" not in words:
        raise BadConfig(f"{c.path}: vocabulary_map names no '<image>', the placeholder of pictures")
    ids = {code_of(name): number for name, number in words.items() if name.startswith(WORD)}
    block = normed(text.spec.block, inside=c.get("swin_norm", False))
    c.pixels.data = {"rescale_factor": 0.0078, **c.pixels.data}
    look = pixels(c.pixels, ONES, ONES, "lanczos")
    codes = runs(ids, eye.spec.codes, c.path)
    sight = seeing(crop_resize(c.pixels, 512), look, eye.spec, words["<image>"], codes)
    keys = (
        *under("model.vqmodel.", "vision.", eye.keys),
        Name("model.vqmodel.post_quant_conv.*", "carried.post_quant_conv.*"),
        Ignored("model.vqmodel.decoder.**"),
        *under("model.", "language.", text.keys),
        *(Name(f"model.layers.*.self_attn.{p}_norm.*", f"language.blocks.*.attention.{p}_norm.*") for p in "qk"),
        *head_keys("lm_head.weight", text.spec.tied),
    )
    return Reading(Causal(replace(text.spec, block=block, silent=codes), sight), keys)


def normed(block: Block, *, inside: bool) -> Block:
    return replace(block, qk_norm=Norm("layer", 1e-5), qk_norm_of="each", norms="inside" if inside else "before")


def seeing(views: Resize, look: Pixels, eye: VQ, image: int, codes: tuple[tuple[int, int], ...]) -> Sight:
    back = carried(("", conv("post_quant_conv", eye.code_width, eye.latent, 1, 1)))
    return Sight(views, look, eye, (), Discrete(image, runs=codes), MARKS, back)


LAYOUTS = (Layout("chameleon", read), Layout("chameleon_vqgan", read_tokenizer))

CHAT = (
    "{% for message in messages %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}{{ '<image>' }}{% elif message['role'] == 'assistant' %}"
    "{% generation %}{{ content['text'] }}{% endgeneration %}{% else %}{{ content['text'] }}{% endif %}{% endfor %}"
    "{{ '<reserved08706>' }}{% endfor %}"
)

TOKENIZER = VQ(128, (128, 128, 256, 256, 512), 2, 256, 8192, 256)
CODES = ((4, 8192),)


def sized(width: int, depth: int, heads: int, kv_heads: int, mlp_width: int, *, inside: bool) -> Decoder:
    block = llama_like(width, heads, kv_heads, mlp_width, eps=1e-5)
    return Decoder(normed(block, inside=inside), depth, 65536, Rope(10000.0), 4096, silent=CODES)


SMALL = sized(4096, 32, 32, 32, 11008, inside=False)
LARGE = sized(8192, 48, 64, 8, 22016, inside=True)

FAMILIES = (
    Family(
        name="chameleon",
        title="Chameleon",
        paper="2405.09818",
        year=2024,
        layout="chameleon",
        model=Causal(SMALL, seeing(Resize(512, 512), Pixels(ONES, ONES, 0.0078, "lanczos"), TOKENIZER, 8711, CODES)),
        sizes={"7b": {}, "30b": {"decoder": LARGE}},
        reference="ChameleonForConditionalGeneration",
        chat=CHAT,
    ),
)
