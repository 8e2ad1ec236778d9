"""Folders of BERT, or with it as a part: fields of the config, names of the tensors."""

from chiasm.layout import Config, Ignored, Layout, Reading, Respelt, Rule
from chiasm.spec import Bidirectional, Learned
from chiasm.towers.bert import BERT_KEYS, bert_block

KEYS: tuple[Rule, ...] = (Respelt("bert.", ""), Ignored("cls.**"), *BERT_KEYS)


def read(c: Config) -> Reading:
    c.only("position_embedding_type", "absolute")
    c.only("is_decoder", False)
    c.inert("classifier_dropout", "gradient_checkpointing", "tie_word_embeddings")
    block = bert_block(c)
    positions = c.get("max_position_embeddings", 512)
    spec = Bidirectional(
        block, c.get("num_hidden_layers", 12), c.get("vocab_size", 30522), Learned(positions), c.get("type_vocab_size", 2),
        positions, pool="tanh",
    )  # fmt: skip
    return Reading(spec, KEYS)


LAYOUTS = (Layout("bert", read),)
