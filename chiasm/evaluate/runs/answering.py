"""A batch of questions put to a model, and its answers judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chiasm.assistant import Assistant, Done, Request
from chiasm.errors import UserError
from chiasm.evaluate.benchmarks.task import Item, Task
from chiasm.evaluate.runs.films import frames
from chiasm.evaluate.runs.setting import Setting, wording
from chiasm.evaluate.runs.store import Sample
from chiasm.prompt.messages import Image, Text


def written(assistant: Assistant, task: Task, batch: Sequence[tuple[Sample, Item]], setting: Setting) -> list[Sample]:
    """Answers in the model's own words. What cannot be asked fails alone, with its reason; where the model itself fails, the
    run stops with what it has."""
    sampling, shown = setting.sampling(batch[0][0].seed), frames(assistant, setting.frames)
    try:
        requests = [replace(task.request(item, shown), sampling=sampling) for _, item in batch]
        answers = {event.request: event.answer for event in assistant.generate(requests) if isinstance(event, Done)}
    except UserError as e:
        if len(batch) == 1:
            return [replace(batch[0][0], error=" ".join(str(e).split()))]
        return [sample for one in batch for sample in written(assistant, task, [one], setting)]
    finished = []
    for number, (sample, item) in enumerate(batch):
        answer = answers[number]
        judged = task.judge(item, answer.text, setting.reference)
        used = answer.usage
        tokens = {"image": used.image_tokens, "text": used.text_tokens, "generated": used.generated_tokens}
        told = replace(
            sample, answer=answer.text, tokens=tokens, finish_reason=answer.finish_reason, served=dict(answer.served)
        )
        finished.append(replace(told, parsed=plain(judged.parsed), score=judged.score))
    return finished


def chosen(assistant: Assistant, task: Task, batch: Sequence[tuple[Sample, Item]], setting: Setting) -> list[Sample]:
    """Options by log-probability where questions have them, answers in words where they have none."""
    worded, weighed = ([one for one in batch if bool(one[0].choices) is options] for options in (False, True))
    said = iter(written(assistant, task, worded, setting) if worded else ())
    preferred = iter(_weighed(assistant, task, weighed, setting) if weighed else ())
    return [next(preferred if sample.choices else said) for sample, _ in batch]


def _weighed(assistant: Assistant, task: Task, batch: Sequence[tuple[Sample, Item]], setting: Setting) -> list[Sample]:
    requests = [task.request(_plainly(item)) for _, item in batch]
    try:
        found = assistant.score_each(requests, [sample.choices for sample, _ in batch], "complete")
        spent = _spent(assistant, requests)
    except UserError as e:
        if len(batch) == 1:
            return [replace(batch[0][0], error=" ".join(str(e).split()))]
        return [sample for one in batch for sample in _weighed(assistant, task, [one], setting)]
    finished = []
    for (sample, item), scores, tokens in zip(batch, found, spent, strict=True):
        best = max(scores, key=lambda score: score.logprob).option
        judged = task.judge(item, best, setting.reference)
        asked = wording(_plainly(item).parts)
        told = replace(sample, prompt=asked, answer=best, tokens=tokens, finish_reason="chosen")
        finished.append(replace(told, parsed=plain(judged.parsed), score=judged.score))
    return finished


def _plainly(item: Item) -> Item:
    """A question without its options: they are weighed, not shown."""
    pictures = [part for part in item.parts if isinstance(part, Image)]
    return replace(item, parts=(*pictures, Text(str(item.gold["question"]))))


def _spent(assistant: Assistant, requests: Sequence[Request]) -> list[Mapping[str, int]]:
    """What reading each question took; nothing is said where a model does not plan."""
    if "plan" not in assistant.capabilities:
        return [{} for _ in requests]
    plan = assistant.plan(requests)
    return [dict(zip(("image", "text"), plan.spent(row), strict=True)) for row in range(len(requests))]


def plain(parsed: Any) -> Any:
    """What was read, as JSON has it."""
    try:
        return json.loads(json.dumps(parsed))
    except TypeError:
        return str(parsed)
