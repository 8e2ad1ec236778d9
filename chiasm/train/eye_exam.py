"""Held-out marks of an eye with its heads: unseen fonts, unseen emoji style, unseen pictures."""

from __future__ import annotations

import random
from collections import defaultdict

import torch
from torch import Tensor

from chiasm.render import Sample, assets, sample
from chiasm.train.eye_heads import END, START, TEXT_OF, Heads, scaled
from chiasm.train.eye_lessons import lesson_of, to_lesson
from chiasm.vision.conv import ConvTransformer

_CHARS = {k: c for c, k in TEXT_OF.items()}
_ASKED = ("number", "word", "one shape", "mixed shapes", "many shapes", "bars", "curve", "table", "receipt")
_LONGEST = 20


def say(heads: Heads, tokens_BVE: Tensor, keys: list[str]) -> list[str]:
    """The reader's greedy answers to keys of one question a picture; keys of unequal length are padded by rows."""
    rows = [[*(TEXT_OF[c] for c in key), START] for key in keys]
    said: list[list[int]] = [[] for _ in rows]
    open_rows = set(range(len(rows)))
    for _ in range(_LONGEST):
        longest = max(len(r) for r in rows)
        text = torch.tensor([r + [END] * (longest - len(r)) for r in rows], device=tokens_BVE.device)
        logits = heads.reader(tokens_BVE, text)
        for b in list(open_rows):
            best = int(logits[b, len(rows[b]) - 1].argmax())
            if best == END or longest > 70:
                open_rows.discard(b)
                continue
            said[b].append(best)
            rows[b].append(best)
        if not open_rows:
            break
    return ["".join(_CHARS[k] for k in s) for s in said]


@torch.no_grad()
def examine(eye: ConvTransformer, heads: Heads, pictures: int, size: int = 224, seed: int = 99) -> dict[str, float]:
    """Share of right answers by task over `pictures` held-out pictures of every kind, at full size.

    "letters" is the share of printed letters that the dense head names at their centre; "emoji" and "emoji of 20" are
    the concept head's, over all concepts and over 20 candidates.
    """
    marks: dict[str, list[bool]] = defaultdict(list)
    material = assets("held-out")
    concepts = {name: k for k, name in enumerate(material.concepts)}
    for kind in (*_ASKED, "page", *(["named"] if material.styles else [])):
        for start in range(0, pictures, 32):
            count = min(32, pictures - start)
            made = [sample(start + k, seed, "held-out", kind, size, material) for k in range(count)]
            lesson = to_lesson(lesson_of(made, random.Random(seed), concepts), heads.concepts.device)
            tokens = eye.read(eye.local(scaled(lesson.pixels_BHWC)))
            if kind in ("page", "number"):
                wanted = lesson.letters_BYX
                right = heads.letter_logits(tokens).argmax(-1) == wanted
                marks[f"letter cells ({kind})"] += right[wanted > 0].tolist()
            if kind == "mixed shapes":
                spots = lesson.colours_BYX >= 0
                right = heads.colour_logits(tokens).argmax(-1) == lesson.colours_BYX
                marks["colour (dense)"] += right[spots].tolist()
                marks["shape (dense)"] += (heads.thing_logits(tokens).argmax(-1) == lesson.things_BYX)[spots].tolist()
            if kind == "named":
                _name(heads, tokens, made, lesson.emoji_N3, lesson.emoji_boxes_N4, concepts, marks)
            for which in range(max((len(m.questions) for m in made), default=0) if kind in _ASKED else 0):
                _ask(heads, tokens, made, which, marks)
    return {name: round(sum(m) / len(m), 4) for name, m in sorted(marks.items())}


def _ask(heads: Heads, tokens: Tensor, made: list[Sample], which: int, marks: dict[str, list[bool]]) -> None:
    rows = [b for b, m in enumerate(made) if which < len(m.questions)]
    questions = [made[b].questions[which] for b in rows]
    answers = say(heads, tokens[rows], [q.key for q in questions])
    for b, question, answer in zip(rows, questions, answers, strict=True):
        task = question.task
        if task == "number":
            tall = made[b].truth.letters[0].box
            small = (tall[3] - tall[1]) / 0.72 < 20
            task = f"number {'1-3' if len(question.answer) <= 3 else '4-6'} digits{' under 20 px' if small else ''}"
        if task == "count":
            task = "count to 5" if int(question.answer) <= 5 else "count 6-9"
        marks[task].append(answer == question.answer)


def _name(
    heads: Heads,
    tokens: Tensor,
    made: list[Sample],
    emoji_N3: Tensor,
    boxes_N4: Tensor,
    concepts: dict[str, int],
    marks: dict[str, list[bool]],
) -> None:
    logits = heads.concept_logits(tokens, emoji_N3, boxes_N4)
    for b, m in enumerate(made):
        right = int(emoji_N3[b, 1])
        among = [concepts[c] for c in m.questions[0].candidates or ()]
        marks["emoji"].append(int(logits[b].argmax()) == right)
        marks["emoji of 20"].append(max(among, key=lambda c: float(logits[b, c])) == right)
