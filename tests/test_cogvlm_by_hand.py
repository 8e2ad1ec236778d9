"""Both editions of CogVLM against their arithmetic written out, in a padded frame and under the published names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from chiasm.check import check
from chiasm.model import assemble
from chiasm.reference.cases import RECORDED
from chiasm.reference.make import redraw
from chiasm.weights.keys import published
from chiasm.weights.read import describe

TEXT, VISION, PAD = 0, 1, -1


@dataclass(frozen=True)
class Written:
    """CogVLM as its paper and code have it, over the tensors of a file."""

    w: dict[str, Tensor]
    config: dict[str, Any]

    def layer(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w.get(f"{name}.bias"))

    def layer_norm(self, x: Tensor, name: str, eps: float) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"], eps)

    def rms(self, x: Tensor, name: str) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.config["rms_norm_eps"])

    def pictures(self, pixels: Tensor) -> Tensor:
        eye, path = self.config["vision_config"], "model.vision."
        stem = f"{path}patch_embedding."
        x = F.conv2d(pixels, self.w[f"{stem}proj.weight"], self.w[f"{stem}proj.bias"], eye["patch_size"])
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.w[f"{stem}cls_embedding"].expand(len(x), 1, -1), x], 1)
        x = x + self.w[f"{stem}position_embedding.weight"]
        for number in range(eye["num_hidden_layers"]):
            block = f"{path}transformer.layers.{number}."
            q, k, v = self.layer(x, f"{block}attention.query_key_value").chunk(3, -1)
            q, k, v = (part.unflatten(-1, (eye["num_heads"], -1)).transpose(1, 2) for part in (q, k, v))
            mixed = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1) @ v
            mixed = self.layer(mixed.transpose(1, 2).flatten(2), f"{block}attention.dense")
            x = x + self.layer_norm(mixed, f"{block}input_layernorm", eye["layer_norm_eps"])
            made = self.layer(F.gelu(self.layer(x, f"{block}mlp.fc1")), f"{block}mlp.fc2")
            x = x + self.layer_norm(made, f"{block}post_attention_layernorm", eye["layer_norm_eps"])
        x = x[:, 1:]
        if f"{path}conv.weight" in self.w:
            side = round(x.shape[1] ** 0.5)
            maps = x.mT.unflatten(-1, (side, side))
            x = F.conv2d(maps, self.w[f"{path}conv.weight"], self.w[f"{path}conv.bias"], 2).flatten(2).mT
        glu = f"{path}linear_proj."
        x = F.gelu(self.layer_norm(self.layer(x, f"{glu}linear_proj"), f"{glu}norm1", 1e-5))
        x = F.silu(self.layer(x, f"{glu}gate_proj")) * self.layer(x, f"{glu}dense_h_to_4h")
        ends = (self.w[f"{path}{end}"].expand(len(x), 1, -1) for end in ("boi", "eoi"))
        opens, closes = ends
        return torch.cat([opens, self.layer(x, f"{glu}dense_4h_to_h"), closes], 1)

    def logits(self, ids: Tensor, types: Tensor, real: Tensor, pixels: Tensor) -> Tensor:
        config = self.config
        heads, shared = config["num_attention_heads"], config.get("num_multi_query_heads", config["num_attention_heads"])
        width = config["hidden_size"] // heads
        x = self.w["model.embed_tokens.weight"][ids]
        x[types == VISION] = self.pictures(pixels).flatten(0, 1)
        visual = (types == VISION) & F.pad(types[:, 1:] == VISION, (0, 1))
        place = places(types.masked_fill(~real, PAD))
        angle = place[..., None] / config["rope_theta"] ** (torch.arange(0, width, 2) / width)
        cos, sin = (torch.cat([part, part], -1)[:, None] for part in (angle.cos(), angle.sin()))

        def turned(part: Tensor) -> Tensor:
            first, second = part.chunk(2, -1)
            return part * cos + torch.cat([-second, first], -1) * sin

        def by_kind(state: Tensor, name: str) -> Tensor:
            seen, said = (self.layer(state, name.format(kind)) for kind in ("vision", "language"))
            return torch.where(visual[..., None], seen, said)

        count = ids.shape[1]
        seen = (torch.ones(count, count, dtype=torch.bool).tril() & real[:, None]) | torch.eye(count, dtype=torch.bool)
        for number in range(config["num_hidden_layers"]):
            block = f"model.layers.{number}."
            state = by_kind(self.rms(x, f"{block}input_layernorm"), f"{block}self_attn.{{}}_expert_query_key_value")
            parts = state.split([heads * width, shared * width, shared * width], -1)
            q, k, v = (part.unflatten(-1, (-1, width)).transpose(1, 2) for part in parts)
            k, v = (part.repeat_interleave(heads // shared, 1) for part in (turned(k), v))
            scores = (turned(q) @ k.mT * width**-0.5).masked_fill(~seen[:, None], float("-inf"))
            mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
            x = x + by_kind(mixed, f"{block}self_attn.{{}}_expert_dense")
            state = self.rms(x, f"{block}post_attention_layernorm")
            gate, up = (by_kind(state, f"{block}mlp.{{}}_mlp.{part}_proj") for part in ("gate", "up"))
            x = x + by_kind(F.silu(gate) * up, f"{block}mlp.{{}}_mlp.down_proj")
        return self.layer(self.rms(x, "model.norm"), "lm_head")


def places(types: Tensor) -> Tensor:
    """A step for every token of text and for the first inner patch of a picture; the ends of a picture count as text, pads as
    nothing, and a row's first position is place 0."""
    before, after = F.pad(types[:, :-1], (1, 0), value=TEXT), F.pad(types[:, 1:], (0, 1), value=TEXT)
    ends = (types == VISION) & ((before == TEXT) | (after == TEXT))
    kinds = types.masked_fill(ends, TEXT)
    steps = (kinds == TEXT) | ((kinds == VISION) & (F.pad(kinds[:, :-1], (1, 0), value=PAD) == TEXT))
    steps[:, 0] = False
    return steps.cumsum(-1)


EDITIONS: dict[str, tuple[dict[str, Any], tuple[str, ...], float]] = {
    "second": ({}, (), 500000.0),
    "a key head for every head": ({"num_multi_query_heads": 4}, (), 500000.0),
    "first": ({}, ("num_multi_query_heads", "rope_theta", "vision_expert_qkv_bias"), 10000.0),
}


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("second_row", ["text", "picture"])
def test_a_folder_is_exact_with_what_is_written_out(edition: str, second_row: str, tmp_path: Path) -> None:
    changes, without, theta = EDITIONS[edition]
    config = json.loads((RECORDED / "cogvlm-0" / "config.json").read_text()) | changes
    config = {name: value for name, value in config.items() if name not in without}
    (tmp_path / "config.json").write_text(json.dumps(config))
    described = describe(tmp_path)
    model = assemble(described.model)
    redraw(model, 3)
    weights = published({name: tensor.detach() for name, tensor in model.named_parameters()}, described.keys)
    weights = {name: tensor.contiguous() for name, tensor in weights.items()}
    save_file(weights, tmp_path / "model.safetensors")
    draw = torch.Generator().manual_seed(0)
    cells = 4 if edition != "first" else 16
    first = [TEXT, *[VISION] * (cells + 2), *[TEXT] * 5]
    second = [TEXT] * 3 if second_row == "text" else [TEXT, TEXT, *[VISION] * (cells + 2), TEXT]
    lead = len(first) - len(second)
    types = torch.tensor([first, [TEXT] * lead + second])
    real = torch.tensor([[True] * len(first), [False] * lead + [True] * len(second)])
    ids = torch.randint(5, 80, types.shape, generator=draw).masked_fill(~real, 0)
    pixels = torch.randn(1 if second_row == "text" else 2, 3, 28, 28, generator=draw)
    with torch.inference_mode():
        logits = Written(weights, config | {"rope_theta": theta}).logits(ids, types, real, pixels)
    inputs = {"input_ids": ids, "token_type_ids": types, "attention_mask": real.long(), "images": pixels}
    save_file(inputs, tmp_path / "inputs.safetensors")
    save_file({"logits": logits}, tmp_path / "expected.safetensors")
    meta = {"main": "logits", "generate": None, "derived": [], "pad_zeroed": ["logits"], "frame": "given"}
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    verdict = check(tmp_path)
    assert verdict.passed and "logits" in verdict.worst, verdict.line()
