"""Processor seconds that the scorers take for 100,000 answers each, on one thread, as a table in Markdown.

    python benchmarks/scorers.py [--answers N] [--only NAME] [--without-peers] [--java]

Answers are drawn from a seed: short ones, sentences whose words are as uneven as a language's, letters in every form, numbers,
boxes. What is drawn is not measured. Where the code that others use is installed, it scores a tenth of the same answers and its
time is taken times ten. `--java` measures METEOR and CoreNLP's tokens instead, whose seconds are those of all threads of Java.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import answers

from chiasm.evaluate.benchmarks import registry
from chiasm.evaluate.scorers import (
    anls,
    boxes,
    captions,
    chair,
    chartqa,
    detection,
    jars,
    letters,
    mathvista,
    mcq,
    mmbench,
    mmmu,
    ocrbench,
    pope,
    ptb,
    retrieval,
    tablevqa,
    teds,
    transcription,
    video,
    vqa,
    zeroshot,
)
from chiasm.evaluate.scorers.grams import Corpus

WHOLE, PART = 100_000, 10

Write = Callable[[random.Random], str]
Made = Any
"""Answers with all that a scorer needs beside them."""


@dataclass(frozen=True)
class Peer:
    """The code that others use."""

    name: str
    package: str
    score: Callable[[Made], object]


@dataclass(frozen=True)
class Case:
    """What draws an answer, what makes a run of answers ready, and what is measured."""

    write: Write
    score: Callable[[Made], object]
    make: Callable[[Sequence[str], random.Random], Made] = lambda said, draw: said
    peer: Peer | None = None


def each(write: Write, score: Callable[[str], object]) -> Case:
    """Answers that are scored one by one."""
    return Case(write, lambda said: [score(one) for one in said])


# What others use.


def _lists(corpus: Corpus) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    return dict(enumerate(map(list, corpus.true))), {n: [one] for n, one in enumerate(corpus.said)}


def _their_bleu(corpus: Corpus) -> object:
    from pycocoevalcap.bleu.bleu import Bleu

    return Bleu(4).compute_score(*_lists(corpus), verbose=0)


def _their_rouge(corpus: Corpus) -> object:
    from pycocoevalcap.rouge.rouge import Rouge

    return Rouge().compute_score(*_lists(corpus))


def _their_cider(corpus: Corpus) -> object:
    from pycocoevalcap.cider.cider import Cider

    return Cider().compute_score(*_lists(corpus))


def _their_map(made: tuple[dict[str, Any], list[dict[str, Any]]]) -> object:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = made
    with contextlib.redirect_stdout(io.StringIO()):
        gold = COCO()
        gold.dataset = truth
        gold.createIndex()
        evaluation = COCOeval(gold, gold.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def _coco(corpus: Corpus) -> object:
    """Runs of words are counted once for both scores that need them."""
    return captions.bleu(corpus), captions.rouge_l(corpus), captions.cider(corpus)


def _their_coco(corpus: Corpus) -> object:
    return _their_bleu(corpus), _their_rouge(corpus), _their_cider(corpus)


def _coco_captions(score: Callable[[Corpus], object]) -> Peer:
    return Peer("pycocoevalcap", "pycocoevalcap", score)


CASES: dict[str, Case] = {
    "VQAv2, ten people": Case(answers.short, lambda made: [vqa.accuracy(*one) for one in made], answers.people),
    "TextVQA, ten people": Case(
        answers.short, lambda made: [vqa.accuracy(*one, "mmf TextVQA") for one in made], answers.people
    ),
    "ANLS, three answers": Case(
        answers.phrase,
        lambda made: [anls.anls(*one) for one in made],
        lambda said, draw: [(one, [answers.phrase(draw), answers.phrase(draw), one[:-3]]) for one in said],
    ),
    "ChartQA": each(answers.number, lambda one: chartqa.relaxed(one, "1000")),
    "ChartQAPro": each(answers.number, lambda one: chartqa.pro(one, "[1000, cat]", ["NO"])),
    "POPE": Case(answers.sentence, lambda said: pope.summary(said, ["yes", "no"] * (len(said) // 2))),
    "POPE, figures with intervals": Case(answers.short, registry.find("pope").sums, answers.yes_or_no),
    "MMMU, letters": each(answers.choice, lambda one: mmmu.parse_choice(one, answers.OPTIONS)),
    "MMMU, open": each(answers.sentence, lambda one: mmmu.right_open(mmmu.parse_open(one), "1,000")),
    "MMBench, can_infer": each(answers.choice, lambda one: mcq.infer(one, answers.OPTIONS)),
    "MMBench, circular": Case(answers.choice, mmbench.circular, answers.turns),
    "extract_mcq_answer": each(answers.choice, mcq.extract),
    "MMStar": each(answers.choice, lambda one: letters.mmstar(one, "B")),
    "ScienceQA": each(answers.choice, lambda one: letters.scienceqa_right(one, 1, 4)),
    "AI2D": each(answers.choice, lambda one: letters.ai2d_right(one, "B")),
    "MathVista": each(
        answers.number, lambda one: mathvista.normalize(one, list(answers.OPTIONS.values()), "multi_choice", "text", None)
    ),
    "TableVQA, denotation": each(answers.number, lambda one: tablevqa.denotation(one, "1,000|cat")),
    "TableVQA, amounts": each(answers.number, lambda one: tablevqa.amount(one, "$1,000 million")),
    "OCRBench": each(answers.sentence, lambda one: ocrbench.right(one, ["frisbee", "red dog"], "IIIT5K")),
    "Video-MME": each(answers.choice, video.videomme),
    "LongVideoBench": each(answers.choice, video.longvideobench),
    "MVBench": each(answers.choice, lambda one: video.mvbench(one, "(B) rabbit")),
    "RefCOCO": each(answers.box, lambda one: boxes.iou((0, 0, 1, 1), boxes.parse_rec(one) or boxes.EMPTY)),
    "RefCOCO, grounding": each(answers.box, boxes.parse_grounding),
    "RefCOCO, Qwen-VL": each(answers.box, lambda one: boxes.iou_qwen(one, (0, 0, 9, 9), 640, 480)),
    "COCO's mean average precision, boxes": Case(
        answers.short, lambda made: detection.coco_map(*made), answers.images, Peer("pycocotools", "pycocotools", _their_map)
    ),
    "PTB tokens by our rules, six texts": Case(answers.sentence, partial(ptb.tokenize, exact=False), answers.texts),
    "BLEU, five references": Case(answers.sentence, captions.bleu, answers.corpus, _coco_captions(_their_bleu)),
    "ROUGE-L, five references": Case(answers.sentence, captions.rouge_l, answers.corpus, _coco_captions(_their_rouge)),
    "CIDEr, five references": Case(answers.sentence, captions.cider, answers.corpus, _coco_captions(_their_cider)),
    "these three of one corpus": Case(answers.sentence, _coco, answers.corpus, _coco_captions(_their_coco)),
    "CHAIR": each(answers.sentence, lambda one: chair.check(one, ["dog"], [])),
    "CHAIR, figures with intervals": Case(answers.short, registry.find("chair").sums, answers.named),
    "TEDS, tables of 20 cells, one misread": Case(
        answers.number, lambda made: [teds.teds(*one) for one in made], answers.misread(lambda cells: [*cells[:-1], "?"])
    ),
    "TEDS, two cells of three misread": Case(
        answers.number, lambda made: [teds.teds(*one) for one in made], answers.misread(answers.every_third)
    ),
    "TEDS, other tables": Case(answers.number, lambda made: [teds.teds(*one) for one in made], answers.misread(answers.other)),
    "retrieval, 20 documents a query": Case(answers.short, lambda made: retrieval.beir(*made, [1, 5, 10]), answers.queries),
    "zero-shot, 100 classes": Case(answers.short, lambda made: zeroshot.top_k(*made, 5), answers.logits),
    "WER and CER": Case(
        answers.sentence, lambda made: transcription.errors(*made), lambda said, draw: (said, [one[:-4] for one in said])
    ),
}
JAVA: dict[str, Case] = {
    "PTB tokens by CoreNLP, six texts": Case(answers.sentence, partial(ptb.tokenize, exact=True), answers.texts),
    "METEOR, five references": Case(answers.sentence, lambda corpus: jars.meteor([corpus]), answers.corpus),
}


def spent() -> float:
    """Seconds of the processor so far, those of programs that were run too."""
    programs = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + programs.ru_utime + programs.ru_stime


def seconds(score: Callable[[Made], object], made: Made) -> float:
    begun = spent()
    score(made)
    return spent() - begun


def made_of(case: Case, answers: int) -> Made:
    draw = random.Random(0)
    return case.make([case.write(draw) for _ in range(answers)], draw)


def main() -> None:
    """One line a scorer."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--answers", type=int, default=WHOLE, help=f"how many answers each (default {WHOLE})")
    parser.add_argument("--only", default="", help="scorers whose name holds this")
    parser.add_argument("--without-peers", action="store_true", help="measure our scorers alone")
    parser.add_argument("--java", action="store_true", help="measure the two Java programs alone")
    options = parser.parse_args()
    print(f"| {options.answers:,} answers each | seconds for {WHOLE:,} | answers a second | others' seconds for {WHOLE:,} |")
    print("|---|---:|---:|---:|")
    for name, case in (JAVA if options.java else CASES).items():
        if options.only.lower() not in name.lower():
            continue
        ours = seconds(case.score, made_of(case, options.answers))
        others = ""
        if case.peer and find_spec(case.peer.package) and not options.without_peers:
            theirs = seconds(case.peer.score, made_of(case, options.answers // PART))
            others = f"{theirs * PART * WHOLE / options.answers:.1f} ({case.peer.name})"
        rate = options.answers / ours
        print(f"| {name} | {ours * WHOLE / options.answers:.2f} | {rate:,.0f} | {others} |", flush=True)


if __name__ == "__main__":
    main()
