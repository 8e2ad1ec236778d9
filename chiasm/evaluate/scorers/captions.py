"""COCO captions: BLEU, ROUGE-L and CIDEr of tokenised text, as pycocoevalcap 1.2 computes them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GRAMS = 4
Gram = tuple[str, ...]


@dataclass(frozen=True)
class Scored:
    """Of the whole corpus, and of each caption in order."""

    corpus: float
    each: tuple[float, ...]


def runs(words: Sequence[str]) -> Iterator[Iterator[Gram]]:
    """Every run of one word, of two, of three and of four."""
    later = [words[start:] for start in range(GRAMS)]
    return (zip(*later[: length + 1], strict=False) for length in range(GRAMS))


def grams(words: Sequence[str]) -> tuple[Counter[Gram], ...]:
    """How often each run of one, two, three and four words occurs."""
    return tuple(map(Counter, runs(words)))


_TINY, _SMALL = 1e-15, 1e-9


@dataclass(frozen=True)
class _Matches:
    length: int
    reference: int
    guessed: tuple[int, ...]
    correct: tuple[int, ...]


def bleu(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[Scored, ...]:
    """BLEU-1 to BLEU-4 with the reference nearest in length; counts are summed over the corpus before they are divided."""
    matches = [_matches(said, true) for said, true in zip(candidates, references, strict=True)]
    whole = _Matches(
        sum(one.length for one in matches),
        sum(one.reference for one in matches),
        tuple(map(sum, zip(*(one.guessed for one in matches), strict=True))),
        tuple(map(sum, zip(*(one.correct for one in matches), strict=True))),
    )
    corpus, each = _bleu(whole), [_bleu(one) for one in matches]
    return tuple(Scored(corpus[n], tuple(one[n] for one in each)) for n in range(GRAMS))


def _matches(candidate: str, references: Sequence[str]) -> _Matches:
    words, several = candidate.split(), [reference.split() for reference in references]
    found = list(map(grams, several))
    correct = [_clipped(said, [one[n] for one in found]) for n, said in enumerate(grams(words))]
    nearest = min((abs(len(one) - len(words)), len(one)) for one in several)[1]
    return _Matches(len(words), nearest, tuple(max(0, len(words) - n) for n in range(GRAMS)), tuple(correct))


def _clipped(said: Counter[Gram], references: Sequence[Counter[Gram]]) -> int:
    """Runs of words that some reference has too, each as often as the reference that has it most often."""
    most: dict[Gram, int] = {}
    for true in references:
        for gram in said.keys() & true.keys():
            most[gram] = max(most.get(gram, 0), true[gram])
    return sum(min(said[gram], times) for gram, times in most.items())


def _bleu(counts: _Matches) -> list[float]:
    ratio = (counts.length + _TINY) / (counts.reference + _SMALL)
    brevity = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    product, scores = 1.0, []
    for n in range(GRAMS):
        product *= (counts.correct[n] + _TINY) / (counts.guessed[n] + _SMALL)
        scores.append(product ** (1 / (n + 1)) * brevity)
    return scores


_BETA = 1.2


def rouge_l(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Scored:
    """The longest common subsequence of words: best precision and best recall, each over all references, in one F. Texts are
    split at single spaces, so an empty one has one empty word."""
    each = tuple(_rouge(said, true) for said, true in zip(candidates, references, strict=True))
    return Scored(sum(each) / len(each), each)


def _rouge(candidate: str, references: Sequence[str]) -> float:
    words, several = candidate.split(" "), [reference.split(" ") for reference in references]
    common = [_common(words, one) for one in several]
    precision = max(common) / len(words)
    recall = max(length / len(one) for length, one in zip(common, several, strict=True))
    if not precision or not recall:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the table as the bits of a number (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        here = row & places.get(word, 0)
        row = ((row + here) | (row - here)) & full
    return len(first) - row.bit_count()


_SIGMA = 6.0
_BIGRAM = 1


@dataclass(frozen=True)
class _Vector:
    """Weights by n-gram for each n, their norms, and how many bigrams there are, which CIDEr takes for the length."""

    weights: tuple[dict[Gram, float], ...]
    norms: tuple[float, ...]
    bigrams: int


def cider(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> Scored:
    """CIDEr-D: n-grams weighted by how few of these images' references hold them, clipped, with a penalty for length, times 10.

    It depends on the whole set: of a single image it is 0.
    """
    frequency: Counter[Gram] = Counter()
    for several in references:
        frequency.update(set[Gram]().union(*(of_n for reference in several for of_n in runs(reference.split()))))
    images = math.log(len(references))
    rarity = {gram: images - math.log(times) for gram, times in frequency.items()}

    def vector(text: str) -> _Vector:
        return _vector(grams(text.split()), rarity, images)

    each = tuple(_cider(vector(said), [vector(one) for one in true]) for said, true in zip(candidates, references, strict=True))
    return Scored(sum(each) / len(each), each)


def _vector(counts: Sequence[Counter[Gram]], rarity: dict[Gram, float], unseen: float) -> _Vector:
    weights = tuple({gram: count * rarity.get(gram, unseen) for gram, count in of_n.items()} for of_n in counts)
    norms = tuple(math.sqrt(sum([weight * weight for weight in of_n.values()])) for of_n in weights)
    return _Vector(weights, norms, sum(counts[_BIGRAM].values()))


def _cider(said: _Vector, references: Sequence[_Vector]) -> float:
    total = sum(_likeness(said, true, n) for true in references for n in range(GRAMS))
    return 10 * total / GRAMS / len(references)


def _likeness(said: _Vector, true: _Vector, n: int) -> float:
    norms = said.norms[n] * true.norms[n]
    if not norms:
        return 0.0
    wanted = true.weights[n]
    weights = said.weights[n]
    shared = sum([min(weights[gram], wanted[gram]) * wanted[gram] for gram in weights if gram in wanted])
    return shared / norms * math.exp(-((said.bigrams - true.bigrams) ** 2) / (2 * _SIGMA**2))
