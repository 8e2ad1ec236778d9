"""InstructBLIP (arXiv:2305.06500): BLIP-2 whose queries read the instruction beside the picture."""

from dataclasses import replace
from typing import Any

from chiasm.layout import Config, Layout, Name, Reading, under
from chiasm.spec import Causal, Decoder, Family, Mlp, Rope, Seq2Seq
from chiasm.towers.blip import BERT_WORDS, QFORMER_KEYS, flan, queries, read_eye, read_queries, sight, written
from chiasm.towers.decoders import llama_like
from chiasm.towers.prompts import PROMPT

KEYS = (
    *QFORMER_KEYS,
    Name("embeddings.word_embeddings.weight", "embed.weight"),
    Name("embeddings.position_embeddings.weight", "position.weight"),
    Name("embeddings.layernorm.*", "embed_norm.*"),
)


def read(c: Config) -> Reading:
    c.data = {"vision_config": {}, "qformer_config": {}, "text_config": {"model_type": "opt"}, **c.data}
    vision, asks = c.part("vision_config", "instructblip_vision_model"), c.part("qformer_config", "instructblip_qformer")
    text = c.part("text_config", "opt")
    c.inert("use_decoder_only_language_model", "tie_word_embeddings")
    spec = replace(asks.spec, queries=c.get("num_query_tokens", 32))
    return written(c, vision, spec, text, under("qformer.", "", KEYS))


LAYOUTS = (
    Layout("instructblip", read), Layout("instructblip_vision_model", read_eye),
    Layout("instructblip_qformer", read_queries),
)  # fmt: skip


def vicuna(width: int, heads: int, mlp_width: int, depth: int) -> Decoder:
    """Vicuna 1.1 (arXiv:2306.05685), one id added for pads."""
    return Decoder(llama_like(width, heads, heads, mlp_width), depth, 32001, Rope(10000.0), 2048)


def led(width: int) -> dict[str, Any]:
    return {"sight.connector": (queries(BERT_WORDS), Mlp(width, width, depth=1))}


FAMILIES = (
    Family(
        name="instructblip-vicuna",
        title="InstructBLIP with Vicuna",
        paper="2305.06500",
        year=2023,
        layout="instructblip",
        model=Causal(vicuna(4096, 32, 11008, 32), sight(4096, BERT_WORDS)),
        sizes={"7b": {}, "13b": {"decoder": vicuna(5120, 40, 13824, 40), **led(5120)}},
        reference="InstructBlipForConditionalGeneration",
        chat=PROMPT,
    ),
    Family(
        name="instructblip-flan-t5",
        title="InstructBLIP with FlanT5",
        paper="2305.06500",
        year=2023,
        layout="instructblip",
        model=Seq2Seq(flan(2048, 32, 5120), sight(2048, BERT_WORDS)),
        sizes={"xl": {}, "xxl": {"language": flan(4096, 64, 10240), **led(4096)}},
        reference="InstructBlipForConditionalGeneration",
        chat=PROMPT,
    ),
)
