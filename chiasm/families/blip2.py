"""BLIP-2 (arXiv:2301.12597): a frozen EVA tower, thirty-two queries that read it, a linear layer, a frozen language model.

OPT goes on with the visual tokens and the prompt; FlanT5 reads them as its source.
"""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Layout, Name, Reading, under
from chiasm.spec import Block, Causal, Decoder, Family, Learned, Mlp, Norm, Seq2Seq
from chiasm.towers.blip import QFORMER_KEYS, flan, queries, read_eye, read_queries, sight, written


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, "qformer_config": {}, "text_config": {"model_type": "opt"}, **c.data}
    vision, asks = c.part("vision_config", "blip_2_vision_model"), c.part("qformer_config", "blip_2_qformer")
    text = c.part("text_config", "opt")
    c.inert("use_decoder_only_language_model", "image_text_hidden_size", "tie_word_embeddings")
    c.nested[1].only("use_qformer_text_input", False)
    spec = replace(asks.spec, queries=c.get("num_query_tokens", 32), words=None)
    keys = (*under("qformer.", "", QFORMER_KEYS), Name("qformer.layernorm.*", "embed_norm.*"))
    return written(c, vision, spec, text, keys)


LAYOUTS = (
    Layout("blip-2", read), Layout("blip_2_vision_model", read_eye), Layout("blip_2_qformer", read_queries),
)  # fmt: skip


def opt(width: int, heads: int, depth: int) -> Decoder:
    block = Block(width, heads, 4 * width, heads, width // heads, Norm("layer", 1e-5), "relu")
    return Decoder(block, depth, 50272, Learned(2048, before=2), 2048, tied=True)


def led(width: int) -> dict[str, Any]:
    return {"sight.connector": (queries(), Mlp(width, width, depth=1))}


ASKED = (
    "{% for message in messages %}"
    "{% set words = message['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | join(' ') %}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ ' ' + words + '.' }}{% endgeneration %}"
    "{% else %}{{ ('' if loop.first else ' ') + 'Question: ' + words + ' ' + ANSWER + ':' }}{% endif %}"
    "{% endfor %}"
)
"""A question as the paper puts it to a frozen language model."""

FAMILIES = (
    Family(
        name="blip2-opt",
        title="BLIP-2 with OPT",
        paper="2301.12597",
        year=2023,
        layout="blip-2",
        model=Causal(opt(2560, 32, 32), sight(2560)),
        sizes={"2.7b": {}, "6.7b": {"decoder": opt(4096, 32, 32), **led(4096)}},
        reference="Blip2ForConditionalGeneration",
        chat=ASKED.replace("ANSWER", "'Answer'"),
    ),
    Family(
        name="blip2-flan-t5",
        title="BLIP-2 with FlanT5",
        paper="2301.12597",
        year=2023,
        layout="blip-2",
        model=Seq2Seq(flan(2048, 32, 5120), sight(2048)),
        sizes={"xl": {}, "xxl": {"language": flan(4096, 64, 10240), **led(4096)}},
        reference="Blip2ForConditionalGeneration",
        chat=ASKED.replace("ANSWER", "'Short answer'"),
    ),
)
