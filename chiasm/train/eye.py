"""Stage 0: schools the eye alone. `python -m chiasm.train.eye OUT --minutes 50` starts or resumes."""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import torch
from torch import nn

from chiasm.errors import UserError
from chiasm.render import assets, fetch
from chiasm.spec import Block, ConvViT, Norm
from chiasm.train.eye_exam import examine
from chiasm.train.eye_heads import STRIDE, Heads, Lesson, letter_loss, losses, scaled
from chiasm.train.eye_lessons import DENSE, MIX, PAGES, lesson_at, to_lesson
from chiasm.train.machine import CPU, Machine
from chiasm.train.masters import Masters
from chiasm.train.progress import Progress
from chiasm.train.schedule import schedule
from chiasm.train.stream import stream
from chiasm.vision.conv import ConvTransformer
from chiasm.weights.write import write_json, write_safetensors

WEIGHTS = {"letters": 1.0, "early": 1.0, "things": 1.0, "colours": 0.5, "emoji": 1.0, "reader": 1.0}


EYE = ConvViT(
    widths=(64, 192, 320), convs=(2, 2), block=Block(448, 7, 896, 7, 64, Norm("layer", 1e-5), "relu"), depth=4, side=7
)
"""12.4 M parameters; a picture of 224 px gives 7 x 7 tokens of 448."""


@dataclass(frozen=True)
class Schooling:
    """Everything that decides a stage-0 run but the clock.

    Attributes:
        rate: Muon's learning rate, for the eye's matrices and kernels.
        rate_rest: AdamW's, for the heads, norms, biases and positions.
        warmup: steps of linear warm-up; both rates then follow a cosine over the wall time down to a fiftieth.
        first_letters: steps in which only the layers up to stride 8 learn, and only to tell letters. Reading starts at
            once there (half of all letters after 300 steps) and does not in 700 steps of everything together.
        letters: (picture size, pictures a batch) of those steps.
        dense_until: the step up to which pictures full of letters and things are drawn, which teach most a second; then
            pictures of all tasks.
        dense: (picture size, pictures a batch) of those steps.
        cycle: (picture size, pictures a batch) of the later steps, over and over.
    """

    eye: ConvViT = EYE
    rate: float = 0.02
    rate_rest: float = 1e-3
    decay: float = 0.01
    warmup: int = 30
    cycle: tuple[tuple[int, int], ...] = ((128, 24), (128, 24), (128, 24), (224, 10))
    first_letters: int = 1500
    letters: tuple[int, int] = (96, 32)
    dense_until: int = 5500
    dense: tuple[int, int] = (128, 24)
    seed: int = 0
    clip: float = 1.0

    def __call__(self, step: int) -> tuple[int, int, Mapping[str, float]]:
        """Picture size, pictures a batch and the shares of kinds of picture of a step."""
        if step < self.first_letters:
            return *self.letters, PAGES
        if step < self.dense_until:
            return *self.dense, DENSE
        return *self.cycle[step % len(self.cycle)], MIX


class Student:
    """An eye with its heads in bf16, and their masters.

    The optimizers, half of a step's work, run in a thread of their own while the next lesson is seen, so that
    gradients are applied one step late; `settle` waits for them. Two cores then need no common barrier in every product:
    `school` leaves that thread a core.
    """

    def __init__(self, config: Schooling, concepts: int, device: torch.device | str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.parts = nn.ModuleDict({"eye": ConvTransformer(config.eye), "heads": Heads(config.eye, concepts)})
        self.eye.apply(_start)
        self.parts.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        groups: dict[str, dict[str, nn.Parameter]] = {"turned": {}, "rest": {}}
        for name, p in self.parts.named_parameters():
            inner = p.ndim in (2, 4) and name.startswith("eye.") and not name.startswith("eye.stem")
            groups["turned" if inner else "rest"][name] = p
        self.masters = Masters(groups, config.decay, (0.9, 0.98), frozenset({"turned"}))
        self.parts.to(torch.bfloat16)
        self.config = config
        self.beside = ThreadPoolExecutor(1)
        self.pending: Future[None] | None = None
        self.step, self.seconds = 0, 0.0

    @property
    def eye(self) -> ConvTransformer:
        eye = self.parts["eye"]
        assert isinstance(eye, ConvTransformer)
        return eye

    @property
    def heads(self) -> Heads:
        heads = self.parts["heads"]
        assert isinstance(heads, Heads)
        return heads

    def learn(self, lesson: Lesson, share: float, window: tuple[int, int]) -> dict[str, float]:
        """One step at a share of the full learning rates; returns the losses by head."""
        local = self.eye.local(scaled(lesson.pixels_BHWC))
        if self.step < self.config.first_letters:
            found = {"early": letter_loss(self.heads.early_logits(local), lesson.letters_BYX)}
        else:
            found = losses(local, self.eye.read(local, window), self.heads, lesson)
        total = torch.stack([WEIGHTS[name] * loss for name, loss in found.items()]).sum()
        total.backward()
        grads = self.masters.take()
        self.settle()
        rates = {"turned": share * self.config.rate, "rest": share * self.config.rate_rest}
        self.pending = self.beside.submit(self.masters.update, grads, rates, self.config.clip)
        self.step += 1
        return {name: loss.item() for name, loss in found.items()}

    def settle(self) -> None:
        """Waits for the update under way and gives its result to the eye and the heads."""
        if self.pending is not None:
            self.pending.result()
            self.pending = None
            self.masters.publish()

    def save(self, out: Path) -> None:
        """Writes `student.safetensors` (masters, moments), `eye.safetensors` (bf16) and `state.json`, each at once."""
        self.settle()
        self.masters.save(out / "student.safetensors")
        write_safetensors(out / "eye.safetensors", {k: v.contiguous() for k, v in self.eye.state_dict().items()})
        write_json(out / "state.json", {"step": self.step, "seconds": self.seconds})

    def restore(self, out: Path) -> None:
        """Continues from `save`."""
        self.masters.restore(out / "student.safetensors")
        state = json.loads((out / "state.json").read_text())
        self.step, self.seconds = state["step"], state["seconds"]


def _start(module: nn.Module) -> None:
    """Weights that keep the signal's size and no biases: what all pictures share would drown what tells them apart."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        assert module.bias is not None
        nn.init.zeros_(module.bias)


@contextmanager
def threads(fewer: int) -> Iterator[None]:
    """So many threads fewer inside each product, one at least."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before - fewer))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _window(rng: random.Random, sizes: ConvViT, size: int) -> tuple[int, int]:
    room = sizes.side - size // STRIDE
    return rng.randint(0, room), rng.randint(0, room)


def school(
    config: Schooling,
    out: Path,
    seconds: float,
    machine: Machine = CPU,
    resume: bool = True,
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
    student = Student(config, len(assets("train").concepts), machine.device)
    if (out / "state.json").exists():
        student.restore(out)
    if student.seconds >= seconds:
        return out / "eye.safetensors"
    lessons = stream(partial(lesson_at, plan=config, seed=config.seed), student.step, machine.drawing, ahead=12)
    first = next(lessons)
    before, started = student.seconds, time.monotonic()
    logged = saved = examined = started
    seen, sums, counts = 0, dict.fromkeys(WEIGHTS, 0.0), dict.fromkeys(WEIGHTS, 0)
    with (out / "log.jsonl").open("a", buffering=1) as log, Progress("eye", seconds) as progress, threads(1):
        for arrays in chain((first,), lessons):
            lesson = to_lesson(arrays, machine.device)
            rng = random.Random(f"window {config.seed} {student.step}")
            share = schedule(student.step, config.warmup, student.seconds / seconds)
            window = _window(rng, config.eye, lesson.pixels_BHWC.shape[1])
            for name, loss in student.learn(lesson, share, window).items():
                sums[name] += loss
                counts[name] += 1
            seen += len(lesson.pixels_BHWC)
            now = time.monotonic()
            student.seconds = before + now - started
            done = student.seconds >= seconds
            progress.at(student.seconds)
            if now - logged > 10 or done:
                means = {n: round(sums[n] / counts[n], 4) for n in sums if counts[n]}
                pace = round(seen / (now - logged), 1)
                line = {"step": student.step, "seconds": round(student.seconds), "share": round(share, 4)}
                log.write(json.dumps({**line, "pictures_per_s": pace, "loss": means}) + "\n")
                progress.says(f"step {student.step}, {pace} pictures/s")
                seen, sums, counts, logged = 0, dict.fromkeys(WEIGHTS, 0.0), dict.fromkeys(WEIGHTS, 0), now
            if now - saved > 120 or done:
                student.save(out)
                saved = now
            if now - examined > exam_every or done:
                student.settle()
                marks = examine(student.eye, student.heads, exam_pictures)
                log.write(json.dumps({"step": student.step, "seconds": round(student.seconds), "exam": marks}) + "\n")
                logged = examined = time.monotonic()
                seen = 0
            if done:
                break
    return out / "eye.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=50)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    print(school(Schooling(), given.out, 60 * given.minutes, Machine.named(given.device)))


if __name__ == "__main__":
    main()
