"""Stages 1 and 2: the connector learns to hand pictures to the language model, then both learn to answer about them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.model import Batch, Causal
from chiasm.pixels.views import look, packed
from chiasm.prompt.planner import Planner
from chiasm.train import lora
from chiasm.train.conversations import Diet, batch_of
from chiasm.train.masters import Masters
from chiasm.train.schedule import schedule
from chiasm.train.stream import stream
from chiasm.weights.write import write_json

Part = Literal["vision", "connect", "lora"]


@dataclass(frozen=True)
class Stage:
    """One stage: how long, at what rates (a part without one stays frozen), on what."""

    name: str
    minutes: float
    rates: Mapping[Part, float]
    diet: Diet
    decay: float = 0.01
    warmup: int = 60
    clip: float = 1.0


def trainable(model: Causal, stage: Stage) -> dict[str, dict[str, nn.Parameter]]:
    """The parameters of each part that a stage trains, by name; everything else is frozen."""
    model.requires_grad_(False)
    groups: dict[str, dict[str, nn.Parameter]] = {}
    for part in stage.rates:
        match part:
            case "vision" | "connect":
                module = model.vision if part == "vision" else model.connect
                groups[part] = {f"{part}.{name}": p for name, p in module.named_parameters()}
            case "lora":
                groups[part] = {f"language.{name}": p for name, p in lora.parameters(model.language)}
        for parameter in groups[part].values():
            parameter.requires_grad_(True)
    return groups


def loss_of(model: Causal, batch: Batch) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy of the supervised tokens, logits computed for those alone; and how many were right."""
    hidden_BTD = model(batch)
    row, place = batch.supervise_BT.nonzero(as_tuple=True)
    logits = model.logits(hidden_BTD[row, place - 1]).float()
    wanted = batch.ids_BT[row, place]
    return F.cross_entropy(logits, wanted), (logits.argmax(-1) == wanted).float().mean()


def train(
    model: Causal, planner: Planner, stage: Stage, out: Path, seed: int, *, workers: int = 1, save_every: float = 150.0
) -> None:
    """Trains one stage for its minutes of wall time in all, over every resumption; a stopped run goes on from its last save.

    Writes a line of JSON to `out`/<stage>.jsonl about every ten seconds. Gradients flow through frozen parts, never into them.
    """
    assert planner.spec.sight is not None
    out.mkdir(parents=True, exist_ok=True)
    state_file, tensors_file = out / f"{stage.name}.json", out / f"{stage.name}.safetensors"
    masters = Masters(trainable(model, stage), stage.decay, (0.9, 0.98))
    step, before = 0, 0.0
    if state_file.is_file():
        state = json.loads(state_file.read_text())
        step, before = state["step"], state["seconds"]
        masters.restore(tensors_file)
    budget = 60 * stage.minutes
    if before >= budget:
        return
    started = saved = logged = time.monotonic()
    sums, count, pictures_seen = [0.0, 0.0], 0, 0
    make = partial(batch_of, planner=planner, diet=stage.diet, seed=seed)
    with (out / f"{stage.name}.jsonl").open("a", buffering=1) as log:
        for pictures, plan in stream(make, step, workers):
            seen = [view for n, picture in enumerate(pictures) for view in look(planner.spec.sight, picture, n)]
            loss, right = loss_of(model, plan.batch(torch.from_numpy(packed(seen))))
            loss.backward()
            seconds = before + time.monotonic() - started
            pace = schedule(step, stage.warmup, seconds / budget)
            masters.step({part: rate * pace for part, rate in stage.rates.items()}, stage.clip)
            step, count, pictures_seen = step + 1, count + 1, pictures_seen + len(pictures)
            sums = [sums[0] + float(loss.detach()), sums[1] + float(right)]
            now = time.monotonic()
            done = seconds >= budget
            if now - logged > 10 or done:
                rate = round(pictures_seen / (now - logged), 1)
                facts = {"step": step, "seconds": round(seconds), "pictures_per_s": rate}
                log.write(json.dumps(facts | {"loss": round(sums[0] / count, 4), "right": round(sums[1] / count, 4)}) + "\n")
                sums, count, pictures_seen, logged = [0.0, 0.0], 0, 0, now
            if now - saved > save_every or done:
                masters.save(tensors_file)
                write_json(state_file, {"step": step, "seconds": seconds})
                saved = now
            if done:
                break
