"""BLIP-2 (arXiv:2301.12597): a frozen EVA tower, thirty-two queries that read it, a linear layer, a frozen language model.

OPT goes on with the visual tokens and the prompt; FlanT5 reads them as its source. The first stage, before there is a language
model, compares pictures with texts.
"""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Layout, Name, Reading, Reshaped, Rule, rows, under
from chiasm.readers import CLIP_MEAN, CLIP_STD, pixels, squash
from chiasm.spec import Block, Causal, Decoder, Family, Learned, Mlp, Norm, QFormer, QueryMatch, Seq2Seq
from chiasm.towers.blip import BERT_WORDS, LOOK, QFORMER_KEYS, VIEW, eye, flan, queries, read_eye, read_queries, sight, written


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, "qformer_config": {}, "text_config": {"model_type": "opt"}, **c.data}
    """A Q-Former that reads texts is the first stage, without a language model."""
    vision, asks = c.part("vision_config", "blip_2_vision_model"), c.part("qformer_config", "blip_2_qformer")
    c.inert("use_decoder_only_language_model", "tie_word_embeddings")
    spec = replace(asks.spec, queries=c.get("num_query_tokens", 32))
    keys = (*under("qformer.", "", QFORMER_KEYS), Name("qformer.layernorm.*", "embed_norm.*"))
    if c.nested[1].get("use_qformer_text_input", False):
        return first_stage(c, vision, spec, keys)
    c.inert("image_text_hidden_size")
    return written(c, vision, replace(spec, words=None), c.part("text_config", "opt"), keys)


def first_stage(c: Config, vision: Reading, spec: QFormer, keys: tuple[Rule, ...]) -> Reading:
    c.inert("text_config", "image_token_index", "image_token_id")
    look, width = pixels(c.pixels, CLIP_MEAN, CLIP_STD), c.get("image_text_hidden_size", 256)
    rules = (
        *under("vision_model.", "vision.", vision.keys),
        *under("", "queries.", keys),
        Reshaped("query_tokens", "queries.queries", rows(spec.block.width)),
        Name("embeddings.word_embeddings.weight", "queries.embed.weight"),
        Name("embeddings.position_embeddings.weight", "queries.position.weight"),
        Name("vision_projection.*", "project_pictures.*"),
        Name("text_projection.*", "project_texts.*"),
        Name("itm_head.*", "judge.*"),
    )
    return Reading(QueryMatch(squash(c.pixels, c.pixels.default(384, 224)), look, vision.spec, spec, width), rules)


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
    Family(
        name="blip2-itm",
        title="BLIP-2, first stage",
        paper="2301.12597",
        year=2023,
        layout="blip-2",
        model=QueryMatch(VIEW, LOOK, eye(), queries(BERT_WORDS), 256),
        sizes={"vit-g": {}},
        reference="Blip2ForImageTextRetrieval",
    ),
)
