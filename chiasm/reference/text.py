"""Decoders of text alone: two rows of unequal length."""

from __future__ import annotations

from typing import Any

from chiasm.reference.case import BOS, Case, Draw, padded
from chiasm.reference.parts import decoder, library

LLAMA_3 = {
    "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
PLAIN = {"rope_type": "default", "rope_theta": 1e4}


def _text(model: str, config: Any, draw: Draw) -> Case:
    ids = padded([BOS, *draw.text(11)], [BOS, *draw.text(7)])
    return Case(getattr(library(), model), config, lambda _: ids)


def llama(variant: int, draw: Draw) -> Case:
    """0: a key head for every head; 1: one shared key head, tied, Llama 3.1's frequencies."""
    rope = [PLAIN, LLAMA_3][variant]
    config = decoder("llama", tie_word_embeddings=variant == 1, num_key_value_heads=[4, 1][variant], rope_parameters=rope)
    return _text("LlamaForCausalLM", config, draw)


def mistral(variant: int, draw: Draw) -> Case:
    """1: a sliding window of four, tied."""
    config = decoder("mistral", tie_word_embeddings=variant == 1, sliding_window=[None, 4][variant])
    return _text("MistralForCausalLM", config, draw)


def qwen2(variant: int, draw: Draw) -> Case:
    """Biases on queries, keys and values; 1: one shared key head, tied."""
    config = decoder("qwen2", tie_word_embeddings=variant == 1, num_key_value_heads=[2, 1][variant])
    return _text("Qwen2ForCausalLM", config, draw)
