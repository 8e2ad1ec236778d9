"""Contrastive decoding: exact where it asks for nothing, and the arithmetic of its paper where it does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_folder import tiny_folder

from chiasm.errors import UserError
from chiasm.generate import engine
from chiasm.generate.contrast import contrasted, distorted
from chiasm.generate.sampling import Contrast, Sampling
from chiasm.geometry import Size
from chiasm.loading import load_local
from chiasm.local import LocalAssistant
from chiasm.model import Causal
from chiasm.model import Sight as Seen
from chiasm.pixels.open import Limits, open_picture
from chiasm.prompt.messages import question


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LocalAssistant:
    return load_local(str(tiny_folder(tmp_path_factory.mktemp("tiny"))), dtype="float32", device="cpu")


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 61, 3), np.uint8)


def test_no_contrast_is_plain_greedy(model: LocalAssistant) -> None:
    plain = Sampling(max_new_tokens=12)
    for alpha, step in ((0.0, 500), (1.0, 0)):
        said = model.ask("What?", picture(0), max_tokens=12, sampling=replace(plain, contrast=Contrast(alpha, 0.1, step)))
        assert said.text == model.ask("What?", picture(0), max_tokens=12, sampling=plain).text


def test_each_token_is_that_of_two_full_forwards(model: LocalAssistant) -> None:
    modules, planner, how = model.model, model.planner, Contrast(1.5, 0.01)
    assert isinstance(modules, Causal) and planner is not None
    plan = planner.plan([[question("What?", [picture(1)])]], [Size(61, 40)])
    batch = plan.batch(model.door.patches([open_picture(picture(1), Limits())], plan.items))
    assert isinstance(batch.sight, Seen)
    other = replace(batch, sight=replace(batch.sight, patches_PK=distorted(batch.sight.patches_PK, how)))
    events = engine.generate(modules, batch, Sampling(max_new_tokens=6, contrast=how), distorted=other)
    ids = [event.id for event in events if isinstance(event, engine.Token)]
    never = torch.tensor(engine.placeholders(modules))
    with torch.inference_mode():
        pasts = [engine.prefill(modules, one, 6) for one in (batch, other)]
        logits = [first for first, _ in pasts]
        for number, said in enumerate(ids):
            scores = contrasted(logits[0], logits[1], how).index_fill(-1, never, float("-inf"))
            assert int(scores.argmax()) == said
            token = torch.tensor([said])
            logits = [engine.step(modules, token, batch.next_B + number, past) for _, past in pasts]


def test_the_arithmetic_of_the_paper() -> None:
    plain, other = torch.tensor([[2.0, 1.5, -3.0]]), torch.tensor([[3.0, 0.0, -9.0]])
    moved = contrasted(plain, other, Contrast(1.0, 0.1))
    assert moved.tolist() == [[1.0, 3.0, float("-inf")]]
    assert contrasted(plain, other, Contrast(1.0, 0.0)).tolist() == [[1.0, 3.0, 3.0]]


def test_noise_keeps_the_spread_and_is_the_same_each_time() -> None:
    patches = torch.randn(50, 600)
    noisy = distorted(patches, Contrast(step=500))
    assert torch.equal(noisy, distorted(patches, Contrast(step=500))) and torch.equal(
        distorted(patches, Contrast(step=0)), patches
    )
    assert noisy.std() == pytest.approx(1.0, abs=0.02)
    corr = [float((distorted(patches, Contrast(step=s)) * patches).mean()) for s in (100, 500, 900)]
    assert corr[0] > corr[1] > corr[2] > 0


@pytest.mark.parametrize("wrong", [{"alpha": -1.0}, {"beta": 2.0}, {"step": 1001}])
def test_a_contrast_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match="it must be"):
        Contrast(**wrong)  # type: ignore[arg-type]
