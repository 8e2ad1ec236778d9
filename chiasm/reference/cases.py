"""Which references prove which family: data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chiasm.reference import (
    blip,
    contrastive,
    covered,
    crossed,
    detect,
    documents,
    encoders,
    idefics3,
    llava,
    masks,
    minicpm,
    native,
    pages,
    prefix,
    qwen,
    text,
    tiled,
)
from chiasm.reference.case import Case, Draw

RECORDED = Path(__file__).with_name("data")
"""Folders of systems that `transformers` does not implement."""


@dataclass(frozen=True)
class Reference:
    """A case in its variants, rebuilt by `transformers`."""

    draw: Callable[[int, Draw], Case]
    variants: int


REFERENCES = {
    "text_llama": Reference(text.llama, 3),
    "text_mistral": Reference(text.mistral, 2),
    "text_qwen2": Reference(text.qwen2, 2),
    "text_qwen3": Reference(text.qwen3, 2),
    "text_qwen3_5": Reference(text.qwen3_5, 3),
    "text_gemma": Reference(text.gemma, 2),
    "text_gemma2": Reference(text.gemma2, 2),
    "text_phi3": Reference(text.phi3, 3),
    "text_opt": Reference(text.opt_, 2),
    "text_neox": Reference(text.neox, 2),
    "text_deepseek2": Reference(text.deepseek_v2, 3),
    "text_bert": Reference(text.bert_, 2),
    "text_longformer": Reference(text.longformer, 2),
    "text_nomic": Reference(text.nomic, 2),
    "text_t5": Reference(text.t5_, 2),
    "clip": Reference(contrastive.clip, 3),
    "siglip": Reference(contrastive.siglip, 2),
    "siglip2": Reference(contrastive.siglip2, 2),
    "vit": Reference(encoders.vit, 2),
    "vit_labels": Reference(encoders.vit_labels, 2),
    "dinov2": Reference(encoders.dinov2, 3),
    "donut": Reference(documents.donut, 3),
    "grounding_dino": Reference(detect.grounding_dino, 3),
    "llava": Reference(llava.llava, 4),
    "llava_next": Reference(llava.llava_next, 2),
    "idefics3": Reference(idefics3.idefics3, 2),
    "smolvlm": Reference(idefics3.smolvlm, 2),
    "minicpm_v46": Reference(minicpm.minicpm_v46, 3),
    "qwen2_vl": Reference(qwen.qwen2_vl, 3),
    "qwen2_5_vl": Reference(qwen.qwen2_5_vl, 3),
    "internvl": Reference(tiled.internvl, 2),
    "llava_onevision": Reference(tiled.onevision, 2),
    "pixtral": Reference(tiled.pixtral, 2),
    "deepseek_vl": Reference(tiled.deepseek_vl, 2),
    "phi4_multimodal": Reference(covered.phi4_multimodal, 3),
    "layoutlm": Reference(pages.layoutlm, 2),
    "layoutlmv3": Reference(pages.layoutlmv3, 3),
    "udop": Reference(pages.udop, 3),
    "idefics2": Reference(tiled.idefics2, 3),
    "mllama": Reference(crossed.mllama, 3),
    "idefics": Reference(crossed.idefics, 2),
    "llava_next_video": Reference(tiled.next_video, 3),
    "blip2": Reference(blip.blip2, 3),
    "blip2_itm": Reference(blip.blip2_itm, 4),
    "instructblip": Reference(blip.instructblip, 2),
    "video_llava": Reference(tiled.video_llava, 2),
    "paligemma": Reference(prefix.paligemma, 3),
    "sam": Reference(masks.sam, 3),
    "colpali": Reference(prefix.colpali, 2),
    "text_persimmon": Reference(native.persimmon, 2),
    "fuyu": Reference(native.fuyu, 2),
    "janus": Reference(native.janus, 2),
    "deepseek_vl_hybrid": Reference(masks.deepseek_vl_hybrid, 2),
    "chameleon": Reference(native.chameleon, 3),
    "emu3": Reference(native.emu3, 2),
    "kosmos2": Reference(native.kosmos2, 3),
}


@dataclass(frozen=True)
class Proof:
    """The references of one family: cases to rebuild, and recorded folders."""

    rebuilt: tuple[str, ...] = ()
    recorded: tuple[str, ...] = ()


PROOFS = {
    "blip2-opt": Proof(("blip2",)),
    "blip2-flan-t5": Proof(("blip2",)),
    "blip2-itm": Proof(("blip2_itm",)),
    "videochat2": Proof(recorded=("videochat2-0",)),
    "instructblip-vicuna": Proof(("instructblip",)),
    "instructblip-flan-t5": Proof(("instructblip",)),
    "smollm2": Proof(("text_llama", "text_mistral", "text_qwen2")),
    "llama-3": Proof(("text_llama",)),
    "mistral": Proof(("text_mistral",)),
    "qwen2": Proof(("text_qwen2",)),
    "qwen3": Proof(("text_qwen3",)),
    "qwen3.5": Proof(("text_qwen3_5",)),
    "gemma": Proof(("text_gemma",)),
    "gemma-2": Proof(("text_gemma2",)),
    "phi-3": Proof(("text_phi3",)),
    "phi-4": Proof(("text_phi3",)),
    "phi-4-mini": Proof(("text_phi3",)),
    "opt": Proof(("text_opt",)),
    "internlm2": Proof(recorded=("internlm2-0",)),
    "deepseek-v2": Proof(("text_deepseek2",)),
    "bert": Proof(("text_bert",)),
    "nomic-embed-text": Proof(("text_nomic",)),
    "t5": Proof(("text_t5",)),
    "flan-t5": Proof(("text_t5",)),
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
    "donut": Proof(("donut",)),
    "grounding-dino": Proof(("grounding_dino",)),
    "llava-1.0": Proof(recorded=("llava_official-0",)),
    "video-chatgpt": Proof(recorded=("video_chatgpt-0",)),
    "pllava": Proof(("llava",), recorded=("pllava_pool-0", "pllava_pool-1")),
    "llava-1.5": Proof(("llava",)),
    "llava-next": Proof(("llava_next",)),
    "idefics3": Proof(("idefics3",)),
    "smolvlm": Proof(("idefics3", "smolvlm")),
    "qwen2-vl": Proof(("qwen2_vl",)),
    "qwen2.5-vl": Proof(("qwen2_5_vl",)),
    "internvl-2": Proof(("internvl", "text_phi3"), ("internlm2-0",)),
    "internvl-2.5": Proof(("internvl",)),
    "internvl-3": Proof(("internvl",)),
    "llava-onevision": Proof(("llava_onevision",)),
    "llava-interleave": Proof(("llava",)),
    "pixtral": Proof(("pixtral",)),
    "deepseek-vl": Proof(("deepseek_vl",)),
    "phi-4-multimodal": Proof(("phi4_multimodal",)),
    "merlin": Proof(("text_longformer",), recorded=("merlin-0",)),
    "layoutlm": Proof(("layoutlm",)),
    "layoutlmv3": Proof(("layoutlmv3",)),
    "udop": Proof(("udop",)),
    "llama-3.2-vision": Proof(("mllama",)),
    "idefics": Proof(("idefics",)),
    "openflamingo": Proof(recorded=("openflamingo-0",)),
    "pythia": Proof(("text_neox",)),
    "cogvlm": Proof(recorded=("cogvlm-0",)),
    "cogvlm2": Proof(recorded=("cogvlm-0",)),
    "idefics2": Proof(("idefics2",)),
    "llava-next-video": Proof(("llava_next_video",)),
    "video-llava": Proof(("video_llava",)),
    "qwen": Proof(recorded=("qwen_vl-0",)),
    "minicpm-v-2.6": Proof(recorded=("minicpmv26-0",)),
    "minicpm-v-4.6": Proof(("minicpm_v46",)),
    "qwen-vl": Proof(recorded=("qwen_vl-0",)),
    "paligemma": Proof(("paligemma",)),
    "colpali": Proof(("colpali",)),
    "paligemma-2": Proof(("paligemma",)),
    "sam": Proof(("sam",)),
    "persimmon": Proof(("text_persimmon",)),
    "fuyu": Proof(("fuyu", "text_persimmon")),
    "janus-pro": Proof(("janus",)),
    "deepseek-vl2": Proof(recorded=("deepseek_vl2-0",)),
    "lisa": Proof(recorded=("lisa-0",)),
    "glamm": Proof(("llava",), recorded=("lisa-0",)),
    "deepseek-vl-hybrid": Proof(("deepseek_vl_hybrid",)),
    "chameleon": Proof(("chameleon",)),
    "emu3": Proof(("emu3",)),
    "kosmos-2": Proof(("kosmos2",)),
    "lwm": Proof(("chameleon", "text_llama")),
}
"""By the name of the family."""
