"""Qwen and Qwen-VL: a base that grows in steps with the prompt, louder queries, pictures closed in by two ids, placed keys."""

import json
import math
from base64 import b64encode
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import regex
import torch
from safetensors.torch import load_file
from shrink import tiny
from torch.nn import functional as F

from chiasm.connect.reader import ReaderStep, sines
from chiasm.errors import BadCheckpoint
from chiasm.generate.engine import prefill, step
from chiasm.geometry import Size
from chiasm.layers.rope import frequencies, turn
from chiasm.model import Causal
from chiasm.place import Box, Grid, raster, route
from chiasm.prompt.messages import Image, Message, Text
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.prompt.ranks import WORDS
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.reference.cases import RECORDED
from chiasm.reference.make import redraw
from chiasm.registry import families
from chiasm.spec import Causal as CausalSpec
from chiasm.spec import Norm, Reader, Rope, Splice, StepNtk
from chiasm.weights.read import describe, load_model


@pytest.mark.parametrize(("length", "grown"), [(3, 1), (8, 1), (9, 3), (16, 3), (17, 7), (32, 7), (33, 15)])
def test_the_base_grows_in_steps(length: int, grown: int) -> None:
    rope = Rope(100.0, StepNtk(8))
    expected = 1.0 / (100.0 * grown ** (12 / 10)) ** (torch.arange(0, 12, 2) / 12)
    torch.testing.assert_close(frequencies(rope, 12, length), expected)


def test_each_row_turns_by_its_own_prompt_and_keeps_it_while_it_writes() -> None:
    where = torch.stack([torch.arange(20), torch.arange(20).clamp(max=4)])[None]
    rope = Rope(100.0, StepNtk(8))
    by = turn(rope, 12, where)
    assert torch.equal(by.cos[0], turn(rope, 12, where[:, :1]).cos[0])
    assert torch.equal(by.cos[1], turn(Rope(100.0), 12, where[:, 1:]).cos[0])
    kept = turn(rope, 12, torch.tensor([[[30], [30]]]), torch.tensor([20, 5]))
    assert torch.equal(kept.cos[1], turn(Rope(100.0), 12, torch.tensor([[[30]]])).cos[0])


def test_queries_grow_louder_beyond_their_usual_length() -> None:
    louder = turn(Rope(calm=8), 12, torch.arange(64)[None, None]).louder
    assert louder is not None
    expected = [math.log(number, 8) if number > 8 else 1.0 for number in range(1, 65)]
    torch.testing.assert_close(louder.flatten(), torch.tensor(expected))


def test_an_answer_goes_on_as_the_prompt_began() -> None:
    """Token by token it is what a longer row would be, were its frequencies those of the prompt."""
    model = tiny(families()["qwen"].model)
    assert isinstance(model, Causal) and isinstance(model.spec.decoder.rope, Rope)
    row = [5, 6, 7, 8, 9, 10, 11, 12, 13]
    batch = Plan.from_ids(model.spec, [row[:4]]).batch()
    logits_BS, cache = prefill(model, batch, 5)
    found = [logits_BS]
    for number, token in enumerate(row[4:]):
        found.append(step(model, torch.tensor([token]), batch.next_B + number, cache))
    whole = Plan.from_ids(model.spec, [row]).batch()
    cached = model.room(1, 9)
    cached.prompt_B = torch.tensor([4])
    expected = model.logits(model(whole, cached))[0, 3:]
    torch.testing.assert_close(torch.cat(found), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(model.logits(model(whole))[0, 3:], expected, atol=1e-3)


def plainly(weights: dict[str, torch.Tensor], ids: list[int], usual: int, prompt: int) -> torch.Tensor:
    """The recorded decoder in plain products: its base and its queries grown beyond `usual` positions, [T, S]."""
    alpha = max(2 ** math.ceil(math.log2(prompt / usual) + 1) - 1, 1)
    rates = 1.0 / (10000 * alpha ** (8 / 6)) ** (torch.arange(0, 8, 2) / 8)
    angles = (torch.arange(len(ids))[:, None] * rates).repeat(1, 2)
    louder = torch.tensor([max(1.0, math.log(number) / math.log(usual)) for number in range(1, len(ids) + 1)])

    def normed(x: torch.Tensor, name: str) -> torch.Tensor:
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weights[f"transformer.{name}.weight"]

    def turned(x: torch.Tensor) -> torch.Tensor:
        halves = torch.cat([-x[..., 4:], x[..., :4]], -1)
        return x * angles.cos()[:, None] + halves * angles.sin()[:, None]

    x = weights["transformer.wte.weight"][ids]
    for layer in range(2):
        at = f"transformer.h.{layer}"
        joint = normed(x, f"h.{layer}.ln_1") @ weights[f"{at}.attn.c_attn.weight"].T + weights[f"{at}.attn.c_attn.bias"]
        q, k, v = joint.view(-1, 3, 4, 8).unbind(1)
        q, k = turned(q) * louder[:, None, None], turned(k)
        scores = torch.einsum("tnf,snf->nts", q, k) / 8**0.5
        scores = scores.masked_fill(torch.ones(len(ids), len(ids), dtype=torch.bool).triu(1), -torch.inf)
        mixed = torch.einsum("nts,snf->tnf", scores.softmax(-1), v).flatten(1)
        x = x + mixed @ weights[f"{at}.attn.c_proj.weight"].T
        y = normed(x, f"h.{layer}.ln_2")
        up, gate = y @ weights[f"{at}.mlp.w1.weight"].T, y @ weights[f"{at}.mlp.w2.weight"].T
        x = x + (up * F.silu(gate)) @ weights[f"{at}.mlp.c_proj.weight"].T
    return normed(x, "ln_f") @ weights["lm_head.weight"].T


def test_rows_beyond_the_usual_length_are_what_plain_products_make(tmp_path: Path) -> None:
    """The recording ends before that length; here it begins at 8 positions, of a prompt of 27: the base grows by seven."""
    recorded = RECORDED / "qwen_vl-0"
    config = json.loads((recorded / "config.json").read_text()) | {"seq_length": 8}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((recorded / "model.safetensors").read_bytes())
    model, weights = load_model(describe(tmp_path), torch.float32), load_file(recorded / "model.safetensors")
    assert isinstance(model, Causal)
    ids = torch.randint(0, 290, (30,), generator=torch.Generator().manual_seed(4)).tolist()
    batch = Plan.from_ids(model.spec, [ids[:27], ids[:5]]).batch()
    with torch.inference_mode():
        read = model.logits(model(batch))
        torch.testing.assert_close(read[0], plainly(weights, ids[:27], 8, 27), rtol=2e-5, atol=2e-5)
        torch.testing.assert_close(read[1, 22:], plainly(weights, ids[:5], 8, 5), rtol=2e-5, atol=2e-5)
        logits_BS, cache = prefill(model, Plan.from_ids(model.spec, [ids[:27]]).batch(), 3)
        found = [logits_BS, *(step(model, torch.tensor([ids[at]]), torch.tensor([at]), cache) for at in (27, 28, 29))]
    torch.testing.assert_close(torch.cat(found), plainly(weights, ids, 8, 27)[26:], rtol=2e-5, atol=2e-5)


def test_whatever_stands_between_the_two_ids_is_the_pictures_place() -> None:
    spec = tiny(families()["qwen-vl"].model).spec
    assert isinstance(spec, CausalSpec) and spec.sight is not None
    assert isinstance(spec.sight.fusion, Splice)
    fusion = replace(spec.sight.fusion, image=120, inside=(100, 101))
    spec = replace(spec, sight=replace(spec.sight, fusion=fusion))
    for ids in ([60, 61, 120, 120], [120] * 4):
        plan = Plan.from_ids(spec, [[7, 100, *ids, 101, 8, 9]], [Size(9, 9)])
        assert plan.rows[0].slots_T.tolist() == [-1, -1, 0, 1, 2, 3, -1, -1, -1]


# --- the reading ------------------------------------------------------------------------------------------------------------


def made(places: str, width: int = 24) -> ReaderStep:
    module = ReaderStep(Reader(32, 4, 9, Norm("layer", 1e-6), places), width)  # type: ignore[arg-type]
    redraw(module, 3)
    return module.eval()


@pytest.mark.parametrize("places", ["table", "cells"])
@pytest.mark.parametrize("width", [24, 32])
def test_views_of_any_shapes_are_read_as_if_alone(places: str, width: int) -> None:
    module, grids = (
        made(places, width),
        [Grid(n, 1, h, w, Box(0, 0, w, h)) for n, (h, w) in enumerate([(3, 5), (2, 2), (4, 1)])],
    )
    x = torch.randn(15 + 4 + 4, width, generator=torch.Generator().manual_seed(0))

    def read(some: list[Grid], tokens: torch.Tensor) -> torch.Tensor:
        laid = raster(some)
        return module(tokens, torch.from_numpy(route(module.spec, laid, ()).index_VM), laid)

    with torch.inference_mode():
        together = read(grids, x)
        alone = [read([grid], part) for grid, part in zip(grids, x.split([15, 4, 4]), strict=True)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_it_is_attention_whose_keys_alone_have_places() -> None:
    module, grid = made("cells"), Grid(0, 1, 2, 3, Box(0, 0, 3, 2))
    laid, x = raster([grid]), torch.randn(6, 24, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        states = module.norm(module.enter(x))
        keys = states + torch.from_numpy(sines(laid.place_V4[:, 2:], 32))
        weight = torch.cat([part.weight for part in (module.q, module.k, module.v)])
        bias = torch.cat([part.bias for part in (module.q, module.k, module.v)])
        asked = module.query_norm(module.queries)
        found, _ = F.multi_head_attention_forward(
            asked, keys, states, 32, 4, weight, bias, None, None, False, 0.0, module.out.weight, module.out.bias, training=False
        )  # fmt: skip
        expected = module.project(module.out_norm(found))
        index = torch.from_numpy(route(module.spec, laid, ()).index_VM)
        torch.testing.assert_close(module(x, index, laid), expected)


def test_the_first_half_of_the_sines_tells_the_column() -> None:
    at = sines(np.array([[0, 3], [5, 3], [5, 0]]), 16)
    assert np.array_equal(at[0, :8], at[1, :8]) and np.array_equal(at[1, 8:], at[2, 8:])
    rates = 1 / 10000 ** (np.arange(4) / 4)
    assert np.allclose(at[1], np.concatenate([np.sin(3 * rates), np.cos(3 * rates), np.sin(5 * rates), np.cos(5 * rates)]))


# --- its words ----------------------------------------------------------------------------------------------------------------


def by_hand(text: str, ranks: dict[bytes, int]) -> list[int]:
    """Bytes joined as ranks say, word by word; a word that is a token is that token."""
    ids = []
    for word in regex.findall(WORDS, text):
        parts = [word.encode()] if word.encode() in ranks else [bytes([byte]) for byte in word.encode()]
        while len(parts) > 1:
            pairs = [ranks.get(a + b, len(ranks)) for a, b in pairwise(parts)]
            best = min(pairs)
            if best == len(ranks):
                break
            at = pairs.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        ids += [ranks[part] for part in parts]
    return ids


@pytest.fixture
def vocabulary(tmp_path: Path) -> tuple[Path, dict[bytes, int]]:
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += [
        b"th",
        b" t",
        b"he",
        b" the",
        b"in",
        b"ing",
        b" s",
        b"the",
        b"ar",
        b" squ",
        b"are",
        b" square",
        b"12",
        "猫".encode(),
    ]
    ranks = {token: rank for rank, token in enumerate(tokens)}
    lines = [b64encode(token) + b" " + str(rank).encode() for token, rank in ranks.items()]
    (tmp_path / "qwen.tiktoken").write_bytes(b"\n".join(lines) + b"\n")
    return tmp_path, ranks


def test_ranked_bytes_are_joined_as_their_ranks_say(vocabulary: tuple[Path, dict[bytes, int]]) -> None:
    folder, ranks = vocabulary
    tokenizer = Tokenizer.from_folder(folder)
    for text in ("the thing in the square", " the  ring\n\nthe1212 !", "猫 it's THE square, isn't it?", "Übung"):
        ids = tokenizer.encode(text)
        assert ids == by_hand(text, ranks)
        assert tokenizer.decode(ids) == text
    assert tokenizer.added["<|endoftext|>"] == len(ranks) and tokenizer.added["<imgpad>"] == len(ranks) + 216
    assert tokenizer.eos_id == len(ranks) + 2


def test_a_picture_is_numbered_in_its_message(vocabulary: tuple[Path, dict[bytes, int]]) -> None:
    folder, _ = vocabulary
    tokenizer = Tokenizer.from_folder(folder)
    spec = tiny(families()["qwen-vl"].model).spec
    assert isinstance(spec, CausalSpec) and spec.sight is not None
    first = tokenizer.added["<img>"]
    assert isinstance(spec.sight.fusion, Splice)
    fusion = replace(spec.sight.fusion, image=first + 2, inside=(first, first + 1))
    spec = replace(spec, sight=replace(spec.sight, fusion=fusion), decoder=replace(spec.decoder, vocab=len(tokenizer)))
    planner = Planner.from_folder(spec, folder, families()["qwen-vl"].chat)
    message = Message("user", (Image(0), Image(1), Text("the same?")))
    plan = planner.plan([[message]], [Size(9, 9), Size(20, 9)])
    text = tokenizer.decode(plan.rows[0].ids_T.tolist(), skip_special=False)
    pads = "<img>" + "<imgpad>" * 4 + "</img>"
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        f"<|im_start|>user\nPicture 1: {pads}\nPicture 2: {pads}\nthe same?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert int((plan.rows[0].slots_T >= 0).sum()) == 8


@pytest.mark.parametrize(("change", "says"), [(b"!!! 3\n", "line 271 is no token"), (b"AAAA 999\n", "without gaps")])
def test_a_damaged_vocabulary_is_named(vocabulary: tuple[Path, dict[bytes, int]], change: bytes, says: str) -> None:
    file = vocabulary[0] / "qwen.tiktoken"
    file.write_bytes(file.read_bytes() + change)
    with pytest.raises(BadCheckpoint, match=says):
        Tokenizer.from_folder(vocabulary[0])
