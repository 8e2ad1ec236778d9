"""InternVL in its original code's spelling, and the shuffle that can be undone."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from safetensors.torch import load_file, save_file
from torch import Tensor

from chiasm.check import check
from chiasm.errors import BadConfig
from chiasm.geometry import Size
from chiasm.place import Box, Grid, raster, route
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.items import count
from chiasm.prompt.messages import Image, Message, Text
from chiasm.registry import families
from chiasm.spec import Causal, Merge, Splice, override
from chiasm.weights.keys import published
from chiasm.weights.read import describe, load_model

PARTS = (
    ("vision_tower.", "vision_model."),
    ("embeddings.cls_token", "embeddings.class_embedding"),
    ("embeddings.position_embeddings", "embeddings.position_embedding"),
    ("embeddings.patch_embeddings.projection.", "embeddings.patch_embedding."),
    ("encoder.layer.", "encoder.layers."),
    ("layernorm_before.", "norm1."),
    ("layernorm_after.", "norm2."),
    ("lambda_", "ls"),
    ("attention.projection_layer.", "attn.proj."),
    ("attention.q_norm.", "attn.q_norm."),
    ("attention.k_norm.", "attn.k_norm."),
    ("multi_modal_projector.layer_norm.", "mlp1.0."),
    ("multi_modal_projector.linear_1.", "mlp1.1."),
    ("multi_modal_projector.linear_2.", "mlp1.3."),
)


def original(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The ecosystem's names as the original code has them, queries, keys and values in one tensor."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        known = name
        if not name.startswith("language_model."):
            for theirs, ours in PARTS:
                known = known.replace(theirs, ours)
        if ".q_proj." in known and known.startswith("vision_model."):
            parts = [tensors[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"]
            found[known.replace("attention.q_proj.", "attn.qkv.")] = torch.cat(parts)
        elif "attention.k_proj." not in known and "attention.v_proj." not in known:
            found[known] = tensor
    return found


def chat_config(vision: dict[str, Any], text: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A config.json of the original code, as a fact of its fields."""
    config = {
        "architectures": ["InternVLChatModel"], "auto_map": {}, "downsample_ratio": 0.5, "dynamic_image_size": True,
        "force_image_size": 448, "llm_config": text, "max_dynamic_patch": 12, "min_dynamic_patch": 1,
        "model_type": "internvl_chat", "pad2square": False, "ps_version": "v2", "select_layer": -1,
        "template": "internvl2_5", "torch_dtype": "bfloat16", "use_backbone_lora": 0, "use_llm_lora": 0,
        "use_thumbnail": True, "vision_config": vision,
    }  # fmt: skip
    return config | changes


def eye(width: int, heads: int, mlp: int, depth: int, large: bool, side: int = 448, patch: int = 14) -> dict[str, Any]:
    return {
        "architectures": ["InternVisionModel"], "hidden_act": "gelu", "hidden_size": width, "image_size": side,
        "intermediate_size": mlp, "layer_norm_eps": 1e-6, "model_type": "intern_vit_6b", "num_attention_heads": heads,
        "norm_type": "rms_norm" if large else "layer_norm", "num_channels": 3, "num_hidden_layers": depth,
        "patch_size": patch, "qk_normalization": large, "qkv_bias": not large, "use_flash_attn": True,
    }  # fmt: skip


PICTURES = {
    "crop_size": 448, "do_center_crop": True, "do_normalize": True, "do_resize": True, "feature_extractor_type":
    "CLIPFeatureExtractor", "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3,
    "size": 448,
}  # fmt: skip


def grouped(tensors: dict[str, Tensor], heads: int, kv_heads: int) -> dict[str, Tensor]:
    """A Llama's tensors as InternLM2 has them: for each key head its queries, the key, the value."""
    names = (
        ("model.embed_tokens.", "model.tok_embeddings."), ("input_layernorm.", "attention_norm."),
        ("post_attention_layernorm.", "ffn_norm."), ("self_attn.o_proj.", "attention.wo."),
        ("mlp.gate_proj.", "feed_forward.w1."), ("mlp.up_proj.", "feed_forward.w3."),
        ("mlp.down_proj.", "feed_forward.w2."), ("lm_head.", "output."),
    )  # fmt: skip
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.startswith("language_model.") and ".q_proj." in name:
            q, k, v = (tensors[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv")
            parts = [part.unflatten(0, (kv_heads, -1)) for part in (q, k, v)]
            found[name.replace("self_attn.q_proj.", "attention.wqkv.")] = torch.cat(parts, 1).flatten(0, 1)
        elif not name.startswith("language_model.") or (".k_proj." not in name and ".v_proj." not in name):
            known = name
            for theirs, ours in names if name.startswith("language_model.") else ():
                known = known.replace(theirs, ours)
            found[known] = tensor
    return found


def fused(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A Llama's tensors as Phi-3 has them: the three projections in one, gate and up in one."""
    joined = {"q_proj": ("qkv_proj", ("q_proj", "k_proj", "v_proj")), "gate_proj": ("gate_up_proj", ("gate_proj", "up_proj"))}
    parts = {part for _, several in joined.values() for part in several}
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        kind = next((part for part in parts if f".{part}." in name and name.startswith("language_model.")), None)
        if kind in joined:
            theirs, several = joined[kind]
            found[name.replace(kind, theirs)] = torch.cat([tensors[name.replace(kind, part)] for part in several])
        elif kind is None:
            found[name] = tensor
    return found


@pytest.mark.parametrize(("variant", "text"), [(0, "qwen2"), (1, "llama"), (1, "internlm2"), (1, "phi3")])
def test_the_original_spelling_is_exact_and_comes_back(reference: Reference, variant: int, text: str, tmp_path: Path) -> None:
    folder = reference("internvl", variant)
    tensors = original(load_file(folder / "model.safetensors"))
    if text == "internlm2":
        tensors = grouped(tensors, 4, 2)
    if text == "phi3":
        tensors = fused(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    for name in ("inputs.safetensors", "expected.safetensors", "meta.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    published_config = json.loads((folder / "config.json").read_text())
    by = json.loads((folder / "preprocessor_config.json").read_text())
    vision = eye(24, 3, 40, 2, variant == 1, side=28, patch=7)
    changes = {"force_image_size": 28, "max_dynamic_patch": [4, 3][variant], "img_context_token_id": 91}
    told = published_config["text_config"] | {"model_type": text}
    if text == "internlm2":
        # Its base grows past the positions that no row reaches.
        told |= {"bias": False, "rope_scaling": {"type": "dynamic", "factor": 2.0}, "rope_theta": 10000.0}
        told.pop("rope_parameters")
    config = chat_config(vision, told, **changes)
    (tmp_path / "config.json").write_text(json.dumps(config))
    pixels = PICTURES | {"size": 28, "crop_size": 28, "image_mean": by["image_mean"], "image_std": by["image_std"]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(pixels))
    verdict = check(tmp_path)
    assert verdict.passed and verdict.start == "raw", verdict.line()
    described = describe(tmp_path)
    back = published(dict(load_model(described, torch.float32).named_parameters()), described.keys)
    assert back.keys() == tensors.keys() and all(torch.equal(back[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize(("size", "large"), [("1b", False), ("38b", True)])
def test_a_published_original_config_reads_to_the_familys_spec(
    size: str, large: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = json.loads((Path(__file__).parent / "data" / "configs" / f"internvl-2.5-{size}.json").read_text())["text_config"]
    vision = eye(3200, 25, 12800, 45, True) if large else eye(1024, 16, 4096, 24, False)
    (tmp_path / "config.json").write_text(json.dumps(chat_config(vision, text)))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PICTURES))
    with caplog.at_level(logging.WARNING, "chiasm"):
        assert describe(tmp_path).model == families()["internvl-2.5"].at(size)
    assert not caplog.messages


@pytest.mark.parametrize(("field", "value"), [("ps_version", "v1"), ("select_layer", -4), ("dynamic_image_size", False)])
def test_what_is_not_done_is_refused(field: str, value: Any, tmp_path: Path) -> None:
    text = json.loads((Path(__file__).parent / "data" / "configs" / "internvl-2.5-1b.json").read_text())["text_config"]
    (tmp_path / "config.json").write_text(json.dumps(chat_config(eye(1024, 16, 4096, 24, False), text, **{field: value})))
    with pytest.raises(BadConfig, match=field):
        describe(tmp_path)


def test_pixel_shuffle_can_be_undone_bit_for_bit() -> None:
    grids = [Grid(0, 1, 6, 8, Box(0, 0, 8, 6)), Grid(1, 2, 4, 4, Box(0, 0, 4, 4), (0.0, 1.0))]
    laid = raster(grids)
    patches_PE = torch.randn(len(laid), 5, generator=torch.Generator().manual_seed(0))
    path = route(Merge(2), laid, ())
    merged = patches_PE[torch.from_numpy(path.index_VM)].flatten(1)
    back = torch.empty_like(patches_PE)
    back[torch.from_numpy(path.index_VM.reshape(-1))] = merged.reshape(-1, 5)
    assert torch.equal(back, patches_PE)
    assert np.array_equal(np.sort(path.index_VM.reshape(-1)), np.arange(len(laid)))


# --- what it is told ----------------------------------------------------------------------------------------------------------


def test_the_placeholder_is_the_third_of_the_nine_tokens_that_end_every_vocabulary() -> None:
    known = {"1b": 151648, "2b": 92546, "4b": 32013, "8b": 92546, "26b": 92546, "40b": 64002, "76b": 128258}
    for size, number in known.items():
        model = families()["internvl-2"].at(size)
        assert isinstance(model, Causal) and model.sight is not None and model.sight.fusion == Splice(number)


@pytest.mark.parametrize(
    ("size", "begins", "turns"),
    [
        ("internvl-2-1b", "<|im_start|>system\n你是由上海", "<|im_end|><|im_start|>user\n"),
        ("internvl-2-2b", "<|im_start|>system\n你是由上海", "<|im_end|><|im_start|>user\n"),
        ("internvl-2-4b", "<|system|>\n你是由上海", "<|end|><|user|>\n"),
        ("internvl-2.5-8b", "<|im_start|>system\n你是书生·万象", "<|im_end|>\n<|im_start|>user\n"),
    ],
)
def test_an_original_folder_is_told_what_its_config_names(size: str, begins: str, turns: str, tmp_path: Path) -> None:
    for kind in ("", ".preprocessor"):
        facts = (Path(__file__).parent / "data" / "configs" / f"{size}{kind}.json").read_text()
        (tmp_path / ("preprocessor_config.json" if kind else "config.json")).write_text(facts)
    template = ChatTemplate(describe(tmp_path).chat, "the layout's own")
    asked = [Message("user", (Image(0), Image(1), Text("What?"))), Message("assistant", (Text("A cat."),))]
    text = template.render([*asked, Message("user", (Text("Where?"),))], add_generation_prompt=True).text
    assert text.startswith(begins) and text.count(turns) == 2
    assert "<IMG_CONTEXT>\n<IMG_CONTEXT>\nWhat?" in text and "assistant" in text.partition("A cat.")[0][-20:]
    told = template.render([Message("system", (Text("Be brief."),)), *asked], add_generation_prompt=False).text
    assert "Be brief." in told and "你是" not in told


def test_a_template_that_is_not_known_is_refused(tmp_path: Path) -> None:
    text = json.loads((Path(__file__).parent / "data" / "configs" / "internvl-2.5-1b.json").read_text())["text_config"]
    config = chat_config(eye(1024, 16, 4096, 24, False), text, template="vicuna_v1.1")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadConfig, match="template"):
        describe(tmp_path)


@pytest.mark.parametrize(("most", "tokens"), [(6, 1280), (12, 2560), (24, 4352), (40, 4352)])
def test_one_picture_of_1344_at_most_tiles(most: int, tokens: int) -> None:
    model = override(families()["internvl-2"].at("8b"), {"sight.views.most": most})
    assert count(model, Size(1344, 1344)).visual == tokens
    wide = count(override(model, {"sight.views.most": 40}), Size(448 * 8, 448 * 5))
    assert (wide.visual, wide.marks) == (41 * 256, 2)
