"""Training: what is trained and what is not, branches, adapters, masters that resume exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from chiasm.errors import UserError
from chiasm.geometry import Size
from chiasm.model import Causal, assemble, prepare
from chiasm.pixels.views import look, packed
from chiasm.prompt.plan import Plan
from chiasm.spec import Block, ConvViT, Decoder, Mlp, Norm, Pixels, Resize, Rope, Sight, Splice
from chiasm.spec import Causal as CausalSpec
from chiasm.train import lora
from chiasm.train.conversations import Diet
from chiasm.train.masters import Masters
from chiasm.train.run import replaced
from chiasm.train.talk import Stage, loss_of, trainable
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


def test_the_loss_counts_the_supervised_tokens_alone() -> None:
    model = tiny()
    ids, watched = row([7, 8, 9, 10])
    batch = Plan.from_ids(TINY, [ids], [Size(64, 64)], [watched]).batch(patches(picture(0)))
    loss, _ = loss_of(model, batch)
    logits = model.logits(model(batch))[0].log_softmax(-1)
    torch.testing.assert_close(loss, -(logits[-3, 9] + logits[-2, 10]) / 2)


def test_a_stage_trains_its_parts_and_nothing_else() -> None:
    model = tiny()
    lora.adapt(model.language, rank=2, alpha=4.0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    masters = Masters(trainable(model, STAGE), 0.0, (0.9, 0.99))
    ids, watched = row([7, 8, 9, 10])
    batch = Plan.from_ids(TINY, [ids], [Size(64, 64)], [watched]).batch(patches(picture(0)))
    losses = []
    for _ in range(8):
        loss, _ = loss_of(model, batch)
        loss.backward()
        masters.step(STAGE.rates, 1.0)
        losses.append(float(loss.detach()))
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert losses[-1] < losses[0]
    assert {name.split(".")[0] for name in moved} == {"connect", "language"}
    assert all(name.endswith((".a", ".b")) for name in moved if name.startswith("language"))


def test_merged_adapters_are_the_adapters() -> None:
    model, plain = tiny().eval(), tiny().eval()
    lora.adapt(model.language, rank=3, alpha=6.0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _, parameter in lora.parameters(model.language):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    merge(plain, {f"language.{n}": p.detach() for n, p in lora.stored(model.language)}, {"rank": 3, "alpha": 6.0})
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
        return model, Masters(trainable(model, STAGE), 0.01, (0.9, 0.99))

    def learn(model: Causal, masters: Masters, steps: int) -> None:
        for _ in range(steps):
            loss_of(model, batch)[0].backward()
            masters.step(STAGE.rates, 1.0)

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


def test_overrides_reach_into_a_recipe_and_name_what_is_wrong() -> None:
    assert replaced(STAGE, ["minutes"], 3, "minutes").minutes == 3.0
    assert replaced(STAGE, ["rates", "lora"], 0.5, "rates.lora").rates == {"connect": 1e-2, "lora": 0.5}
    assert replaced(replace(STAGE), ["diet", "batch"], 4, "diet.batch").diet.batch == 4
    with pytest.raises(UserError, match="no field 'minute'"):
        replaced(STAGE, ["minute"], 3, "minute")
    with pytest.raises(UserError, match="float is expected"):
        replaced(STAGE, ["minutes"], "long", "minutes")
    assert json.dumps(STAGE.rates)
