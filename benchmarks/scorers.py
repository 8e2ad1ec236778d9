"""Processor seconds that the scorers take for 100,000 answers each, on one thread.

    python benchmarks/scorers.py [--answers N] [--only NAME]

Answers are drawn from a seed: short ones, sentences, letters in every form, numbers, boxes. METEOR and exact PTB tokens are
Java programs and are not measured here.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from chiasm.evaluate.scorers import (
    anls,
    boxes,
    captions,
    chair,
    chartqa,
    detection,
    letters,
    mathvista,
    mcq,
    mmbench,
    mmmu,
    ocrbench,
    pope,
    ptb,
    retrieval,
    tables,
    tablevqa,
    teds,
    transcription,
    video,
    vqa,
    zeroshot,
)
from chiasm.evaluate.scorers.grams import Corpus

WORDS = tables.words(
    "a man woman dog cat bus kitten rides sits on under the red two wooden bench near river street with frisbee"
)
FORMS = ("{x}", "{x}.", "({x})", "Answer: {x}", "The answer is {x}.", "{x} because of what one sees", "I think that {w} is it")
OPTIONS = {"A": "teddy bear", "B": "rabbit", "C": "cat", "D": "dog"}
PEOPLE, REFERENCES, FOUND = 10, 5, 20


def _sentence(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(6, 14))) + "."


def _phrase(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(3, 6)))


def _choice(draw: random.Random) -> str:
    return draw.choice(FORMS).format(x=draw.choice("ABCD"), w=draw.choice(list(OPTIONS.values())))


def _short(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(1, 3)))


def _number(draw: random.Random) -> str:
    return f"{draw.uniform(0, 2000):.2f}{draw.choice(('', '%', ' km'))}"


def _box(draw: random.Random) -> str:
    return f"It is at [{', '.join(f'{draw.random():.3f}' for _ in range(4))}]"


Scorer = Callable[[Sequence[str], random.Random], object]


def _vqa(said: Sequence[str], draw: random.Random, reference: vqa.Reference = "GT-Vision-Lab/VQA") -> object:
    people = [[_short(draw) for _ in range(3)] for _ in range(1000)]
    several = [draw.choices(draw.choice(people), k=PEOPLE) for _ in said]
    return [vqa.accuracy(one, answers, reference) for one, answers in zip(said, several, strict=True)]


def _captions(said: Sequence[str], draw: random.Random) -> object:
    pool = [_sentence(draw) for _ in range(REFERENCES * min(len(said), 10_000))]
    flat = ptb.tokenize([*said, *pool], exact=False)
    candidates, pool = flat[: len(said)], flat[len(said) :]
    references = [draw.choices(pool, k=REFERENCES) for _ in said]
    corpus = Corpus(candidates, references)
    return captions.bleu(corpus), captions.rouge_l(corpus), captions.cider(corpus)


def _trec(said: Sequence[str], draw: random.Random) -> object:
    queries = range(len(said) // FOUND)
    results = {str(q): {f"d{draw.randrange(10**6)}": draw.random() for _ in range(FOUND)} for q in queries}
    return retrieval.beir({str(q): {min(results[str(q)]): 1} for q in queries}, results, [1, 5, 10])


def _tables(said: Sequence[str], draw: random.Random) -> object:
    """Tables of five rows and four columns, a cell of each misread."""
    rows = [said[n : n + 20] for n in range(0, len(said), 20) if len(said[n : n + 20]) == 20]
    return [teds.teds(_table([*cells[:-1], "?"]), _table(cells)) for cells in rows]


def _table(cells: Sequence[str]) -> str:
    rows = ("".join(f"<td>{cell}</td>" for cell in cells[n : n + 4]) for n in range(0, 20, 4))
    return f"<html><body><table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table></body></html>"


def _detection(said: Sequence[str], draw: random.Random) -> object:
    """Ten found boxes an image, as many that are true."""
    images = range(max(1, len(said) // 10))

    def boxes_of(score: bool) -> list[dict[str, Any]]:
        made = []
        for n in range(10 * len(images)):
            wide, high = draw.uniform(5, 200), draw.uniform(5, 200)
            box = [draw.uniform(0, 400), draw.uniform(0, 400), wide, high]
            rest = {"score": draw.random()} if score else {"id": n + 1, "area": wide * high, "iscrowd": 0}
            made.append({"image_id": n // 10, "category_id": 1 + n % 80, "bbox": box, **rest})
        return made

    truth: dict[str, list[dict[str, Any]]] = {
        "images": [{"id": n, "width": 640, "height": 640} for n in images],
        "categories": [{"id": n + 1} for n in range(80)],
        "annotations": boxes_of(False),
    }
    return detection.coco_map(truth, boxes_of(True))


def _circular(said: Sequence[str], draw: random.Random) -> object:
    turns = (mmbench.Turn(n // 4 + n % 4 * mmbench.TURN, OPTIONS, "B", one) for n, one in enumerate(said))
    return mmbench.circular(list(turns))


def _zeroshot(said: Sequence[str], draw: random.Random) -> object:
    generator = np.random.default_rng(0)
    return zeroshot.top_k(generator.normal(size=(len(said), 100)), generator.integers(0, 100, len(said)), 5)


CASES: dict[str, tuple[Callable[[random.Random], str], Scorer]] = {
    "VQAv2, ten people": (_short, _vqa),
    "TextVQA, ten people": (_short, partial(_vqa, reference="mmf TextVQA")),
    "ANLS, three answers": (
        _phrase,
        lambda said, draw: [anls.anls(one, [said[0], said[1], one[:-3]]) for one in said],
    ),
    "ChartQA": (_number, lambda said, draw: [chartqa.relaxed(one, "1000") for one in said]),
    "ChartQAPro": (_number, lambda said, draw: [chartqa.pro(one, "[1000, cat]", ["NO"]) for one in said]),
    "POPE": (_sentence, lambda said, draw: pope.summary(said, ["yes", "no"] * (len(said) // 2))),
    "MMMU, letters": (_choice, lambda said, draw: [mmmu.parse_choice(one, OPTIONS) for one in said]),
    "MMMU, open": (_sentence, lambda said, draw: [mmmu.right_open(mmmu.parse_open(one), "1,000") for one in said]),
    "MMBench, can_infer": (_choice, lambda said, draw: [mcq.infer(one, OPTIONS) for one in said]),
    "MMBench, circular": (_choice, _circular),
    "extract_mcq_answer": (_choice, lambda said, draw: [mcq.extract(one) for one in said]),
    "MMStar": (_choice, lambda said, draw: [letters.mmstar(one, "B") for one in said]),
    "ScienceQA": (_choice, lambda said, draw: [letters.scienceqa_right(one, 1, 4) for one in said]),
    "AI2D": (_choice, lambda said, draw: [letters.ai2d_right(one, "B") for one in said]),
    "MathVista": (
        _number,
        lambda said, draw: [mathvista.normalize(one, list(OPTIONS.values()), "multi_choice", "text", None) for one in said],
    ),
    "TableVQA, denotation": (_number, lambda said, draw: [tablevqa.denotation(one, "1,000|cat") for one in said]),
    "TableVQA, amounts": (_number, lambda said, draw: [tablevqa.amount(one, "$1,000 million") for one in said]),
    "TEDS, cells of tables of 20": (_number, _tables),
    "OCRBench": (_sentence, lambda said, draw: [ocrbench.right(one, ["frisbee", "red dog"], "IIIT5K") for one in said]),
    "Video-MME": (_choice, lambda said, draw: [video.videomme(one) for one in said]),
    "LongVideoBench": (_choice, lambda said, draw: [video.longvideobench(one) for one in said]),
    "MVBench": (_choice, lambda said, draw: [video.mvbench(one, "(B) rabbit") for one in said]),
    "RefCOCO": (_box, lambda said, draw: [boxes.iou((0, 0, 1, 1), boxes.parse_rec(one) or boxes.EMPTY) for one in said]),
    "RefCOCO, grounding": (_box, lambda said, draw: [boxes.parse_grounding(one) for one in said]),
    "RefCOCO, Qwen-VL": (_box, lambda said, draw: [boxes.iou_qwen(one, (0, 0, 9, 9), 640, 480) for one in said]),
    "COCO's mean average precision, boxes": (_short, _detection),
    "BLEU, ROUGE-L, CIDEr, five references": (_sentence, _captions),
    "CHAIR": (_sentence, lambda said, draw: [chair.check(one, ["dog"], []) for one in said]),
    "retrieval, 20 documents a query": (_short, _trec),
    "zero-shot, 100 classes": (_short, _zeroshot),
    "WER and CER": (_sentence, lambda said, draw: transcription.errors(list(said), [one[:-4] for one in said])),
}


def main() -> None:
    """One line a scorer."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--answers", type=int, default=100_000, help="how many answers each (default 100000)")
    parser.add_argument("--only", default="", help="scorers whose name holds this")
    options = parser.parse_args()
    print(f"{options.answers} answers, load average {os.getloadavg()[0]:.1f}")
    for name, (write, score) in CASES.items():
        if options.only.lower() in name.lower():
            draw = random.Random(0)
            said = [write(draw) for _ in range(options.answers)]
            start = time.process_time()
            score(said, draw)
            spent = time.process_time() - start
            whole = "" if options.answers == 100_000 else f" {100_000 * spent / options.answers:7.1f} s for 100,000"
            print(f"{name:40} {spent:7.2f} s{whole}", flush=True)


if __name__ == "__main__":
    main()
