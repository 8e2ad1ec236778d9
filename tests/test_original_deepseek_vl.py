"""DeepSeek-VL as its authors published it: folders, pixels, and what of their code is not done."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from original import copied, eye, framed, know_tiny_towers, laid, led, original, proves, told
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from chiasm.errors import BadConfig
from chiasm.layouts import multi_modality
from chiasm.pixels.resize import smooth
from chiasm.pixels.views import look
from chiasm.spec import Both, Causal, Letterbox, LowHigh, Sight
from chiasm.weights.read import describe


@pytest.mark.parametrize("variant", [0, 1])
def test_deepseek_vl_in_its_original_spelling(
    variant: int, reference: Reference, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    know_tiny_towers(monkeypatch, reference)
    folder = reference("deepseek_vl", variant)
    config, by = (json.loads((folder / name).read_text()) for name in ("config.json", "preprocessor_config.json"))
    tensors = original(load_file(folder / "model.safetensors"), "vision_model.vision_tower.")
    unread = {"vision_model.vision_tower.attn_pool.latent": torch.zeros(1, 1, 24)}
    save_file(tensors | unread, tmp_path / "model.safetensors")
    copied(folder, tmp_path)
    vision = {"cls": "CLIPVisionTower", "model_type": "vision", "params": eye("siglip_tiny", 28)}
    told = {
        "architectures": ["MultiModalityCausalLM"], "model_type": "multi_modality", "vision_config": vision,
        "language_config": config["text_config"], "aligner_config": led("mlp_gelu", 24, 32, 2),
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(told))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(framed(by, 28)))
    with caplog.at_level(logging.WARNING, "chiasm"):
        proves(tmp_path, tensors, "raw")
    assert not caplog.messages


@pytest.mark.parametrize("variant", [0, 1])
def test_deepseek_vl_of_two_resolutions_in_its_original_spelling(
    variant: int, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From finished numbers: the library squashes pixels where the original squashes numbers."""
    know_tiny_towers(monkeypatch, reference)
    folder = reference("deepseek_vl_hybrid", variant)
    model = describe(folder).model
    assert isinstance(model, Causal) and model.sight is not None and isinstance(model.sight.encoder, Both)
    high = model.sight.encoder.high
    monkeypatch.setitem(multi_modality.SAMS, "sam_tiny", high.tower)
    config, by = (json.loads((folder / name).read_text()) for name in ("config.json", "preprocessor_config.json"))
    tensors = original(load_file(folder / "model.safetensors"), "vision_model.vision_tower_low.vision_tower.")
    unread = {f"vision_model.{name}_layer_norm.weight": torch.ones(24) for name in ("low", "high")}
    save_file(tensors | unread, tmp_path / "model.safetensors")
    copied(folder, tmp_path, "raw_image")
    finer = {"pixel_mean": by["high_res_image_mean"], "pixel_std": by["high_res_image_std"]}
    params = {
        "concat_type": "tuple", "freeze_high": True, "freeze_low": True,
        "high_res_cfg": eye("sam_tiny", 64, output_dim=high.width, ckpt_path="", **finer),
        "low_res_cfg": eye("siglip_tiny", 28, ckpt_path="", pixel_mean=by["image_mean"], pixel_std=by["image_std"]),
    }  # fmt: skip
    told = {
        "model_type": "multi_modality", "language_config": config["text_config"],
        "vision_config": {"cls": "HybridVisionTower", "model_type": "vision", "params": params},
        "aligner_config": led("low_high_hybrid_split_mlp_gelu", 24, 32, 2),
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(told))
    pixels = framed(by, 64, do_normalize=False, image_mean=by["high_res_image_mean"])
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(pixels))
    # The reference's two eyes differ in width, the original's do not.
    monkeypatch.setattr(multi_modality, "fits", lambda c, width, text: c.inert("input_dim", "n_embed"))
    proves(tmp_path, tensors, "tensors")


def by_hand(picture: np.ndarray, side: int, mean: tuple[float, ...]) -> np.ndarray:
    """The original's frame: edges rounded down, the rest in the colour of the mean."""
    height, width = picture.shape[:2]
    most = max(height, width)
    high, wide = max(int(height / most * side), 14), max(int(width / most * side), 14)
    scaled = Pillow.fromarray(picture).resize((wide, high), Pillow.Resampling.BICUBIC)
    square = max(high, wide)
    canvas = Pillow.new("RGB", (square, square), tuple(int(value * 255) for value in mean))
    canvas.paste(scaled, ((square - wide) // 2, (square - high) // 2))
    return np.asarray(canvas)


@pytest.mark.parametrize("size", [(61, 40), (333, 500), (500, 333), (7, 400), (640, 480)])
def test_the_original_preprocessor_rounds_down(size: tuple[int, int], tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    sight = told("deepseek-vl-1.3b", tmp_path).model.sight  # type: ignore[union-attr]
    assert isinstance(sight, Sight) and isinstance(sight.views, Letterbox)
    ((_, patches_PK),) = look(sight, picture, 0)
    wanted = (by_hand(picture, 384, sight.pixels.mean) / 255 - 0.5) / 0.5
    got = patches_PK.reshape(24, 24, 3, 16, 16).transpose(0, 3, 1, 4, 2).reshape(384, 384, 3)
    assert np.abs(got - wanted).max() < 1e-5


def test_the_coarse_view_is_made_of_the_fine_ones_numbers(tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (333, 500, 3), dtype=np.uint8)
    sight = told("deepseek-vl-hybrid-7b", tmp_path).model.sight  # type: ignore[union-attr]
    assert isinstance(sight, Sight) and isinstance(sight.views, LowHigh)
    (_, low_PK), (_, high_PK) = look(sight, picture, 0)
    fine_CHW = torch.from_numpy(by_hand(picture, 1024, sight.views.pixels.mean).astype(np.float32) / 255).permute(2, 0, 1)
    coarse_CHW = F.interpolate(fine_CHW[None], (384, 384), mode="bilinear", antialias=True)[0]
    wanted = (coarse_CHW.permute(1, 2, 0).numpy() - 0.5) / 0.5
    got = low_PK.reshape(24, 24, 3, 16, 16).transpose(0, 3, 1, 4, 2).reshape(384, 384, 3)
    # torch has the weights of its mean in single precision.
    assert np.abs(got - wanted).max() < 5e-5
    assert high_PK.shape == (64 * 64, 3 * 16 * 16)


def test_smoothing_is_torchs() -> None:
    picture = np.random.default_rng(2).integers(0, 256, (50, 37, 3), dtype=np.uint8)
    for height, width in ((20, 11), (80, 90), (50, 12)):
        whole = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]
        wanted = F.interpolate(whole, (height, width), mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
        assert np.abs(smooth(picture, height, width) - wanted).max() < 1e-3


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("vision_config.params.model_name", "siglip_huge", "siglip_huge"),
        ("vision_config.cls", "EVATower", "EVATower"),
        ("aligner_config.params.projector_type", "identity", "projector_type"),
        ("aligner_config.params.n_embed", 9, "n_embed"),
    ],
)
def test_what_the_original_code_could_do_and_is_not_done_is_refused(path: str, value: Any, said: str, tmp_path: Path) -> None:
    folder = laid("deepseek-vl-1.3b", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    *outer, last = path.split(".")
    inside = config
    for name in outer:
        inside = inside[name]
    inside[last] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadConfig, match=said):
        describe(folder)
