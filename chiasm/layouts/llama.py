"""Folders of Llama, or with it as a part: fields of the config, names of the tensors."""

from chiasm.layout import Config, Layout, Reading
from chiasm.readers import decoder, sliding_window


def read_llama(c: Config) -> Reading:
    bias = c.get("attention_bias", False)
    return decoder(c, context=2048, eps=1e-6, qkv_bias=bias, out_bias=bias, mlp_bias=c.get("mlp_bias", False))


def read_mistral(c: Config) -> Reading:
    """Mistral-7B's class defaults: 8 key heads, an MLP of 14336, a window of 4096 unless the config says null."""
    c.data = {"num_key_value_heads": 8, "intermediate_size": 14336, **c.data}
    return decoder(c, context=131072, eps=1e-6, window=sliding_window(c, 4096))


def read_qwen2(c: Config) -> Reading:
    """Qwen2's class defaults; its window is off unless `use_sliding_window` says otherwise, which no published model does."""
    c.only("use_sliding_window", False)
    c.inert("sliding_window", "layer_types")
    c.data = {"vocab_size": 151936, "intermediate_size": 22016, "num_key_value_heads": 32, **c.data}
    return decoder(c, context=32768, eps=1e-6, qkv_bias=True)


LAYOUTS = (Layout("llama", read_llama), Layout("mistral", read_mistral), Layout("qwen2", read_qwen2))
