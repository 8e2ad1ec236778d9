"""Phi-4-multimodal's published folder: its own spelling, its adapter for pictures, its tiles from raw pixels."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from counted import spec
from PIL import Image
from safetensors.torch import load_file, save_file

from chiasm.errors import BadConfig, BadPicture
from chiasm.geometry import Size, views
from chiasm.layout import Adapters
from chiasm.model import Causal as Written
from chiasm.pixels.patches import unpatchify
from chiasm.pixels.views import look
from chiasm.registry import families
from chiasm.spec import Buckets, Causal, CoverTiles, ViT
from chiasm.weights.read import describe, load_model

CONFIGS = Path(__file__).parent / "data" / "configs"
IMAGE = {
    "crop_size": 448, "embedding_cls": "tune_image", "hd_transform_order": "sub_glb",
    "image_token_compression_cls": "avg_pool_2d",
    "projection_cls": "mlp", "use_hd_transform": True, "with_learnable_separator": True, "enable_gradient_checkpointing": True,
}  # fmt: skip
LORA = {"dp": 0.0, "layer": "layers.*", "lora_alpha": 512, "r": 256}


def published(**changes: object) -> dict[str, object]:
    native = json.loads((CONFIGS / "phi-4-multimodal-5.6b.json").read_text())
    native = {name: value for name, value in native.items() if name not in ("vision_config", "audio_config")}
    layers = {"embedding_cls": "image_audio", "image_embd_layer": IMAGE, "audio_embd_layer": {"embedding_cls": "audio"}}
    own = {"model_type": "phi4mm", "embd_layer": layers, "img_processor": None, "vision_lora": LORA, "speech_lora": LORA}
    return {**native, **own, **changes}


def test_the_published_spelling_reads_to_the_same_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "config.json").write_text(json.dumps(published()))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"dynamic_hd": 36, "audio_compression_rate": 8}))
    described = describe(tmp_path)
    family = families()["phi-4-multimodal"].model
    assert isinstance(family, Causal) and family.sight is not None
    # What hears goes by other names in it, and is left out.
    assert described.model == replace(family, sight=replace(family.sight, carried=None))
    assert described.adapters == Adapters(256, 512) and not caplog.messages
    wrong = {"embd_layer": {"image_embd_layer": {**IMAGE, "hd_transform_order": "glb_sub"}}}
    (tmp_path / "config.json").write_text(json.dumps(published(**wrong)))
    with pytest.raises(BadConfig, match="hd_transform_order = 'glb_sub'"):
        describe(tmp_path)


def test_the_adapter_for_pictures_is_merged_and_that_for_speech_is_not(reference: Reference, tmp_path: Path) -> None:
    folder = reference("phi4_multimodal", 0)
    config = json.loads((folder / "config.json").read_text())
    plain = load_model(describe(folder), torch.float32)
    draw = torch.Generator().manual_seed(0)
    files = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if (
            name.endswith(("qkv_proj.weight", "o_proj.weight", "gate_up_proj.weight", "down_proj.weight"))
            and ".layers." in name
        ):
            layer, (out, into) = name.removesuffix(".weight"), tensor.shape
            for kind in ("vision", "speech"):
                files[f"{layer}.lora_A.{kind}.weight"] = torch.randn(2, into, generator=draw)
                files[f"{layer}.lora_B.{kind}.weight"] = torch.randn(out, 2, generator=draw)
            name = f"{layer}.base_layer.weight"
        for native, theirs in RENAMED:
            name = name.replace(native, theirs)
        files[name] = tensor
    save_file(files, tmp_path / "model.safetensors")
    vision = config.pop("vision_config")
    config.pop("audio_config")
    small = {**config, **published(), **config, "model_type": "phi4mm", "vision_lora": {"r": 2, "lora_alpha": 4}}
    (tmp_path / "config.json").write_text(json.dumps(small))
    described = describe(tmp_path)
    assert isinstance(plain, Written) and plain.spec.sight is not None
    tower = plain.spec.sight.encoder
    assert vision["hidden_size"] == 24 and isinstance(tower, ViT) and isinstance(described.model, Causal)
    assert described.model.sight is not None
    seeing = replace(described.model.sight, encoder=tower, views=CoverTiles(28, 36), fusion=plain.spec.sight.fusion)
    before: Any = plain
    got: Any = load_model(replace(described, model=replace(described.model, sight=seeing)), torch.float32)
    a, b = (files[f"model.layers.1.self_attn.qkv_proj.lora_{half}.vision.weight"] for half in "AB")
    for part, rows in (("q", slice(0, 32)), ("k", slice(32, 48)), ("v", slice(48, 64))):
        weight = getattr(got.language.blocks[1].attention, part).weight
        torch.testing.assert_close(weight, getattr(before.language.blocks[1].attention, part).weight + 2 * b[rows] @ a)
    a, b = (files[f"model.layers.0.mlp.gate_up_proj.lora_{half}.vision.weight"] for half in "AB")
    torch.testing.assert_close(got.language.blocks[0].mlp.up.weight, before.language.blocks[0].mlp.up.weight + 2 * b[48:] @ a)


RENAMED = (
    ("sub_img_feature_extensor", "sub_GN"), ("global_img_feature_extensor", "glb_GN"),
    ("img_projection_up", "img_projection.0"), ("img_projection_down", "img_projection.2"),
)  # fmt: skip


def test_tiles_are_pillows_and_the_whole_is_sampled() -> None:
    sight = spec("phi-4-multimodal").sight
    assert sight is not None
    assert isinstance(sight.encoder, ViT)
    eye = replace(sight.encoder, patch=7, position=Buckets(4))
    small = replace(sight, views=CoverTiles(28, 6), encoder=eye)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    (whole, first), *tiles = look(small, pixels, 0)
    canvas = np.full((56, 84, 3), 255, np.uint8)
    canvas[:55] = np.array(Image.fromarray(pixels).resize((84, 55), Image.Resampling.BILINEAR))
    numbers = torch.from_numpy(canvas).permute(2, 0, 1).float() / 127.5 - 1
    sampled = torch.nn.functional.interpolate(numbers[None], (28, 28), mode="bicubic", align_corners=False)[0]
    np.testing.assert_allclose(unpatchify(first, 7, 28, 28), sampled.numpy(), atol=2e-5)
    assert whole.grid.seen is None and len(tiles) == 6
    for number, (view, patches) in enumerate(tiles):
        row, column = divmod(number, 3)
        cut = numbers[:, 28 * row : 28 * row + 28, 28 * column : 28 * column + 28]
        np.testing.assert_allclose(unpatchify(patches, 7, 28, 28), cut.numpy(), atol=1e-6)
        assert view.grid.shown == (4, 4)


def test_what_would_be_too_thin_is_refused() -> None:
    sight = spec("phi-4-multimodal").sight
    assert sight is not None
    with pytest.raises(BadPicture, match="4000 x 3 pixels is too thin"):
        views(sight.views, sight.pixels, sight.encoder, Size(4000, 3), 0)
