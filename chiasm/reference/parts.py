"""Tiny configurations and picture processors of `transformers` that several cases share."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from chiasm.errors import need
from chiasm.reference.case import BOS, EOS, PAD, VOCAB, Picture

Nested = Sequence["Picture | Sequence[Picture]"]
"""Pictures in a list, or a list of them for every row."""


def library() -> ModuleType:
    """`transformers`, silent; raises `MissingExtra` where it is not installed."""
    loaded = need("transformers", "dev")
    loaded.utils.logging.set_verbosity_error()
    loaded.utils.logging.disable_progress_bar()
    return loaded


CONFIGS = {
    "llama": "LlamaConfig", "mistral": "MistralConfig", "qwen2": "Qwen2Config", "qwen3": "Qwen3Config",
    "gemma": "GemmaConfig", "gemma2": "Gemma2Config", "phi3": "Phi3Config", "deepseek_v2": "DeepseekV2Config",
    "qwen3_5": "Qwen3_5TextConfig",
}  # fmt: skip

# Heads are wider than hidden / heads on purpose: a reader that divides instead of reading is found out.
OWN: dict[str, dict[str, Any]] = {
    "mistral": {"head_dim": 12, "sliding_window": None},
    "gemma": {"head_dim": 12},
    "gemma2": {
        "head_dim": 12, "query_pre_attn_scalar": 10, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0,
    },
    "phi3": {"original_max_position_embeddings": 256},
    "qwen3_5": {
        "head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
        "linear_value_head_dim": 12, "linear_conv_kernel_dim": 4,
    },
    "deepseek_v2": {
        "num_key_value_heads": 4, "kv_lora_rank": 16, "q_lora_rank": None, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4,
        "v_head_dim": 10, "first_k_dense_replace": 1, "n_routed_experts": 4, "n_shared_experts": 2, "num_experts_per_tok": 2,
        "moe_intermediate_size": 24, "n_group": 2, "topk_group": 1, "norm_topk_prob": False,
    },
}  # fmt: skip


def decoder(kind: str, **changes: Any) -> Any:
    """The config of a decoder of two layers, of one of the `CONFIGS`."""
    shared = {
        "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "pad_token_id": PAD,
        "bos_token_id": BOS, "eos_token_id": EOS,
    }  # fmt: skip
    return getattr(library(), CONFIGS[kind])(**{**shared, **OWN.get(kind, {}), **changes})


def opt(**changes: Any) -> Any:
    """The config of an OPT of two layers, its embedding as wide as its blocks."""
    sizes = {
        "vocab_size": VOCAB, "hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 128, "pad_token_id": PAD, "bos_token_id": BOS,
        "eos_token_id": EOS,
    }  # fmt: skip
    return library().OPTConfig(**{**sizes, **changes})


def bert(kind: str, heads: int) -> Any:
    """The config of a text encoder of two layers: "BertConfig" or "NomicBertConfig"."""
    sizes = {
        "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": heads, "max_position_embeddings": 512, "pad_token_id": PAD,
    }  # fmt: skip
    return getattr(library(), kind)(**sizes)


def t5(**changes: Any) -> Any:
    """The config of a T5 of two layers a side, few buckets for its distances."""
    sizes = {
        "vocab_size": VOCAB, "d_model": 32, "d_kv": 12, "d_ff": 48, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0,
        "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20, "decoder_start_token_id": 0,
    }  # fmt: skip
    return library().T5Config(**{**sizes, **changes})


def clip_tower(**changes: Any) -> Any:
    sizes = {
        "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 3,
        "image_size": 30, "patch_size": 6, "projection_dim": 16,
    }  # fmt: skip
    return library().CLIPVisionConfig(**{**sizes, **changes})


def siglip_tower(**changes: Any) -> Any:
    sizes = {
        "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 3,
        "image_size": 28, "patch_size": 7,
    }  # fmt: skip
    return library().SiglipVisionConfig(**{**sizes, **changes})


def processor(folder: str, name: str, **settings: Any) -> Any:
    """The picture processor of a model that works on Pillow alone."""
    library()
    module = importlib.import_module(f"transformers.models.{folder}.image_processing_pil_{folder}")
    return getattr(module, f"{name}ImageProcessorPil")(**settings)


def clip_processor(size: int, folder: str = "clip", name: str = "CLIP", **settings: Any) -> Any:
    crop = {"height": size, "width": size}
    return processor(folder, name, size={"shortest_edge": size}, crop_size=crop, **settings)


def siglip_processor(size: int) -> Any:
    return processor("siglip", "Siglip", size={"height": size, "width": size})


def framed(by: Any, frames: Picture, patch: int) -> tuple[Any, list[int]]:
    """Patches of pairs of frames, in the order in which they are merged, and their grid: of what Qwen2-VL's processor makes of
    each frame standing still, one half from the first of a pair and one from the second."""
    import torch

    each = [processed(by, [frame], "pixel_values", "image_grid_thw") for frame in frames]
    halves = torch.stack([one["pixel_values"].unflatten(1, (3, 2, patch, patch))[:, :, 0] for one in each])
    pairs = torch.stack([halves[::2], halves[1::2]], 3)
    _, high, wide = each[0]["image_grid_thw"][0].tolist()
    return pairs.flatten(2).flatten(0, 1), [len(frames) // 2, high, wide]


def processed(by: Any, pictures: Nested, *names: str) -> dict[str, Any]:
    """What a processor makes of pictures, the named tensors of it."""
    from PIL import Image

    def opened(one: Any) -> Any:
        return [opened(inner) for inner in one] if isinstance(one, list | tuple) else Image.fromarray(one)

    made = by(images=[opened(one) for one in pictures], return_tensors="pt")
    return {name: made[name] for name in names}
