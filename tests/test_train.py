"""Training: what is trained and what is not, branches, adapters, masters that resume exactly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import torch
from safetensors.torch import load_file, save_file

from chiasm.errors import UserError
from chiasm.geometry import Size
from chiasm.layout import Adapters
from chiasm.model import Causal, assemble, prepare
from chiasm.pixels.views import look, packed
from chiasm.prompt.plan import Plan
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.render import Letter, Remark, Sample, Thing, Truth
from chiasm.spec import Block, ConvViT, Decoder, Mlp, Norm, Pixels, Resize, Rope, Sight, Splice
from chiasm.spec import Causal as CausalSpec
from chiasm.train import lora
from chiasm.train.conversations import Diet
from chiasm.train.masters import Masters
from chiasm.train.names import NOTHING, Vocabulary, names, said_by_squares
from chiasm.train.naming import told_names
from chiasm.train.parts import Turned, masters_of
from chiasm.train.ranks import Ranks, spread
from chiasm.train.recipe import within
from chiasm.train.run import read, replaced
from chiasm.train.talk import Stage, told
from chiasm.weights.lora import merge

IMAGE = 40
TINY = CausalSpec(
    Decoder(
        Block(32, 4, 48, 2, 8, Norm("rms"), "silu", "gated", qkv_bias=False, out_bias=False, mlp_bias=False),
        depth=2, vocab=IMAGE, rope=Rope(), context=256, tied=True,
    ),
    Sight(
        Resize(64, 64, "pad"), Pixels(), ConvViT((8, 8, 16), (1, 1), Block(16, 2, 32, 2, 8, Norm(), "relu"), 1, 2),
        (Mlp(32, 24),), Splice(IMAGE),
    ),
)  # fmt: skip
STAGE = Stage("answer", 1.0, {"connect": 1e-2, "lora": 1e-2}, Diet({}, 1, 1, 0.0))


RATES = {"connect": 1e-2, "lora": 1e-2}


def tiny() -> Causal:
    torch.manual_seed(0)
    model = assemble(TINY)
    assert isinstance(model, Causal)
    return model


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)


def patches(*pictures: np.ndarray) -> torch.Tensor:
    assert TINY.sight is not None
    return torch.from_numpy(packed([view for n, p in enumerate(pictures) for view in look(TINY.sight, p, n)]))


def row(tail: list[int], watched: int = 2) -> tuple[list[int], list[bool]]:
    ids = [1, 5, *[IMAGE] * 4, *tail]
    return ids, [False] * (len(ids) - watched) + [True] * watched


def test_a_branch_is_its_question_alone() -> None:
    model = tiny().eval()
    sizes = [Size(64, 64), Size(64, 64)]
    tails = [[[7, 8, 9], [10, 11, 12, 13]], [[14, 15, 16]]]
    alone = [[Plan.from_ids(TINY, [row(t)[0]], [s], [row(t)[1]]) for t in ts] for ts, s in zip(tails, sizes, strict=True)]
    pictures = [picture(0), picture(1)]
    plan = Plan.branched(TINY, [[p.rows[0] for p in plans] for plans in alone], sizes)
    with torch.no_grad():
        together = model.logits(model(plan.batch(patches(*pictures))))
        batch = plan.batch()
        for number, plans in enumerate(alone):
            real = together[number][batch.valid_BT[number]]
            at = 6
            for single in plans:
                want = model.logits(model(single.batch(patches(pictures[number]))))[0]
                length = want.shape[0] - 6
                torch.testing.assert_close(real[at : at + length], want[6:], atol=1e-5, rtol=1e-5)
                at += length


def test_trees_in_one_row_are_trees_in_rows_of_their_own() -> None:
    model = tiny().eval()
    sizes = [Size(64, 64)] * 4
    tails = [[[7, 8, 9], [10, 11, 12, 13]], [[14, 15]], [[17, 18], [19, 20], [21, 22]], [[23, 24]]]
    rows = [
        [Plan.from_ids(TINY, [row(t)[0]], [size], [row(t)[1]]).rows[0] for t in ts]
        for ts, size in zip(tails, sizes, strict=True)
    ]
    seen = patches(*(picture(n) for n in range(4)))
    apart, abreast = Plan.branched(TINY, rows, sizes), Plan.branched(TINY, rows, sizes, room=26)
    assert [len(r) for r in apart.rows] == [13, 8, 12, 8] and [len(r) for r in abreast.rows] == [21, 20]

    def said(plan: Plan) -> dict[int, torch.Tensor]:
        batch = plan.batch(seen)
        with torch.no_grad():
            hidden = model(batch)
        return {int(i): h for i, h in zip(batch.ids_BT[batch.supervise_BT], hidden[batch.supervise_BT], strict=True)}

    alone, together = said(apart), said(abreast)
    assert alone.keys() == together.keys() and len(alone) == 14
    for token, hidden in alone.items():
        torch.testing.assert_close(together[token], hidden, atol=1e-5, rtol=1e-5)


def _one_of_two(ranks: Ranks, out: Path) -> None:
    total = ranks.sum(torch.tensor([1.0 + ranks.rank, 10.0]))
    model = tiny()
    masters = masters_of(model, STAGE.rates, 0.0)[0]
    ids, watched = row([7 + ranks.rank, 8, 9, 10])
    batch = Plan.from_ids(TINY, [ids], [Size(64, 64)], [watched]).batch(patches(picture(ranks.rank)))
    (told(model, batch, 1).loss / 4).backward()
    masters.step(RATES, 1e9, ranks)
    save_file({"total": total, **masters.masters}, out / f"{ranks.rank}.safetensors")


KNOWN = Vocabulary(torch.arange(12), torch.eye(12), 0, 5, (1, 2), (3, 4), torch.full((12,), 1 / 12), 11 / 12)
SQUARES = torch.tensor([[7, 8, NOTHING], [NOTHING] * 3, [9, NOTHING, NOTHING]])
CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])


def test_squares_say_what_they_show_in_order_and_where_they_lie() -> None:
    said = said_by_squares(SQUARES, CORNERS, KNOWN)
    share = {id: said[:, id].tolist() for id in range(12)}
    torch.testing.assert_close(said.sum(-1), torch.ones(3))
    assert share[7][0] > share[8][0] > 0 and share[9][2] == pytest.approx(share[7][0] + share[8][0])
    assert share[0] == pytest.approx([0, share[9][2], 0])
    assert share[1] == pytest.approx([0.2, 0, 0.1]) and share[2] == pytest.approx([0, 0.2, 0.1])
    assert share[3] == pytest.approx([0.2, 0.2, 0]) and share[4] == pytest.approx([0, 0, 0.2])
    with pytest.raises(ValueError, match="12"):
        said_by_squares(SQUARES + 3, CORNERS, KNOWN)


def test_a_token_that_is_what_its_square_says_is_right_and_costs_least() -> None:
    exact = said_by_squares(SQUARES, CORNERS, KNOWN) @ KNOWN.embed_KD
    right = told_names(exact, SQUARES, CORNERS, KNOWN, 1, 1.0)
    wrong = told_names(exact.flip(0), SQUARES, CORNERS, KNOWN, 1, 1.0)
    assert (right.right, right.count) == (2, 2) and wrong.right == 0
    assert right.loss < wrong.loss


def test_names_stand_in_the_squares_of_what_is_drawn() -> None:
    letters, things = (Letter("b", (50, 4, 60, 20)), Letter("a", (34, 4, 44, 20))), (Thing("star", "red", (2, 34, 60, 62)),)
    truth = Truth(letters, things, (Remark("tallest", (2, 34, 30, 62)),))
    made = Sample(np.zeros((64, 64, 3), np.uint8), "page", "", (), truth)
    vocab = {"<unk>": 0, "a": 5, "b": 6, " red": 7, " star": 8, " tallest": 9, " part": 10}
    tokenizer = Tokenizer(tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, "<unk>")), {})
    assert names(made, 32, tokenizer, most=3).tolist() == [[-1] * 3, [5, 6, -1], [9, 7, 8], [10, -1, -1]]


def test_two_processes_are_one_with_both_batches(tmp_path: Path) -> None:
    spread(_one_of_two, (tmp_path,), 2)
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert first["total"].tolist() == [3.0, 20.0]
    assert all(torch.equal(first[name], second[name]) for name in first)
    model = tiny()
    masters = masters_of(model, STAGE.rates, 0.0)[0]
    for rank in (0, 1):
        ids, watched = row([7 + rank, 8, 9, 10])
        batch = Plan.from_ids(TINY, [ids], [Size(64, 64)], [watched]).batch(patches(picture(rank)))
        (told(model, batch, 1).loss / 4).backward()
    masters.step(RATES, 1e9)
    for name, master in masters.masters.items():
        torch.testing.assert_close(first[name], master, atol=1e-6, rtol=1e-5)


@pytest.mark.skipif(not Path("/proc/self/cmdline").is_file(), reason="looks for processes in /proc")
def test_processes_end_with_the_one_that_began_them(tmp_path: Path) -> None:
    code = f"from test_train import _sleeper; from chiasm.train.ranks import spread; spread(_sleeper, ({str(tmp_path)!r},), 2)"
    begun = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent)
    began = time.monotonic()
    while len(list(tmp_path.iterdir())) < 2:
        assert begun.poll() is None and time.monotonic() - began < 300
        time.sleep(0.2)
    processes = [int(file.name) for file in tmp_path.iterdir()]
    begun.kill()
    begun.wait()
    while any(map(_command, processes)):
        assert time.monotonic() - began < 360
        time.sleep(0.2)


def _sleeper(ranks: Ranks, folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


def test_adapters_have_the_gradients_of_their_sum() -> None:
    torch.manual_seed(5)
    layer = lora.LoRALinear(torch.nn.Linear(6, 4), rank=2, alpha=4.0)
    torch.nn.init.normal_(layer.b)
    x = torch.randn(3, 5, 6, requires_grad=True)
    leaves = (x, layer.a, layer.b)
    plain = torch.nn.functional.linear(x, layer.weight + 2.0 * layer.b @ layer.a, layer.bias)
    want = torch.autograd.grad(plain.square().sum(), leaves)
    got = torch.autograd.grad(layer(x).square().sum(), leaves)
    for a, b in zip(want, got, strict=True):
        torch.testing.assert_close(a, b)


def test_the_loss_counts_the_supervised_tokens_alone() -> None:
    model = tiny()
    ids, watched = row([7, 8, 9, 10])
    batch = Plan.from_ids(TINY, [ids], [Size(64, 64)], [watched]).batch(patches(picture(0)))
    found = told(model, batch, 1)
    logits = model.logits(model(batch))[0].log_softmax(-1)
    assert found.count == 2
    torch.testing.assert_close(found.loss, -(logits[-3, 9] + logits[-2, 10]))


def test_a_stage_trains_its_parts_and_nothing_else() -> None:
    model = tiny()
    lora.adapt(model.language, rank=2, alpha=4.0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    masters = masters_of(model, STAGE.rates, 0.0)[0]
    ids, watched = row([7, 8, 9, 10])
    batch = Plan.from_ids(TINY, [ids], [Size(64, 64)], [watched]).batch(patches(picture(0)))
    losses = []
    for _ in range(8):
        loss = told(model, batch, 1).loss / 2
        loss.backward()
        masters.step(RATES, 1.0)
        losses.append(float(loss.detach()))
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert losses[-1] < losses[0]
    assert {name.split(".")[0] for name in moved} == {"connect", "language"}
    assert all(name.endswith((".a", ".b")) for name in moved if name.startswith("language"))


def test_matrices_of_a_turned_part_are_muons() -> None:
    model = tiny()
    masters, rates = masters_of(model, {"vision": Turned(2e-2, 1e-3)}, 0.0)
    assert rates == {"vision turned": 2e-2, "vision rest": 1e-3}
    before = {name: master.clone() for name, master in masters.masters.items()}
    ids, watched = row([7, 8, 9, 10])
    told(model, Plan.from_ids(TINY, [ids], [Size(64, 64)], [watched]).batch(patches(picture(0))), 1).loss.backward()
    masters.step(rates, 1e9)
    moved = masters.masters["vision.to_tokens.weight"] - before["vision.to_tokens.weight"]
    singular = torch.linalg.svdvals(moved.permute(0, 2, 3, 1).flatten(1))
    # One picture's gradient has few directions; each of them is gone as far as the others.
    assert singular[1] > 1e-2 and singular[0] < 1.3 * singular[1]


def test_merged_adapters_are_the_adapters() -> None:
    model, plain = tiny().eval(), tiny().eval()
    lora.adapt(model.language, rank=3, alpha=6.0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _, parameter in lora.parameters(model.language):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    merge(plain, {f"language.{n}": p.detach() for n, p in lora.stored(model.language)}, Adapters(3, 6.0))
    ids, watched = row([7, 8, 9, 10])
    batch = Plan.from_ids(TINY, [ids], [Size(64, 64)], [watched]).batch(patches(picture(0)))
    with torch.no_grad():
        torch.testing.assert_close(plain(batch), model(batch), atol=1e-5, rtol=1e-5)
        prepare(plain)
        torch.testing.assert_close(plain(batch), model(batch), atol=1e-5, rtol=1e-5)


def test_masters_resume_to_the_bit(tmp_path: Path) -> None:
    ids, watched = row([7, 8, 9, 10])
    batch = Plan.from_ids(TINY, [ids], [Size(64, 64)], [watched]).batch(patches(picture(0)))

    def fresh() -> tuple[Causal, Masters]:
        model = tiny().to(torch.bfloat16)
        lora.adapt(model.language, rank=2, alpha=4.0)
        model.to(torch.bfloat16)
        return model, masters_of(model, STAGE.rates, 0.01)[0]

    def learn(model: Causal, masters: Masters, steps: int) -> None:
        for _ in range(steps):
            (told(model, batch, 1).loss / 2).backward()
            masters.step(RATES, 1.0)

    torch.manual_seed(3)
    model, masters = fresh()
    learn(model, masters, 3)
    masters.save(tmp_path / "half.safetensors")
    learn(model, masters, 3)
    torch.manual_seed(3)
    again, resumed = fresh()
    resumed.restore(tmp_path / "half.safetensors")
    learn(again, resumed, 3)
    for (name, want), (_, got) in zip(model.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(want, got), name


def test_minutes_are_shared_out_as_the_recipe_does() -> None:
    recipe = read(Path(__file__).parents[1] / "recipes" / "default.py")
    short = within(recipe, 12)
    assert short.minutes == pytest.approx(12 * recipe.minutes / 120)
    parts = [short.minutes, *(one.minutes for one in short.naming), *(one.minutes for one in short.stages)]
    assert sum(parts) == pytest.approx(12)
    onto = within(replace(recipe, onto="runs/before/model"), 7)
    assert sum(one.minutes for one in onto.naming) + sum(one.minutes for one in onto.stages) == pytest.approx(7)


def test_overrides_reach_into_a_recipe_and_name_what_is_wrong() -> None:
    assert replaced(STAGE, ["minutes"], 3, "minutes").minutes == 3.0
    assert replaced(STAGE, ["rates", "lora"], 0.5, "rates.lora").rates == {"connect": 1e-2, "lora": 0.5}
    assert replaced(replace(STAGE), ["diet", "batch"], 4, "diet.batch").diet.batch == 4
    with pytest.raises(UserError, match="no field 'minute'"):
        replaced(STAGE, ["minute"], 3, "minute")
    with pytest.raises(UserError, match="float is expected"):
        replaced(STAGE, ["minutes"], "long", "minutes")
    assert json.dumps(STAGE.rates)
