"""What LISA and GLaMM share, as data: LLaVA whose written mark points SAM at a region."""

from dataclasses import replace

from chiasm.layout import Config, Name, Reading, under
from chiasm.spec import Around, Corner, Mlp, Pixels, Pointing, Segment
from chiasm.towers.sam import DECODER, H16, mask_keys, tower_keys

IN_BYTES = Pixels((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 1.0, "bilinear")
"""SAM's own normalisation, of values up to 255."""
MARK, IMAGE, MARKS = "[SEG]", "<image>", Around("<im_start>", "<im_end>")
ORIGINAL_EPS = 1e-5
"""Of the decoder's norms in the original code; transformers has 1e-6 there."""

PUBLISHED = Segment(Corner(1024), IN_BYTES, H16, replace(DECODER, eps=ORIGINAL_EPS))


def whole(c: Config, outlines: Segment, mark: int) -> Reading:
    llava = c.flat("llava_llama")
    model, width = llava.spec, llava.spec.decoder.width
    fusion = replace(model.sight.fusion, named=IMAGE)
    pointing = Pointing(mark, Mlp(c.get("out_dim", 256), width, act="relu"), outlines, MARK)
    keys = (
        Name("model.text_hidden_fcs.0.0.*", "pointer.by.layers.0.*"),
        Name("model.text_hidden_fcs.0.2.*", "pointer.by.layers.1.*"),
        *under("model.visual_model.", "pointer.outlines.", (
            *under("image_encoder.", "vision.", tower_keys(outlines.encoder, "original")),
            *mask_keys(outlines.masks, "original"),
            Name("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", "prompts.code.frequencies"),
        )),
        *llava.keys,
    )  # fmt: skip
    return Reading(replace(model, sight=replace(model.sight, fusion=fusion, marks=MARKS), head=pointing), keys)


CHAT = (
    "{{ 'A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, and '"
    ' + "polite answers to the human\'s questions. " }}{% for message in messages %}'
    "{% if message['role'] == 'user' %}{{ 'USER: ' }}{% else %}{{ 'ASSISTANT: ' }}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% if message['role'] == 'user' %}{{ content['text'] + ' ' }}"
    "{% else %}{% generation %}{{ content['text'] }}{% endgeneration %}{{ '</s>' }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
