"""Folders of Gemma, or with it as a part: fields of the config, names of the tensors."""

from chiasm.layout import Config, Layout, Reading
from chiasm.towers.decoders import gemma_like


def read(c: Config) -> Reading:
    sizes = {
        "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 16,
    }  # fmt: skip
    return gemma_like(c, sizes)


LAYOUTS = (Layout("gemma", read),)
