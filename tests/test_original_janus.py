"""Janus as its authors published it."""

import json
from pathlib import Path

import pytest
import torch
from conftest import Reference
from original import copied, eye, framed, know_tiny_towers, led, original, proves
from safetensors.torch import load_file, save_file

from chiasm.layouts import multi_modality


@pytest.mark.parametrize("variant", [0, 1])
def test_janus_in_its_original_spelling(
    variant: int, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_tiny_towers(monkeypatch, reference)
    folder = reference("janus", variant)
    config, by = (json.loads((folder / name).read_text()) for name in ("config.json", "preprocessor_config.json"))
    tensors = original(load_file(folder / "model.safetensors"), "vision_model.vision_tower.")
    unread = {"gen_vision_model.quantize.codebook_used": torch.zeros(9)}
    save_file(tensors | unread, tmp_path / "model.safetensors")
    copied(folder, tmp_path)
    drawn = config["vq_config"]
    sizes = {"STEM": drawn["base_channels"], "TIMES": tuple(drawn["channel_multiplier"]), "BLOCKS": drawn["num_res_blocks"]}
    for name, value in {**sizes, "LATENT": drawn["latent_channels"]}.items():
        monkeypatch.setattr(multi_modality, name, value)
    inner, depth = drawn["projection_dim"], [2, 3][variant]
    told = {
        "model_type": "multi_modality", "language_config": config["text_config"],
        "vision_config": {"cls": "CLIPVisionTower", "model_type": "vision", "params": eye("siglip_drawer", 28)},
        "aligner_config": led("mlp_gelu", 24, 32, depth), "gen_aligner_config": led("mlp_gelu", 8, inner, depth, "gen_aligner"),
        "gen_vision_config": {"cls": "VQ-16", "model_type": "gen_vision", "params": {"image_token_size": 20, "n_embed": 8}},
        "gen_head_config": {
            "cls": "vision_head", "model_type": "gen_head",
            "params": {"image_token_embed": inner, "image_token_size": 20, "n_embed": 32},
        },
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(told))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(framed(by, 28)))
    proves(tmp_path, tensors, "raw")
