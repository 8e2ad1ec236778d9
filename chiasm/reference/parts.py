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


def decoder(kind: str, **changes: Any) -> Any:
    """The config of a decoder of two layers: "llama", "mistral" or "qwen2"."""
    names = {"llama": "LlamaConfig", "mistral": "MistralConfig", "qwen2": "Qwen2Config"}
    # Mistral's heads are wider than hidden / heads on purpose: a reader that divides instead of reading is found out.
    own = {"head_dim": 12, "sliding_window": None} if kind == "mistral" else {}
    shared = {
        "vocab_size": VOCAB, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "pad_token_id": PAD,
        "bos_token_id": BOS, "eos_token_id": EOS,
    }  # fmt: skip
    return getattr(library(), names[kind])(**{**shared, **own, **changes})


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


def processed(by: Any, pictures: Nested, *names: str) -> dict[str, Any]:
    """What a processor makes of pictures, the named tensors of it."""
    from PIL import Image

    def opened(one: Any) -> Any:
        return [opened(inner) for inner in one] if isinstance(one, list | tuple) else Image.fromarray(one)

    made = by(images=[opened(one) for one in pictures], return_tensors="pt")
    return {name: made[name] for name in names}
