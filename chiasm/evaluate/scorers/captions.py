"""COCO captions: BLEU, ROUGE-L and CIDEr of tokenised text, as pycocoevalcap 1.2 computes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chiasm.evaluate.scorers.grams import GRAMS, Array, Corpus, Runs


@dataclass(frozen=True)
class Scored:
    """Of the whole corpus, and of each caption in order."""

    corpus: float
    each: tuple[float, ...]


_TINY, _SMALL = 1e-15, 1e-9


@dataclass(frozen=True)
class _Matches:
    length: int
    reference: int
    guessed: tuple[int, ...]
    correct: tuple[int, ...]


def bleu(corpus: Corpus) -> tuple[Scored, ...]:
    """BLEU-1 to BLEU-4 with the reference nearest in length; counts are summed over the corpus before they are divided."""
    lengths, matches = corpus.length_T.tolist(), []
    correct_CN = np.stack([_correct(corpus, runs) for runs in corpus.runs], 1).tolist()
    for at, several, correct in zip(corpus.said_C.tolist(), corpus.true, correct_CN, strict=True):
        length, *others = lengths[at : at + 1 + len(several)]
        nearest = min((abs(other - length), other) for other in others)[1]
        matches.append(_Matches(length, nearest, tuple(max(0, length - n) for n in range(GRAMS)), tuple(correct)))
    whole = _Matches(
        sum(one.length for one in matches),
        sum(one.reference for one in matches),
        tuple(map(sum, zip(*(one.guessed for one in matches), strict=True))),
        tuple(map(sum, zip(*(one.correct for one in matches), strict=True))),
    )
    total, each = _bleu(whole), [_bleu(one) for one in matches]
    return tuple(Scored(total[n], tuple(one[n] for one in each)) for n in range(GRAMS))


def _correct(corpus: Corpus, runs: Runs) -> Array:
    """Of each caption, runs that some reference has too, each as often as the reference that has it most often."""
    most_E = np.zeros_like(runs.times_E)
    np.maximum.at(most_E, runs.said_M, runs.times_E[runs.true_M])
    clipped_E = np.minimum(most_E, runs.times_E)
    return np.bincount(corpus.caption_T[runs.text_E], clipped_E, len(corpus.said)).astype(int)


def _bleu(counts: _Matches) -> list[float]:
    ratio = (counts.length + _TINY) / (counts.reference + _SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    product, scores = 1.0, []
    for n in range(GRAMS):
        product *= (counts.correct[n] + _TINY) / (counts.guessed[n] + _SMALL)
        scores.append(product ** (1 / (n + 1)) * brevity)
    return scores


_BETA = 1.2


def rouge_l(corpus: Corpus) -> Scored:
    """The longest common subsequence of words: best precision and best recall, each over all references, in one F. Texts are
    split at single spaces, so an empty one has one empty word."""
    each = tuple(_rouge(said, true) for said, true in zip(corpus.said, corpus.true, strict=True))
    return Scored(sum(each) / len(each), each)


def _rouge(candidate: str, references: Sequence[str]) -> float:
    words, several = candidate.split(" "), [reference.split(" ") for reference in references]
    places: dict[str, int] = {}
    for place, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << place
    common = [_common(places, len(words), one) for one in several]
    precision = max(common) / len(words)
    recall = max(length / len(one) for length, one in zip(common, several, strict=True))
    if not precision or not recall:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def _common(places: Mapping[str, int], length: int, other: Sequence[str]) -> int:
    """Of the longest common subsequence with a text of that length whose words stand at these places, as the bits of a number;
    a row of the table is a number too (Hyyrö 2004)."""
    full = row = (1 << length) - 1
    for word in other:
        if word in places:
            here = row & places[word]
            row = ((row + here) | (row - here)) & full
    return length - row.bit_count()


_SIGMA = 6.0


def cider(corpus: Corpus) -> Scored:
    """CIDEr-D: n-grams weighted by how few of these images' references hold them, clipped, with a penalty for length, times 10.
    Its length is how many bigrams a text has.

    It depends on the whole set: of a single image it is 0.
    """
    bigrams_T = np.maximum(corpus.length_T - 1, 0)
    apart_T = bigrams_T - bigrams_T[corpus.said_C][corpus.caption_T]
    penalty_T = _each(apart_T**2, lambda square: math.exp(-square / (2 * _SIGMA**2)))
    likeness_TN = np.stack([_likeness(corpus, runs) * penalty_T for runs in corpus.runs], 1)
    totals = np.bincount(np.repeat(corpus.caption_T, GRAMS), likeness_TN.ravel(), len(corpus.said)).tolist()
    each = tuple(10 * total / GRAMS / len(several) for total, several in zip(totals, corpus.true, strict=True))
    return Scored(sum(each) / len(each), each)


def _likeness(corpus: Corpus, runs: Runs) -> Array:
    """Of each reference to its caption: the cosine of their weights, clipped; 0 of the captions themselves."""
    images = math.log(len(corpus.said))
    weight_E = runs.times_E * _each(runs.spread_E, lambda times: images - math.log(max(1, times)))
    squares_P = np.zeros(len(corpus.text_P))
    squares_P[runs.first_E] = weight_E**2
    norm_T = np.sqrt(np.bincount(corpus.text_P, squares_P, len(corpus.caption_T)))
    norms_T = norm_T * norm_T[corpus.said_C][corpus.caption_T]
    order_M = np.argsort(runs.first_E[runs.said_M])
    said_M, true_M = runs.said_M[order_M], runs.true_M[order_M]
    shared_M = np.minimum(weight_E[said_M], weight_E[true_M]) * weight_E[true_M]
    shared_T = np.bincount(runs.text_E[true_M], shared_M, len(corpus.caption_T))
    return np.divide(shared_T, norms_T, out=np.zeros_like(norms_T), where=norms_T > 0)


def _each(values: Array, of: Callable[[int], float]) -> Array:
    """A function of whole numbers, called once for each that occurs."""
    kinds, which = np.unique(values, return_inverse=True)
    return np.array([of(int(kind)) for kind in kinds])[which]
