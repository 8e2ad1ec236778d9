"""Emu3 (arXiv:2409.18869): pictures of many sizes as words, a closing word after each row and the size written before them.

The tokenizer looks at clips; a picture is one of equal frames. Only reading is computed: the tokenizer's drawing half is
carried from file to file. Pictures of different sizes in one batch are tokenized each by itself, as the original code does;
transformers pads them to one size first, so that there a picture's words depend on its neighbours.
"""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Form, Ignored, Layout, Name, Reading, Reshaped, Respelt, Rule, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, decoder, head_keys, pixels
from chiasm.spec import VQ, Carried, Causal, Decoder, Discrete, EndRows, Family, Native, Pixels, Rope, Sight, Sized
from chiasm.towers.codes import Tensors, conv, linear, norm, pyramid_keys, runs
from chiasm.towers.decoders import llama_like

MARKS = Sized("<|image start|>", "<|image token|>", "<|extra_201|>", "<|image end|>")
WORD = "<|visual token "
TIME = "encoder.time_res_stack.*"


def attention_keys(theirs: str, ours: str, width: int) -> tuple[Rule, ...]:
    """Linear layers of theirs, which are 1x1 convolutions here."""
    square = Form((width, width), (0, 1), (width, width, 1, 1), (width, width))
    parts = {"q_proj": "q", "k_proj": "k", "v_proj": "v", "out_proj": "out"}
    weights = (Reshaped(f"{theirs}.{a}.weight", f"{ours}.{b}.weight", square) for a, b in parts.items())
    return (*weights, *(Name(f"{theirs}.{a}.bias", f"{ours}.{b}.bias") for a, b in parts.items()))


def tokenizer_keys(width: int) -> tuple[Rule, ...]:
    """`width` are the channels that attention sees."""
    statistics = {"weight": "weight", "bias": "bias", "running_mean": "mean", "running_var": "variance"}
    return (
        *pyramid_keys("down_block.down", "middle_block"),
        *attention_keys("encoder.down_block.down.*.attn.*", "levels.*.attentions.*", width),
        Name("encoder.down_block.down.*.attn_norms.*.*", "levels.*.attentions.*.norm.*"),
        *attention_keys("encoder.middle_block.attn_1", "attention", width),
        Name("encoder.middle_block.attn_norm.*", "attention.norm.*"),
        Name("encoder.time_conv.*.conv.conv.*", "halvings.*.conv.*"),
        *(Name(f"{TIME}.norm{n}.{a}", f"residuals.*.norm{n}.{b}") for n in "12" for a, b in statistics.items()),
        *(Name(f"{TIME}.conv{n}.conv.*", f"residuals.*.conv{n}.conv.*") for n in "12"),
        Name("quant_conv.conv.*", "to_code.conv.*"),
        Ignored("**.num_batches_tracked"),
    )


def read_tokenizer(c: Config) -> Reading:
    c.only("double_latent", False)
    c.only("in_channels", 3)
    c.only("out_channels", 3)
    c.only("num_attention_heads", 1)
    stem, times = c.get("base_channels", 256), c.get("channel_multiplier", (1, 2, 2, 4))
    factor, attends = c.get("temporal_downsample_factor", 4), tuple(c.get("attn_resolutions", (3,)) or ())
    halvings = factor.bit_length() - 1
    if 2**halvings != factor:
        raise BadConfig(f"{c.path}: temporal_downsample_factor = {factor} is not supported; a power of two is")
    spec = VQ(
        stem, tuple(stem * more for more in times), c.get("num_res_blocks", 2), c.get("latent_channels", 4),
        c.get("codebook_size", 32768), c.get("embed_dim", 4), attends, "attends", halvings,
    )  # fmt: skip
    width = c.get("hidden_size", 1024)
    seen = {spec.widths[-1], *(spec.widths[number] for number in attends)}
    if seen != {width}:
        raise BadConfig(f"{c.path}: hidden_size = {width} is not supported; the channels where attention stands, {seen}, are")
    return Reading(spec, tokenizer_keys(width))


def bent(name: str, codes: int, width: int) -> Tensors:
    """A norm that the codes' own vectors scale and move."""
    moves = [*conv(f"{name}.conv_y", codes, width, 1, 1), *conv(f"{name}.conv_b", codes, width, 1, 1)]
    return [*norm(f"{name}.norm_layer", width), *moves]


def bent_residual(name: str, codes: int, into: int, out: int) -> Tensors:
    shortcut = conv(f"{name}.nin_shortcut", into, out, 1, 1) if into != out else []
    norms = [*bent(f"{name}.norm1", codes, into), *bent(f"{name}.norm2", codes, out)]
    return [*norms, *conv(f"{name}.conv1", into, out), *conv(f"{name}.conv2", out, out), *shortcut]


def attention(name: str, width: int) -> Tensors:
    return [tensor for part in ("q_proj", "k_proj", "v_proj", "out_proj") for tensor in linear(f"{name}.{part}", width, width)]


def over_time(eye: VQ) -> tuple[Tensors, Tensors]:
    """Learned and measured tensors of what mixes frames."""
    found: Tensors = []
    measured: Tensors = []
    latent = eye.latent
    for number in range(eye.blocks):
        name = f"decoder.time_res_stack.{number}"
        for part in "12":
            found += [*norm(f"{name}.norm{part}", latent), *conv(f"{name}.conv{part}.conv", latent, latent, 3, 3, 3)]
            measured += [(f"{name}.norm{part}.running_{what}", (latent,)) for what in ("mean", "var")]
    for number in range(eye.halvings or 0):
        found += conv(f"decoder.time_conv.{number}.conv.conv", latent, latent, 3, 3, 3)
    return found, measured


def drawing(eye: VQ) -> Carried:
    """The tokenizer's other half: time before space, coarse before fine."""
    last, codes = eye.widths[-1], eye.code_width
    found, measured = over_time(eye)
    found = [*conv("post_quant_conv.conv", codes, eye.latent, 3, 1, 1), *found, *conv("decoder.conv_in", eye.latent, last)]
    middle = "decoder.middle_block"
    found += [*bent_residual(f"{middle}.block_1", codes, last, last), *attention(f"{middle}.attn_1", last)]
    found += [*bent(f"{middle}.attn_norm", codes, last), *bent_residual(f"{middle}.block_2", codes, last, last)]
    into = last
    for number in reversed(range(len(eye.widths))):
        name, out = f"decoder.up_block.up.{number}", eye.widths[number]
        for block in range(eye.blocks + 1):
            found += bent_residual(f"{name}.block.{block}", codes, into if block == 0 else out, out)
            if number in eye.attends:
                found += [*attention(f"{name}.attn.{block}", out), *bent(f"{name}.attn_norms.{block}", codes, out)]
        found += conv(f"{name}.upsample.conv", out, out) if number else []
        into = out
    found += [*bent("decoder.norm_out", codes, into), *conv("decoder.conv_out", into, 3)]
    return Carried(tuple(found), tuple(measured))


def read_text(c: Config) -> Reading:
    sizes = {"vocab_size": 184622, "hidden_size": 4096, "intermediate_size": 14336, "num_key_value_heads": 8}
    c.data = {**sizes, **c.data}
    bias, mlp_bias = c.get("attention_bias", False), c.get("mlp_bias", False)
    return decoder(c, context=9216, eps=1e-5, theta=1000000.0, qkv_bias=bias, out_bias=bias, mlp_bias=mlp_bias)


def native(c: Config, patch: int) -> Native:
    factor, size = c.get("spatial_factor", 8), c.get("size", {})
    if factor % patch:
        raise BadConfig(f"{c.path}: spatial_factor = {factor} is not supported; a multiple of the tokenizer's {patch} is")
    least, most = size.get("min_pixels", 512 * 512), size.get("max_pixels", 1024 * 1024)
    return Native(factor, c.get("min_pixels", least), c.get("max_pixels", most))


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


def seeing(views: Native, look: Pixels, eye: VQ, fusion: Discrete) -> Sight:
    return Sight(views, look, eye, (EndRows(),), fusion, MARKS, drawing(eye))


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
        model=Causal(TEXT, seeing(Native(8, 512 * 512, 1024 * 1024), Pixels(CLIP_MEAN, CLIP_STD), TOKENIZER, WORDS)),
        sizes={"8.5b": {}},
        reference="Emu3ForConditionalGeneration",
        chat=CHAT,
    ),
)
