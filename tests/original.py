"""Folders as the authors published them: the library's tiny references in the original code's spelling."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Reference
from safetensors.torch import load_file, save_file
from torch import Tensor

from chiasm.check import check
from chiasm.layouts import multi_modality
from chiasm.reference.case import IMAGE
from chiasm.spec import Causal
from chiasm.weights.keys import published
from chiasm.weights.read import Described, describe, load_model

CONFIGS = Path(__file__).parent / "data" / "configs" / "original"

SOURCES: dict[str, dict[str, Any]] = json.loads((CONFIGS / "sources.json").read_text())

TIMM = (
    (r"embeddings\.patch_embedding\.", "patch_embed.proj."), (r"embeddings\.position_embedding\.weight", "pos_embed"),
    (r"encoder\.layers\.(\d+)\.layer_norm([12])\.", r"blocks.\1.norm\2."),
    (r"encoder\.layers\.(\d+)\.mlp\.", r"blocks.\1.mlp."),
    (r"encoder\.layers\.(\d+)\.self_attn\.(out_proj|projection_layer)\.", r"blocks.\1.attn.proj."),
    (r"post_layernorm\.", "norm."),
)  # fmt: skip

TEXT = ((r"^model\.language_model\.", "language_model.model."), (r"^lm_head\.", "language_model.lm_head."))

TOKENIZER = (
    (r"^model\.vqmodel\.", "gen_vision_model."), (r"\.(down|up)\.(\d+)\.block\.", r".conv_blocks.\2.res."),
    (r"\.(down|up)\.(\d+)\.", r".conv_blocks.\2."), (r"\.mid\.block_1\.", ".mid.0."), (r"\.mid\.attn_1\.", ".mid.1."),
    (r"\.mid\.block_2\.", ".mid.2."), (r"^model\.generation_embeddings\.", "gen_embed."),
    (r"^model\.generation_aligner\.fc1\.", "gen_aligner.layers.0."),
    (r"^model\.generation_aligner\.hidden_layers\.0\.", "gen_aligner.layers.2."),
    (r"^model\.generation_aligner\.hidden_layers\.1\.", "gen_aligner.layers.4."),
    (r"^model\.generation_head\.proj_out\.", "gen_head.output_mlp_projector."),
    (r"^model\.generation_head\.vision_head\.", "gen_head.vision_head."),
)  # fmt: skip

ALIGNER = (
    (r"^model\.aligner\.(fc1|linear1)\.", "aligner.layers.0."),
    (r"^model\.aligner\.(hidden_layers\.0|linear2)\.", "aligner.layers.2."),
    (r"^model\.aligner\.hidden_layers\.1\.", "aligner.layers.4."),
    (r"^model\.aligner\.high_res_vision_proj\.", "aligner.high_up_proj."),
    (r"^model\.aligner\.vision_proj\.", "aligner.low_up_proj."), (r"^model\.aligner\.proj\.", "aligner.layers.1."),
)  # fmt: skip

HIGH = (
    (r"^model\.high_res_vision_model\.vision_encoder\.", "high."), (r"^model\.high_res_vision_neck\.", "high.neck_hd."),
    (r"^model\.high_res_vision_proj\.conv1\.", "high.downsamples.0."),
    (r"^model\.high_res_vision_proj\.conv2\.", "high.downsamples.1."),
    (r"^model\.high_res_vision_alpha$", "high.hd_alpha_downsamples"),
    (r"^high\.patch_embed\.projection\.", "high.patch_embed.proj."),
    (r"^high\.layers\.(\d+)\.layer_norm", r"high.blocks.\1.norm"), (r"^high\.layers\.", "high.blocks."),
    (r"^(high\.neck\w*)\.conv1\.", r"\1.0."), (r"^(high\.neck\w*)\.layer_norm1\.", r"\1.1."),
    (r"^(high\.neck\w*)\.conv2\.", r"\1.2."), (r"^(high\.neck\w*)\.layer_norm2\.", r"\1.3."),
    (r"^high\.", "vision_model.vision_tower_high.vision_tower."),
)  # fmt: skip


def renamed(name: str, *tables: tuple[tuple[str, str], ...]) -> str:
    for table in tables:
        for old, new in table:
            name = re.sub(old, new, name)
    return name


def original(tensors: dict[str, Tensor], tower: str) -> dict[str, Tensor]:
    """The library's names as the original code has them: queries, keys and values in one tensor, the table behind an axis."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not name.startswith("model.vision_model."):
            found[renamed(name, TEXT, ALIGNER, TOKENIZER, HIGH)] = tensor
            continue
        known = tower + renamed(name.removeprefix("model.vision_model."), TIMM)
        if ".q_proj." in name:
            parts = [tensors[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"]
            found[re.sub(r"encoder\.layers\.(\d+)\.self_attn\.q_proj", r"blocks.\1.attn.qkv", known)] = torch.cat(parts)
        elif ".k_proj." not in name and ".v_proj." not in name:
            found[known] = tensor[None] if known.endswith("pos_embed") else tensor
    return found


def eye(name: str, side: int, **more: Any) -> dict[str, Any]:
    return {"image_size": side, "model_name": name, "select_feature": "same", "select_layer": -1, **more}


def led(kind: str, into: int, width: int, depth: int, model_type: str = "aligner") -> dict[str, Any]:
    params = {"depth": depth, "input_dim": into, "n_embed": width, "projector_type": kind}
    return {"cls": "MlpProjector", "model_type": model_type, "params": params}


def copied(folder: Path, to: Path, left_out: str = "\0") -> None:
    """A reference's inputs and outputs beside another spelling of its model."""
    for name in ("inputs.safetensors", "expected.safetensors"):
        save_file({k: v for k, v in load_file(folder / name).items() if not k.startswith(left_out)}, to / name)
    for name in ("meta.json", "generation_config.json"):
        (to / name).write_bytes((folder / name).read_bytes())


def framed(by: dict[str, Any], side: int, **changes: Any) -> dict[str, Any]:
    """The original's preprocessor."""
    kept = {name: by[name] for name in ("image_mean", "image_std", "min_size", "rescale_factor", "background_color")}
    return {**kept, "image_processor_type": "VLMImageProcessor", "image_size": side, "do_normalize": True, **changes}


def know_tiny_towers(monkeypatch: pytest.MonkeyPatch, reference: Reference) -> None:
    """The small references' towers, by names as the original has them."""
    for name, case in (("siglip_tiny", "deepseek_vl"), ("siglip_drawer", "janus")):
        model = describe(reference(case, 0)).model
        assert isinstance(model, Causal) and model.sight is not None
        monkeypatch.setitem(multi_modality.SIGLIPS, name, model.sight.encoder)
    monkeypatch.setattr(multi_modality, "IDS", {"sees": IMAGE, "draws": IMAGE})


def proves(folder: Path, tensors: dict[str, Tensor], start: str) -> None:
    """The folder is read to the reference's logits, and written as it was."""
    verdict = check(folder)
    assert verdict.passed and verdict.start == start, verdict.line()
    described = describe(folder)
    back = published(dict(load_model(described, torch.float32).named_parameters()), described.keys)
    assert back.keys() == tensors.keys() and all(torch.equal(back[name], tensors[name]) for name in tensors)


def told(name: str, tmp_path: Path) -> Described:
    """The folder of a fixture; one that was published in two has the other beside it."""
    folder = tmp_path / name
    folder.mkdir()
    config = json.loads((CONFIGS / f"{name}.json").read_text())
    if (base := SOURCES[name].get("base")) is not None:
        config["base"] = str(told(base, tmp_path).folder) if base in SOURCES else str(laid(base, tmp_path))
    (folder / "config.json").write_text(json.dumps(config))
    if (by := CONFIGS / f"{name}.preprocessor.json").exists():
        (folder / "preprocessor_config.json").write_text(by.read_text())
    return describe(folder)


def laid(name: str, tmp_path: Path) -> Path:
    """A fixture that is published with a preprocessor, in a folder."""
    folder = tmp_path / name
    folder.mkdir()
    for kind, file in (("", "config.json"), (".preprocessor", "preprocessor_config.json")):
        (folder / file).write_text((CONFIGS / f"{name}{kind}.json").read_text())
    return folder
