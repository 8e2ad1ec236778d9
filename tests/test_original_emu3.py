"""Emu3 as its authors published it: a decoder and a tokenizer of pictures, in two folders."""

import json
import logging
import re
from base64 import b64encode
from pathlib import Path

import pytest
import torch
from conftest import Reference
from original import copied, renamed, told
from safetensors.torch import load_file, save_file
from torch import Tensor

from chiasm.check import check
from chiasm.errors import BadCheckpoint, BadConfig, BadPicture
from chiasm.geometry import Size, views
from chiasm.layouts import emu3
from chiasm.loading import planner_of
from chiasm.prompt.messages import Image, Message, Text
from chiasm.readers import HALF
from chiasm.reference.case import IMAGE
from chiasm.spec import Pixels, Sight
from chiasm.weights.keys import published
from chiasm.weights.read import describe, load_model

EMU3 = (
    (r"\.(down|up)_block\.", "."), (r"\.middle_block\.", ".mid."), (r"\.mid\.attn_norm\.", ".mid.attn_1.norm."),
    (r"\.attn_norms\.(\d+)\.", r".attn.\1.norm."), (r"\.([qkv])_proj\.", r".\1."), (r"\.out_proj\.", ".proj_out."),
)  # fmt: skip


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


def test_a_folder_of_ranks_and_words_of_pictures_is_emu3s_vocabulary(tmp_path: Path) -> None:
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
