"""Which references prove which family: data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chiasm.reference import contrastive, encoders, idefics3, llava, qwen, text
from chiasm.reference.case import Case, Draw

RECORDED = Path(__file__).with_name("data")
"""Folders of systems that `transformers` does not implement."""


@dataclass(frozen=True)
class Reference:
    """A case in its variants, rebuilt by `transformers`."""

    draw: Callable[[int, Draw], Case]
    variants: int


REFERENCES = {
    "text_llama": Reference(text.llama, 2),
    "text_mistral": Reference(text.mistral, 2),
    "text_qwen2": Reference(text.qwen2, 2),
    "clip": Reference(contrastive.clip, 3),
    "siglip": Reference(contrastive.siglip, 2),
    "siglip2": Reference(contrastive.siglip2, 2),
    "vit": Reference(encoders.vit, 2),
    "vit_labels": Reference(encoders.vit_labels, 2),
    "dinov2": Reference(encoders.dinov2, 3),
    "llava": Reference(llava.llava, 4),
    "llava_next": Reference(llava.llava_next, 2),
    "idefics3": Reference(idefics3.idefics3, 2),
    "smolvlm": Reference(idefics3.smolvlm, 2),
    "qwen2_vl": Reference(qwen.qwen2_vl, 2),
    "qwen2_5_vl": Reference(qwen.qwen2_5_vl, 2),
}


@dataclass(frozen=True)
class Proof:
    """The references of one family: cases to rebuild, and recorded folders."""

    rebuilt: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()


PROOFS = {
    "smollm2": Proof(("text_llama", "text_mistral", "text_qwen2")),
    "clip": Proof(("clip",)),
    "siglip": Proof(("siglip",)),
    "siglip2": Proof(("siglip2",)),
    "siglip2-fixed": Proof(("siglip",)),
    "vit": Proof(("vit", "vit_labels")),
    "dinov2": Proof(("dinov2",)),
    "dinov2-registers": Proof(("dinov2",)),
    "openclip": Proof(recorded=("open_clip-vit", "open_clip-mean")),
    "clip-resnet": Proof(recorded=("open_clip-resnet",)),
    "eva-clip": Proof(recorded=("eva-1", "eva-2", "open_clip-vit")),
    "nomic-vision": Proof(recorded=("nomic_vision-0",)),
    "imagebind": Proof(recorded=("imagebind-0",)),
    "llava-1.0": Proof(recorded=("llava_official-0",)),
    "llava-1.5": Proof(("llava",)),
    "llava-next": Proof(("llava_next",)),
    "idefics3": Proof(("idefics3",)),
    "smolvlm": Proof(("idefics3", "smolvlm")),
    "qwen2-vl": Proof(("qwen2_vl",)),
    "qwen2.5-vl": Proof(("qwen2_5_vl",)),
}
"""By the name of the family."""
