"""Emu3's original folders: the decoder in one, the tokenizer of pictures in another, whose config spells its sizes in short.

The decoder's config gives a picture no id, since the original writes its words out: here a placeholder stands for them. The
codes are the last words of the vocabulary.
"""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Beside, Config, Form, Layout, Name, Reading, Reshaped, Rule, under
from chiasm.readers import HALF, head_keys, pixels
from chiasm.spec import VQ, Causal, Discrete
from chiasm.towers.codes import attention_keys, pyramid_keys
from chiasm.towers.emu3 import OVER_TIME, attended, halvings, native, read_text, seeing

TOKENIZER = "BAAI/Emu3-VisionTokenizer"
IMAGE, SPARE = "<image>", 151646
"""What stands for a picture in a text, and an id that the model never learned to read, for it where there is no tokenizer."""

CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{% if loop.first %}{{ 'You are a helpful assistant. ' }}{% endif %}{{ 'USER: ' }}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}"
    "{{ '. ' }}{% elif message['role'] == 'assistant' %}{{ 'ASSISTANT: ' }}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] }}{% endgeneration %}{% endfor %}{{ eos_token }}"
    "{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ content['text'] + ' ' }}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""One question as the original's processor words it; it has no form for more, which go on in the same way."""


def read(c: Config) -> Reading:
    text = read_text(c)
    source, other = c.base(TOKENIZER)
    eye = tokenizer(other)
    c.inert("boi_token_id", "eoi_token_id", "eof_token_id", "img_token_id", "image_area")
    first = text.spec.vocab - eye.codes
    fusion = Discrete(SPARE, named=IMAGE, runs=((first, eye.codes),), ends=(c.get("eol_token_id", 151846),))
    views = native(other.pixels, eye.patch)
    views = replace(views, ratio=5.0, shortest=views.factor)
    sight = seeing(views, pixels(other.pixels, HALF, HALF), eye, fusion)
    keys = (*under("model.", "language.", text.keys), *head_keys("lm_head.weight", text.spec.tied))
    beside = Beside(source, (*under("", "vision.", seen_keys()), *drawn_keys(eye.widths[-1])))
    return Reading(Causal(text.spec, sight), keys, chat=CHAT, beside=beside)


def tokenizer(c: Config) -> VQ:
    c.only("double_z", False)
    c.only("in_channels", 3)
    c.only("out_channels", 3)
    stem, attends = c.get("ch", 256), tuple(c.get("attn_resolutions", (3,)) or ())
    spec = VQ(
        stem, tuple(stem * more for more in c.get("ch_mult", (1, 2, 2, 4))), c.get("num_res_blocks", 2), c.get("z_channels", 4),
        c.get("codebook_size", 32768), c.get("embed_dim", 4), attends, "attends", halvings(c),
    )  # fmt: skip
    if len(seen := attended(spec)) > 1:
        raise BadConfig(f"{c.path}: attn_resolutions = {attends} is not supported; levels of as many channels are, not {seen}")
    return spec


def seen_keys() -> tuple[Rule, ...]:
    """Of the seeing half."""
    return (
        *pyramid_keys("down", "mid"),
        *attention_keys("encoder.down.*.attn.*", "levels.*.attentions.*"),
        *attention_keys("encoder.mid.attn_1", "attention"),
        *OVER_TIME,
    )


def drawn_keys(width: int) -> tuple[Rule, ...]:
    """Of the drawing half, which is carried under the library's names; `width` are the channels that attention sees."""
    level = "carried.decoder.up_block.up.*"
    return (
        *squares("decoder.up.*.attn.*", f"{level}.attn.*", width),
        Name("decoder.up.*.attn.*.norm.**", f"{level}.attn_norms.*.**"),
        Name("decoder.up.*.**", f"{level}.**"),
        *squares("decoder.mid.attn_1", "carried.decoder.middle_block.attn_1", width),
        Name("decoder.mid.attn_1.norm.**", "carried.decoder.middle_block.attn_norm.**"),
        Name("decoder.mid.**", "carried.decoder.middle_block.**"),
        Name("decoder.**", "carried.decoder.**"),
        Name("post_quant_conv.**", "carried.post_quant_conv.**"),
    )


def squares(theirs: str, ours: str, width: int) -> tuple[Rule, ...]:
    """Convolutions over one cell, which the library holds as linear layers."""
    form = Form((width, width), (0, 1), (width, width), (width, width, 1, 1))
    names = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "proj_out": "out_proj"}
    weights = (Reshaped(f"{theirs}.{a}.weight", f"{ours}.{b}.weight", form) for a, b in names.items())
    return (*weights, *(Name(f"{theirs}.{a}.bias", f"{ours}.{b}.bias") for a, b in names.items()))


LAYOUTS = (Layout("Emu3", read),)
