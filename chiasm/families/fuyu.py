"""Fuyu: no encoder and no fixed size. Pixels of a patch become a token by one linear layer, each row of them ends in a mark."""

from dataclasses import replace

from chiasm.errors import BadConfig
from chiasm.layout import Config, Form, Layout, Name, Reading, Reshaped, Respelt, under
from chiasm.readers import HALF, edges, head_keys, pixels
from chiasm.spec import Block, Causal, Decoder, Family, Fitted, Flat, Mlp, Norm, Pixels, Rope, RowEnds, Sight, Splice

MARKS = RowEnds("|NEWLINE|", "|NEWLINE|")

FLAT = (
    "vocab_size", "max_position_embeddings", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "hidden_act", "initializer_range", "layer_norm_eps", "use_cache", "qk_layernorm", "hidden_dropout", "attention_dropout",
    "eos_token_id", "rope_scaling", "rope_theta", "partial_rotary_factor",
)  # fmt: skip
"""Fields of the decoder, which published files hold beside the others."""


def colours_first(patch: int, width: int) -> Form:
    """The columns of a layer over patches whose colours stand innermost, as if each colour were a plane of its own."""
    shape = (width, 3 * patch * patch)
    return Form((width, patch, patch, 3), (0, 3, 1, 2), shape, shape)


def canvas(c: Config, patch: int) -> Fitted:
    size, side = c.get("size", {"height": 1080, "width": 1920}), c.get("patch_size", {"height": patch, "width": patch})
    if edges(side) != (patch, patch):
        raise BadConfig(f"{c.path}: patch_size = {side} is not supported; config.json's {patch} is")
    height, width = edges(size)
    if height % patch or width % patch:
        raise BadConfig(f"{c.path}: size = {size} is not supported; whole patches of {patch} are")
    c.only("padding_mode", "constant")
    colour = c.get("padding_value", 1.0)
    if colour != int(colour):
        raise BadConfig(f"{c.path}: padding_value = {colour} is not supported; a whole number from 0 to 255 is")
    return Fitted(height, width, int(colour))


def look(c: Config) -> Pixels:
    """Fuyu's files have one number where others have one for each colour."""
    for name in ("image_mean", "image_std"):
        value = c.data.get(name, 0.5)
        c.data = {**c.data, name: [value] * 3 if isinstance(value, int | float) else value}
    return pixels(c, HALF, HALF, "bilinear")


def read(c: Config) -> Reading:
    if not c.data.get("text_config"):
        c.data = {**c.data, "text_config": {name: c.data[name] for name in FLAT if name in c.data}}
    c.inert(*FLAT, "image_size")
    c.only("num_channels", 3)
    text = c.part("text_config", "persimmon")
    decoder = replace(text.spec, tied=c.get("tie_word_embeddings", False) and text.spec.tied)
    patch = c.get("patch_size", 30)
    sight = seeing(decoder, patch, canvas(c.pixels, patch), look(c.pixels), c.get("image_token_id", 71011))
    keys = (
        Respelt("model.language_model.", "language_model.model."),
        Respelt("model.vision_embed_tokens.", "vision_embed_tokens."),
        Respelt("lm_head.", "language_model.lm_head."),
        *under("language_model.model.", "language.", text.keys),
        *head_keys("language_model.lm_head.weight", decoder.tied),
        Reshaped("vision_embed_tokens.weight", "connect.steps.0.layers.0.weight", colours_first(patch, decoder.width)),
        Name("vision_embed_tokens.bias", "connect.steps.0.layers.0.bias"),
    )
    return Reading(Causal(decoder, sight), keys)


def seeing(text: Decoder, patch: int, views: Fitted, by: Pixels, image: int) -> Sight:
    return Sight(views, by, Flat(patch), (Mlp(text.width, text.width, depth=1),), Splice(image), MARKS)


LAYOUTS = (Layout("fuyu", read),)

CHAT = (
    "{% for message in messages %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '|SPEAKER|' }}{% endfor %}"
    "{% if message['role'] != 'assistant' %}{{ '<s>' }}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}"
    "{{ '<0x04>' }}{% else %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] }}{% endgeneration %}{% endfor %}{{ '|ENDOFTEXT|' }}{% endif %}{% endfor %}"
)

PERSIMMON = Decoder(
    Block(4096, 64, 16384, 64, 64, Norm("layer", 1e-5), "relu2", qk_norm=Norm("layer", 1e-5)),
    36, 262144, Rope(25000.0, share=0.5), 16384,
)  # fmt: skip

FAMILIES = (
    Family(
        name="fuyu",
        title="Fuyu",
        paper="https://www.adept.ai/blog/fuyu-8b",
        year=2023,
        layout="fuyu",
        model=Causal(PERSIMMON, seeing(PERSIMMON, 30, Fitted(1080, 1920), Pixels(HALF, HALF, resample="bilinear"), 71011)),
        sizes={"8b": {}},
        reference="FuyuForCausalLM",
        chat=CHAT,
    ),
)
