"""Asks a model every question of a task, in batches, and writes each answer down before the next batch is asked."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from chiasm.assistant import Assistant
from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.benchmarks.task import Item, Judged, Record, Task, pictures_digest, pictures_of, repictured, shows
from chiasm.evaluate.runs.answering import chosen, plain, written
from chiasm.evaluate.runs.films import told
from chiasm.evaluate.runs.setting import Setting, Variant, wording
from chiasm.evaluate.runs.store import Ablation, Sample, Store
from chiasm.prompt.messages import Image, Text
from chiasm.remote.assistant import RemoteAssistant

GREY = np.full((224, 224, 3), 127, np.uint8)
"""The blank picture."""
CHOSEN = "the likeliest complete answer, its end of turn counted"
"""How an option is chosen by its log-probability."""
_UNJUDGED = Judged(None, 0.0)


def manifest(
    assistant: Assistant,
    task: Task,
    variants: Sequence[Variant],
    bad: Sequence[Bad],
    setting: Setting,
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """All that is needed to repeat a number; `facts` come from whoever opened the model (weights, versions)."""
    asked = [[variant.name, [[item.id, said(item)] for item in variant.items]] for variant in variants]
    golds = [[item.id, item.gold, dict(item.groups)] for item in variants[0].items]
    return {
        "model": assistant.name,
        "task": task.name,
        "prompts": [variant.name for variant in variants],
        "prompt hash": digest(asked),
        "data hash": digest([golds, [pictures_digest(item) for item in variants[0].items]]),
        "samples": len(variants[0].items),
        "unusable rows": [[one.where, one.why] for one in bad],
        "scorer": setting.reference or next(iter(task.judges)),
        "decoding": {"temperature": setting.temperature, "seeds": list(setting.seeds), "max_tokens": task.max_tokens},
        "batch": setting.batch,
        "ablations": list(setting.ablations),
        **({"options": CHOSEN} if chooses(assistant, task, variants) else {}),
        **told(assistant, setting.frames, variants[0].items),
        **({"contrast": asdict(setting.contrast)} if setting.contrast else {}),
        **_sent(assistant, setting),
        **facts,
    }


def _sent(assistant: Assistant, setting: Setting) -> dict[str, Any]:
    """How a service is sent what decides its answers, and whether it is known to honour that."""
    match assistant:
        case RemoteAssistant(fields=fields):
            return {"sent": fields.sent(setting.sampling(setting.seeds[0]))}
        case _:
            return {}


def run(
    assistant: Assistant, task: Task, variants: Sequence[Variant], store: Store, about: Mapping[str, Any], setting: Setting
) -> None:
    """Asks whatever is not answered yet. A run that was stopped at any point goes on from its last whole line."""
    done = store.begin(about)
    batches = [[one for one in batch if one[0].key not in done] for batch in batched(variants, setting)]
    total = sum(map(len, batches)) + len(done)
    by_choice = chooses(assistant, task, variants)
    with tqdm(total=total, initial=len(done), desc=f"{assistant.name} {task.name}", unit="answer", disable=None) as bar:
        for batch in filter(None, batches):
            begun = time.perf_counter()
            finished = chosen(assistant, task, batch, setting) if by_choice else written(assistant, task, batch, setting)
            store.add(finished, time.perf_counter() - begun)
            bar.update(len(finished))
    store.tell_served()


def chooses(assistant: Assistant, task: Task, variants: Sequence[Variant]) -> bool:
    """Whether options are chosen by log-probability: where the task wants it, a question has any, and the model can score."""
    wanted = task.answers == "chosen" and any(item.gold.get("choices") for variant in variants for item in variant.items)
    return wanted and "score" in assistant.capabilities


def batched(variants: Sequence[Variant], setting: Setting) -> Iterator[list[tuple[Sample, Item]]]:
    """Questions that are asked together: of one way and one seed. They are the same wherever a run was stopped, so that
    numbers, which depend on what stands beside them in the last bits, are the same too."""
    for _, alike in groupby(asked(variants, setting), key=lambda one: (one[0].ablation, one[0].variant, one[0].seed)):
        while batch := list(islice(alike, setting.batch)):
            yield batch


def asked(variants: Sequence[Variant], setting: Setting) -> Iterator[tuple[Sample, Item]]:
    """Every question in every way, in an order that never changes."""
    for ablation in setting.ablations:
        for variant in variants:
            for seed in setting.seeds:
                for number, item in enumerate(variant.items):
                    shown = ablated(item, ablation, variant.items, number)
                    if shown is not None:
                        yield sampled(item, shown, ablation, variant, seed), shown


def sampled(item: Item, shown: Item, ablation: Ablation, variant: Variant, seed: int) -> Sample:
    """A question that has no answer yet."""
    choices = tuple(str(choice) for choice in item.gold.get("choices") or ())
    files = [Path(picture) for picture in pictures_of(shown) if isinstance(picture, str | Path)]
    names = tuple(str(_named(file, variant.folder)) for file in files)
    shots, gold, slices = tuple(shot.id for shot in item.shots), dict(item.gold), dict(item.groups)
    return Sample(item.id, ablation, variant.name, seed, said(item), gold, slices, choices, names, shots)


def _named(file: Path, folder: Path | None) -> Path:
    """A file from the folder of its data, so that a run reads alike wherever that lies."""
    return file.relative_to(folder) if folder is not None and file.is_relative_to(folder) else file.resolve()


def ablated(item: Item, ablation: Ablation, items: Sequence[Item], number: int) -> Item | None:
    """The same question with other pictures; none where it has no picture to take away."""
    if ablation == "picture":
        return item
    if not shows(item):
        return None
    match ablation:
        case "blank":
            return repictured(item, lambda _: Image(GREY))
        case "none":
            return repictured(item, lambda _: None)
        case "another":
            others = [other for other in (*items[number + 1 :], *items[:number]) if shows(other)]
            if not others:
                return None
            instead = next(part for part in others[len(others) // 2].parts if not isinstance(part, Text))
            return repictured(item, lambda _: instead)


def records(samples: Sequence[Sample], ablation: Ablation = "picture") -> list[Record]:
    """Samples as a task sums them up; one that failed counts as an empty answer that was wrong."""
    shown = [sample for sample in samples if sample.ablation == ablation]
    return [Record(s.id, s.gold, s.slices, s.answer or "", Judged(s.parsed, s.score or 0.0)) for s in shown]


def rescored(task: Task, samples: Sequence[Sample], reference: str | None) -> list[Sample]:
    """The same answers judged anew. Raises `UserError` for a record whose truth has another form than the task's."""
    again = []
    for sample in samples:
        if sample.answer is None:
            again.append(sample)
            continue
        record = Record(sample.id, sample.gold, sample.slices, sample.answer, _UNJUDGED)
        try:
            judged = task.judge(record, sample.answer, reference)
        except (KeyError, TypeError, IndexError, AttributeError) as e:
            form = " ".join(str(sample.gold).split())[:80]
            wrote = f"an answer of {task.name} with the truth {form}, which its rules cannot read"
            raise UserError(f"the record {sample.id!r} holds {wrote} ({e!r}): ask the run anew") from e
        again.append(replace(sample, parsed=plain(judged.parsed), score=judged.score))
    return again


def said(item: Item) -> str:
    """The words of a question, a mark where a picture stands."""
    return wording(item.parts)


def digest(value: Any) -> str:
    """SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
