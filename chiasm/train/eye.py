"""Stage 0: schools the eye alone. `python -m chiasm.train.eye OUT --minutes 50 --threads 2` starts or resumes."""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from chiasm.errors import UserError
from chiasm.render import assets, fetch
from chiasm.train.eye_exam import examine
from chiasm.train.eye_heads import Heads, Lesson, losses, scaled
from chiasm.train.eye_lessons import lessons
from chiasm.train.eye_model import STRIDE, ConvEye, ConvEyeModel

WEIGHTS = {"letters": 1.0, "early": 0.5, "things": 1.0, "colours": 0.5, "emoji": 0.5, "reader": 1.0}


@dataclass(frozen=True)
class Schooling:
    """Everything that decides a stage-0 run but the clock.

    Attributes:
        cycle: (picture size, pictures a batch) of successive steps, over and over.
        warmup: steps of linear warm-up; then a cosine over the wall time down to a fiftieth.
    """

    eye: ConvEye = field(default_factory=ConvEye)
    rate: float = 6e-4
    decay: float = 0.02
    warmup: int = 200
    cycle: tuple[tuple[int, int], ...] = ((128, 16), (128, 16), (128, 16), (224, 8))
    seed: int = 0
    clip: float = 1.0

    def __call__(self, step: int) -> tuple[int, int]:
        return self.cycle[step % len(self.cycle)]


class Student:
    """An eye with its heads in bf16, the float32 masters of both, and AdamW over the masters."""

    def __init__(self, config: Schooling, concepts: int) -> None:
        torch.manual_seed(config.seed)
        self.parts = nn.ModuleDict({"eye": ConvEyeModel(config.eye), "heads": Heads(config.eye, concepts)})
        names, params = zip(*self.parts.named_parameters(), strict=True)
        self.names: tuple[str, ...] = names
        self.masters = [p.detach().clone().float() for p in params]
        self.parts.to(torch.bfloat16).to(memory_format=torch.channels_last)
        self.params: list[Tensor] = list(params)
        plain = [m for m in self.masters if m.ndim < 2]
        decayed = [m for m in self.masters if m.ndim >= 2]
        groups = [{"params": decayed, "weight_decay": config.decay}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.98), fused=True)
        self.step, self.seconds = 0, 0.0

    @property
    def eye(self) -> ConvEyeModel:
        eye = self.parts["eye"]
        assert isinstance(eye, ConvEyeModel)
        return eye

    @property
    def heads(self) -> Heads:
        heads = self.parts["heads"]
        assert isinstance(heads, Heads)
        return heads

    def learn(self, lesson: Lesson, rate: float, clip: float, window: tuple[int, int]) -> dict[str, float]:
        """One step; returns the losses by head."""
        maps = self.eye.trunk(scaled(lesson.pixels_BHWC))
        found = losses(maps, self.eye.read(maps, window), self.heads, lesson)
        total = torch.stack([WEIGHTS[name] * loss for name, loss in found.items()]).sum()
        total.backward()
        for master, param in zip(self.masters, self.params, strict=True):
            if param.grad is None:
                master.grad = None
            elif master.grad is None:
                master.grad = param.grad.float()
            else:
                master.grad.copy_(param.grad)
            param.grad = None
        nn.utils.clip_grad_norm_(self.masters, clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self._publish()
        self.step += 1
        return {name: loss.item() for name, loss in found.items()}

    def _publish(self) -> None:
        with torch.no_grad():
            torch._foreach_copy_(self.params, self.masters)

    def save(self, out: Path) -> None:
        """Writes `student.safetensors` (masters, moments) and `eye.safetensors` (bf16), then `state.json`, atomically."""
        tensors = {f"master.{n}": m for n, m in zip(self.names, self.masters, strict=True)}
        for name, master in zip(self.names, self.masters, strict=True):
            for key in ("exp_avg", "exp_avg_sq", "step"):
                if key in self.optimizer.state[master]:
                    tensors[f"{key}.{name}"] = self.optimizer.state[master][key]
        _replace(out / "student.safetensors", lambda path: save_file({k: v.contiguous() for k, v in tensors.items()}, path))
        weights = {k: v.contiguous() for k, v in self.eye.state_dict().items()}
        about = {"sizes": json.dumps(asdict(self.eye.sizes))}
        _replace(out / "eye.safetensors", lambda path: save_file(weights, path, about))
        state = {"step": self.step, "seconds": self.seconds}
        _replace(out / "state.json", lambda path: path.write_text(json.dumps(state)))

    def restore(self, out: Path) -> None:
        """Continues from `save`."""
        tensors = load_file(out / "student.safetensors")
        for name, master in zip(self.names, self.masters, strict=True):
            master.copy_(tensors[f"master.{name}"])
            kept = {k: tensors[f"{k}.{name}"] for k in ("exp_avg", "exp_avg_sq", "step") if f"{k}.{name}" in tensors}
            if kept:
                self.optimizer.state[master].update(kept)
        state = json.loads((out / "state.json").read_text())
        self.step, self.seconds = state["step"], state["seconds"]
        self._publish()


def load_eye(path: Path) -> ConvEyeModel:
    """The schooled eye of an `eye.safetensors`, in bf16; its sizes are in the file's metadata."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["sizes"])
    about = {k: tuple(v) if isinstance(v, list) else v for k, v in about.items()}
    eye = ConvEyeModel(ConvEye(**about)).to(torch.bfloat16)
    eye.load_state_dict(load_file(path))
    return eye


def _replace(path: Path, write: Any) -> None:
    beside = path.with_name(path.name + ".part")
    write(beside)
    os.replace(beside, path)


def _rate(config: Schooling, step: int, share: float) -> float:
    warm = min(1.0, (step + 1) / config.warmup)
    return config.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))


def _window(rng: random.Random, sizes: ConvEye, size: int) -> tuple[int, int]:
    room = sizes.grid - size // STRIDE
    return rng.randint(0, room), rng.randint(0, room)


def school(
    config: Schooling,
    out: Path,
    seconds: float,
    resume: bool = True,
    workers: int = 1,
    exam_every: float = 480.0,
    exam_pictures: int = 64,
) -> Path:
    """Schools an eye for `seconds` of wall time in all (over every resumption) and returns `out/eye.safetensors`.

    Writes a line of JSON to `out/log.jsonl` about every ten seconds and after every exam on held-out fonts and
    styles; saves every two minutes. A run that is stopped goes on from its last save.

    Raises:
        UserError: `out` holds another run's configuration, or a run and `resume` is False.
    """
    fetch()
    out.mkdir(parents=True, exist_ok=True)
    chosen = json.dumps(asdict(config))
    kept = out / "config.json"
    if kept.exists() and not resume:
        raise UserError(f"{out} holds a run already: name another folder or resume.")
    if kept.exists() and kept.read_text() != chosen:
        raise UserError(f"{kept} was written by a run with other settings: name another folder.")
    kept.write_text(chosen)
    student = Student(config, len(assets("train").concepts))
    if (out / "state.json").exists():
        student.restore(out)
    log = (out / "log.jsonl").open("a", buffering=1)
    before, started = student.seconds, time.monotonic()
    logged = saved = examined = started
    seen, sums, counts = 0, dict.fromkeys(WEIGHTS, 0.0), dict.fromkeys(WEIGHTS, 0)
    stream = lessons(config, config.seed, student.step, workers)
    for lesson in stream:
        rng = random.Random(f"window {config.seed} {student.step}")
        rate = _rate(config, student.step, student.seconds / seconds)
        window = _window(rng, config.eye, lesson.pixels_BHWC.shape[1])
        for name, loss in student.learn(lesson, rate, config.clip, window).items():
            sums[name] += loss
            counts[name] += 1
        seen += len(lesson.pixels_BHWC)
        now = time.monotonic()
        student.seconds = before + now - started
        done = student.seconds >= seconds
        if now - logged > 10 or done:
            means = {n: round(sums[n] / counts[n], 4) for n in sums if counts[n]}
            pace = round(seen / (now - logged), 1)
            line = {"step": student.step, "seconds": round(student.seconds), "rate": rate, "pictures_per_s": pace}
            log.write(json.dumps({**line, "loss": means}) + "\n")
            seen, sums, counts, logged = 0, dict.fromkeys(WEIGHTS, 0.0), dict.fromkeys(WEIGHTS, 0), now
        if now - saved > 120 or done:
            student.save(out)
            saved = now
        if now - examined > exam_every or done:
            marks = examine(student.eye, student.heads, exam_pictures)
            line = {"step": student.step, "seconds": round(student.seconds), "exam": marks}
            log.write(json.dumps(line) + "\n")
            logged = examined = time.monotonic()
            seen = 0
        if done:
            break
    stream.close()
    return out / "eye.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(school(Schooling(), given.out, 60 * given.minutes, workers=given.workers))


if __name__ == "__main__":
    main()
