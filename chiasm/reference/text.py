"""Decoders of text alone: two rows of unequal length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from chiasm.reference.case import BOS, EOS, PAD, VOCAB, Case, Draw, padded
from chiasm.reference.parts import bert, decoder, library, opt, t5

LLAMA_3 = {
    "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
PLAIN = {"rope_type": "default", "rope_theta": 1e4}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
YARN = {
    "rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64, "beta_fast": 4.0,
    "mscale": 0.707, "mscale_all_dim": 0.5,
}  # fmt: skip
LONG = {
    "rope_type": "longrope", "rope_theta": 1e4, "partial_rotary_factor": 0.75, "short_factor": [1.0, 1.5, 2.5],
    "long_factor": [1.0, 4.0, 9.0],
}  # fmt: skip


def _text(model: str, config: Any, draw: Draw) -> Case:
    ids = padded([BOS, *draw.text(11)], [BOS, *draw.text(7)])
    return Case(getattr(library(), model), config, lambda _: ids)


def llama(variant: int, draw: Draw) -> Case:
    """0: a key head for every head; 1: one shared key head, tied, Llama 3.1's frequencies; 2: rows past the positions at
    which a dynamic base begins to grow."""
    rope, positions = [PLAIN, LLAMA_3, DYNAMIC][variant], [512, 512, 10][variant]
    config = decoder(
        "llama", tie_word_embeddings=variant == 1, num_key_value_heads=[4, 1, 2][variant], rope_parameters=rope,
        max_position_embeddings=positions,
    )  # fmt: skip
    return _text("LlamaForCausalLM", config, draw)


def mistral(variant: int, draw: Draw) -> Case:
    """1: a sliding window of four, tied."""
    config = decoder("mistral", tie_word_embeddings=variant == 1, sliding_window=[None, 4][variant])
    return _text("MistralForCausalLM", config, draw)


def qwen2(variant: int, draw: Draw) -> Case:
    """Biases on queries, keys and values; 1: one shared key head, tied."""
    config = decoder("qwen2", tie_word_embeddings=variant == 1, num_key_value_heads=[2, 1][variant])
    return _text("Qwen2ForCausalLM", config, draw)


def qwen3(variant: int, draw: Draw) -> Case:
    """Each head's query and key normed; 1: heads wider than hidden / heads, tied."""
    config = decoder("qwen3", tie_word_embeddings=variant == 1, head_dim=[8, 12][variant])
    return _text("Qwen3ForCausalLM", config, draw)


def qwen3_5(variant: int, draw: Draw) -> Case:
    """0: a delta rule, then gated attention; 1: three of them first, as many queries and keys as states, tied; 2: the delta
    rule last, a row longer than what is computed at once."""
    delta, full = "linear_attention", "full_attention"
    kinds = [[delta, full], [delta, delta, delta, full], [full, delta]]
    config = decoder(
        "qwen3_5", tie_word_embeddings=variant == 1, num_hidden_layers=len(kinds[variant]), layer_types=kinds[variant],
        # What leaves a delta rule may be near zero: normed with less than this, rounding alone is more than a proof allows.
        rms_norm_eps=[1e-3, 1e-3, 1e-2][variant], linear_num_key_heads=[2, 4, 2][variant],
        linear_conv_kernel_dim=[4, 2, 3][variant],
        rope_parameters={**PLAIN, "partial_rotary_factor": [0.25, 0.5, 1.0][variant]},
    )  # fmt: skip
    case = _text("Qwen3_5ForCausalLM", config, draw)
    ids = padded([BOS, *draw.text(75)], [BOS, *draw.text(66)])
    return case if variant < 2 else replace(case, inputs=lambda _: ids)


def gemma(variant: int, draw: Draw) -> Case:
    """0: one shared key head; 1: a key head for every head."""
    return _text("GemmaForCausalLM", decoder("gemma", num_key_value_heads=[1, 4][variant]), draw)


def gemma2(variant: int, draw: Draw) -> Case:
    """A window in the first of two layers, shorter than the rows, and caps low enough to be felt."""
    config = decoder("gemma2", sliding_window=[4, 6][variant], num_key_value_heads=[2, 4][variant])
    return _text("Gemma2ForCausalLM", config, draw)


def phi3(variant: int, draw: Draw) -> Case:
    """0: a key head for every head, a window; 1: tied, three quarters of a head turned, rows before the other set of
    frequencies; 2: rows past where it begins."""
    rope = [{**PLAIN, "partial_rotary_factor": 1.0}, LONG, LONG][variant]
    config = decoder(
        "phi3", tie_word_embeddings=variant == 1, num_key_value_heads=[4, 2, 2][variant], rope_parameters=rope,
        sliding_window=[4, None, None][variant], original_max_position_embeddings=[256, 256, 10][variant],
    )  # fmt: skip
    return _text("Phi3ForCausalLM", config, draw)


def opt_(variant: int, draw: Draw) -> Case:
    """1: norms after the sums, an embedding narrower than the blocks."""
    config = opt(word_embed_proj_dim=[32, 24][variant], do_layer_norm_before=variant == 0)
    return _text("OPTForCausalLM", config, draw)


def neox(variant: int, draw: Draw) -> Case:
    """0: a quarter of each head turned, both branches of one state; 1: whole heads, one branch after the other, tied."""
    config = library().GPTNeoXConfig(
        vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=[2, 4][variant],
        max_position_embeddings=512, use_parallel_residual=variant == 0, tie_word_embeddings=variant == 1,
        rope_parameters={**PLAIN, "partial_rotary_factor": [0.25, 1.0][variant]}, pad_token_id=PAD, bos_token_id=BOS,
        eos_token_id=EOS,
    )  # fmt: skip
    return _text("GPTNeoXForCausalLM", config, draw)


def deepseek_v2(variant: int, draw: Draw) -> Case:
    """0: queries straight from the token; 1: through a narrow vector, experts by groups; 2: YaRN's frequencies."""
    config = decoder(
        "deepseek_v2", q_lora_rank=[None, 12, None][variant], topk_method=["greedy", "group_limited_greedy", "greedy"][variant],
        routed_scaling_factor=[1.0, 2.5, 1.0][variant], rope_parameters=[PLAIN, PLAIN, YARN][variant],
    )  # fmt: skip
    return _text("DeepseekV2ForCausalLM", config, draw)


def bert_(variant: int, draw: Draw) -> Case:
    """Pads on the left, whose places count; 1: half as many heads."""
    return replace(_text("BertModel", bert("BertConfig", [4, 2][variant]), draw), writes=False)


def longformer(variant: int, draw: Draw) -> Case:
    """0: a reach shorter than the rows; 1: one that is longer, so that every token sees every other. Pads on the right: of one
    in front the reference's pooling would make a vector."""
    sizes = {**bert("BertConfig", 4).to_dict(), "type_vocab_size": 1, "max_position_embeddings": 40}
    sizes = {name: value for name, value in sizes.items() if name in library().LongformerConfig().to_dict()}
    config = library().LongformerConfig(**sizes | {"model_type": "longformer", "attention_window": [4, 32][variant]})
    ids = padded([BOS, *draw.text(11)], [BOS, *draw.text(7)], left=False)
    return Case(library().LongformerModel, config, lambda _: ids, writes=False)


def nomic(variant: int, draw: Draw) -> Case:
    """Heads turned by their places, a gated MLP; 1: half as many heads."""
    return replace(_text("NomicBertModel", bert("NomicBertConfig", [4, 2][variant]), draw), writes=False)


def t5_(variant: int, draw: Draw) -> Case:
    """0: ReLU, hidden states scaled before the tied head; 1: gated, not scaled, a decoder of one layer."""
    config = t5(
        feed_forward_proj=["relu", "gated-gelu"][variant], tie_word_embeddings=variant == 0, num_decoder_layers=[2, 1][variant]
    )
    case = _text("T5ForConditionalGeneration", config, draw)
    target = torch.tensor([[0, *draw.text(3)]] * 2)
    return replace(case, inputs=lambda model: {**case.inputs(model), "decoder_input_ids": target})
