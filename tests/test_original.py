"""Folders as the authors published them: Janus, DeepSeek-VL and Emu3 in their original code's spelling."""

import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Reference
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file
from tiny_tokenizers import byte_level
from torch import Tensor
from torch.nn import functional as F

from chiasm.check import check
from chiasm.errors import BadCheckpoint, BadConfig, BadPicture
from chiasm.geometry import Size, views
from chiasm.layouts import emu3, multi_modality
from chiasm.loading import planner_of
from chiasm.model import parameters
from chiasm.pixels.resize import smooth
from chiasm.pixels.views import look
from chiasm.prompt.messages import Image, Message, Text
from chiasm.readers import HALF
from chiasm.reference.case import IMAGE
from chiasm.registry import families
from chiasm.spec import Both, Causal, Letterbox, LowHigh, Pixels, Sight
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
EMU3 = (
    (r"\.(down|up)_block\.", "."), (r"\.middle_block\.", ".mid."), (r"\.mid\.attn_norm\.", ".mid.attn_1.norm."),
    (r"\.attn_norms\.(\d+)\.", r".attn.\1.norm."), (r"\.([qkv])_proj\.", r".\1."), (r"\.out_proj\.", ".proj_out."),
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


@pytest.fixture
def tiny_towers(monkeypatch: pytest.MonkeyPatch, reference: Reference) -> None:
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


@pytest.mark.parametrize("variant", [0, 1])
def test_deepseek_vl_in_its_original_spelling(
    variant: int, reference: Reference, tiny_towers: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
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
    variant: int, reference: Reference, tiny_towers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From finished numbers: the library squashes pixels where the original squashes numbers."""
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


@pytest.mark.parametrize("variant", [0, 1])
def test_janus_in_its_original_spelling(
    variant: int, reference: Reference, tiny_towers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def parted(folder: Path, to: Path) -> dict[str, dict[str, Tensor]]:
    """Emu3's decoder and tokenizer of pictures in folders of their own."""
    found: dict[str, dict[str, Tensor]] = {"decoder": {}, "tokenizer": {}}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if name.startswith("vqmodel."):
            square = re.search(r"\.(q|k|v|out)_proj\.weight$", name)
            known = renamed(name.removeprefix("vqmodel."), EMU3)
            found["tokenizer"][known] = tensor[:, :, None, None] if square else tensor
        else:
            found["decoder"][name.removeprefix("text_model.")] = tensor
    for part, tensors in found.items():
        (to / part).mkdir()
        save_file(tensors, to / part / "model.safetensors")
    return found


@pytest.mark.parametrize("variant", [0, 1])
def test_emu3_in_its_two_original_folders(
    variant: int, reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = reference("emu3", variant)
    config, by = (json.loads((folder / name).read_text()) for name in ("config.json", "preprocessor_config.json"))
    tensors = parted(folder, tmp_path)
    copied(folder, tmp_path / "decoder")
    monkeypatch.setattr(emu3, "SPARE", IMAGE)
    eye, text = config["vq_config"], config["text_config"]
    words = config["vocabulary_map"]
    told = {**text, "model_type": "Emu3", "base": str(tmp_path / "tokenizer"), "eol_token_id": words["<|extra_200|>"]}
    told |= {"boi_token_id": 1, "eoi_token_id": 2, "eof_token_id": 3, "img_token_id": 4, "image_area": 518400}
    (tmp_path / "decoder" / "config.json").write_text(json.dumps(told))
    spelt = {
        "ch": eye["base_channels"], "ch_mult": eye["channel_multiplier"], "z_channels": eye["latent_channels"],
        "double_z": False, "model_type": "Emu3VisionVQ", "dropout": 0.0,
    }  # fmt: skip
    same = ("num_res_blocks", "attn_resolutions", "codebook_size", "embed_dim", "temporal_downsample_factor", "in_channels")
    (tmp_path / "tokenizer" / "config.json").write_text(json.dumps(spelt | {name: eye[name] for name in same}))
    by = {name: value for name, value in by.items() if name not in ("size", "do_pad")}
    (tmp_path / "tokenizer" / "preprocessor_config.json").write_text(json.dumps(by))
    with caplog.at_level(logging.WARNING, "chiasm"):
        verdict = check(tmp_path / "decoder")
    assert verdict.passed and verdict.start == "raw", verdict.line()
    assert not caplog.messages
    described = describe(tmp_path / "decoder")
    assert described.base is not None
    ours = dict(load_model(described, torch.float32).named_parameters())
    halves = {"decoder": described.keys, "tokenizer": described.base.keys}
    for part, rules in halves.items():
        mine = {name: tensor for name, tensor in ours.items() if name.startswith(("language.", "head.")) == (part == "decoder")}
        back = published(mine, rules)
        wanted = {name: t for name, t in tensors[part].items() if not name.endswith("num_batches_tracked")}
        assert back.keys() == wanted.keys() and all(torch.equal(back[name], wanted[name]) for name in wanted)
    (tmp_path / "tokenizer" / "config.json").unlink()
    with pytest.raises(BadConfig, match=r'into its field "base" \(.*tokenizer has no config.json'):
        describe(tmp_path / "decoder")


# --- the published files ------------------------------------------------------------------------------------------------------


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
    folder = tmp_path / name
    folder.mkdir()
    for kind, file in (("", "config.json"), (".preprocessor", "preprocessor_config.json")):
        (folder / file).write_text((CONFIGS / f"{name}{kind}.json").read_text())
    return folder


@pytest.mark.parametrize("name", SOURCES)
def test_a_published_original_config_reads_to_the_familys_own_spec(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "chiasm"):
        model = told(name, tmp_path).model
    assert not caplog.messages
    family, _, size = name.rpartition("-")
    wanted = families()[family].at(size)
    assert isinstance(model, Causal) and isinstance(wanted, Causal)
    assert parameters(model) == parameters(wanted) == SOURCES[name]["parameters"]
    assert model.decoder == wanted.decoder and model.sight is not None and wanted.sight is not None
    # The views round or refuse otherwise, and the tokenizer says which id pictures have.
    same = replace(model.sight, views=wanted.sight.views, fusion=wanted.sight.fusion)
    assert same == wanted.sight


# --- pixels -------------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("size", "wanted"), [((600, 500), (75, 62)), ((100, 100), (64, 64)), ((3000, 1000), (221, 73)), ((40, 8), (144, 29))]
)
def test_emu3s_original_preprocessor_has_its_own_sizes(size: tuple[int, int], wanted: tuple[int, int], tmp_path: Path) -> None:
    """Columns and rows by the original's arithmetic; halves for mean and deviation where its file does not say."""
    folder = told("emu3-8.5b", tmp_path).folder
    (tmp_path / "emu3-tokenizer" / "preprocessor_config.json").write_text("{}")
    sight = describe(folder).model.sight  # type: ignore[union-attr]
    assert isinstance(sight, Sight) and sight.pixels == Pixels(HALF, HALF)
    (view,) = views(sight.views, sight.pixels, sight.encoder, Size(*size), 0)
    assert (view.grid.w, view.grid.h) == wanted


@pytest.mark.parametrize(("size", "said"), [((30, 7), "an edge below 8"), ((501, 100), "a ratio of edges above 5")])
def test_emu3s_original_preprocessor_refuses(size: tuple[int, int], said: str, tmp_path: Path) -> None:
    sight = told("emu3-8.5b", tmp_path).model.sight  # type: ignore[union-attr]
    assert isinstance(sight, Sight)
    with pytest.raises(BadPicture, match=said):
        views(sight.views, sight.pixels, sight.encoder, Size(*size), 0)


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


# --- text ---------------------------------------------------------------------------------------------------------------------


def test_a_folder_of_ranks_and_words_of_pictures_is_emu3s_vocabulary(tmp_path: Path) -> None:
    from base64 import b64encode

    folder = told("emu3-8.5b", tmp_path).folder
    tokens = [bytes([byte]) for byte in range(256)]
    lines = [b64encode(token) + b" " + str(rank).encode() for rank, token in enumerate(tokens)]
    (folder / "emu3.tiktoken").write_bytes(b"\n".join(lines))
    words = ["<|image token|>", "<|image start|>", "<|image end|>", *(f"<|visual token {n:06d}|>" for n in range(5))]
    (folder / "emu3_vision_tokens.txt").write_text("\n".join(words) + "\n")
    planner = planner_of(describe(folder))
    added = planner.tokenizer.added
    assert added["<|extra_203|>"] == planner.tokenizer.bos_id == 256 + 3 + 203
    assert added["<|visual token 000004|>"] - added["<|image token|>"] == 7
    plan = planner.plan([[Message("user", (Image(0), Text("What is it?")))]], [Size(600, 500)])
    text = planner.tokenizer.decode(plan.rows[0].ids_T.tolist(), skip_special=False)
    begins = "<|extra_203|>You are a helpful assistant. USER: <|image start|>62*75<|image token|><image>"
    assert text.startswith(begins) and text.endswith("<image><|extra_201|><|image end|>What is it?. ASSISTANT:")
    (folder / "emu3_vision_tokens.txt").unlink()
    with pytest.raises(BadCheckpoint, match=r"emu3_vision_tokens.txt cannot be read"):
        planner_of(describe(folder))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("deepseek-vl-1.3b", "natural language.\n\nUser: {0}What?\n\nAssistant:"),
        ("janus-pro-1b", "<|User|>: {0}\nWhat?\n\n<|Assistant|>:"),
    ],
)
def test_an_original_folder_is_asked_in_its_own_form(name: str, wanted: str, tmp_path: Path) -> None:
    described = told(name, tmp_path)
    tokenizer = byte_level()
    tokenizer.add_special_tokens(["<image_placeholder>", "<begin_of_image>", "<end_of_image>", "<|User|>", "<|Assistant|>"])
    tokenizer.save(str(described.folder / "tokenizer.json"))
    # A template of text alone, as the language model's folder brings it, does not stand in the way.
    (described.folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages[0]['content'] }}"}))
    planner = planner_of(described)
    plan = planner.plan([[Message("user", (Image(0), Text("What?")))]], [Size(300, 200)])
    text = planner.tokenizer.decode(plan.rows[0].ids_T.tolist(), skip_special=False)
    picture = "<image_placeholder>" * 576
    if "janus" in name:
        picture = f"<begin_of_image>{picture}<end_of_image>"
    assert text.endswith(wanted.format(picture))


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
