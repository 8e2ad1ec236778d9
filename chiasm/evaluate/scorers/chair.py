"""CHAIR: which objects of a caption are not in the picture.

As the stand-alone script of Maxlinn computes it: nltk's tokens, pattern's singulars, CHAIR's words for COCO's objects. The
English model of nltk's sentence splitter is not at hand, so it runs untrained; captions without abbreviations split the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from chiasm.errors import need
from chiasm.evaluate.scorers.singular import singular

_SYNONYMS = Path(__file__).with_name("coco_synonyms.txt")
_ANIMALS = ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "animal", "cub")
_TWO_WORDS = """motor bike, motor cycle, air plane, traffic light, street light, traffic signal, stop light, fire hydrant,
stop sign, parking meter, suit case, sports ball, baseball bat, baseball glove, tennis racket, wine glass, hot dog, cell phone,
mobile phone, teddy bear, hair drier, potted plant, bow tie, laptop computer, stove top oven, home plate, train track"""
DOUBLES = {
    **{pair: pair for pair in _TWO_WORDS.replace("\n", " ").split(", ")},
    **{f"{age} {animal}": animal for animal in _ANIMALS for age in ("baby", "adult")},
    "passenger jet": "jet",
    "passenger train": "train",
    "bow tie": "tie",
    "toilet seat": "toilet",
    "wine glas": "wine glass",
}
"""Two words that are read as one thing."""


@dataclass(frozen=True)
class Vocabulary:
    """The kind of object that a word means."""

    kinds: Mapping[str, str]

    @classmethod
    def read(cls, file: Path) -> Vocabulary:
        """From lines of words with a comma between two, the kind's name first; lines that begin with # are notes."""
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"]
        return cls({word: words[0] for words in (line.strip().split(", ") for line in lines) for word in words})


@cache
def coco() -> Vocabulary:
    """CHAIR's own."""
    return Vocabulary.read(_SYNONYMS)


_PLAIN = re.compile(r"[a-z]+(?: [a-z]+)*\.?")
_PARTED = frozenset(("cannot", "gimme", "gonna", "gotta", "lemme", "wanna"))


@cache
def _nltk() -> tuple[Any, Any]:
    tokenize = need("nltk.tokenize", "eval")
    return tokenize.PunktSentenceTokenizer(), tokenize.NLTKWordTokenizer()


def tokens(caption: str) -> list[str]:
    """nltk's. Letters with single spaces and one full stop at the end fall apart there alone, but for words that it parts."""
    if _PLAIN.fullmatch(caption):
        found = caption.removesuffix(".").split(" ")
        if _PARTED.isdisjoint(found):
            return [*found, "."] if caption.endswith(".") else found
    sentences, words_of = _nltk()
    return [word for sentence in sentences.tokenize(caption) for word in words_of.tokenize(sentence)]


@dataclass(frozen=True)
class Mentioned:
    """A caption's words once doubles are joined, and of each object in it the word, the kind and the place.

    Places are counted before doubles are joined; where "seat" is dropped beside a toilet, later ones are one short, as in the
    script.
    """

    words: tuple[str, ...]
    objects: tuple[tuple[str, str, int], ...]

    @property
    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.objects]


def mentioned(caption: str, vocabulary: Vocabulary) -> Mentioned:
    """The objects that a caption names, each time it names one."""
    single = [singular(word) for word in tokens(caption.lower())]
    words, places, at = [], [], 0
    while at < len(single):
        double = " ".join(single[at : at + 2])
        places.append(at)
        words.append(DOUBLES.get(double, single[at]))
        at += 2 if double in DOUBLES else 1
    kept = [word for word in words if word != "seat"] if "toilet" in words else words
    kinds = vocabulary.kinds
    return Mentioned(
        tuple(words), tuple((word, kinds[word], place) for word, place in zip(kept, places, strict=False) if word in kinds)
    )


@dataclass(frozen=True)
class Checked:
    """A caption against its picture: what is there, what is named, and what is named without being there."""

    true: frozenset[str]
    mentioned: Mentioned

    @property
    def hallucinated(self) -> list[tuple[str, str, int]]:
        return [one for one in self.mentioned.objects if one[1] not in self.true]

    @property
    def found(self) -> set[str]:
        return {kind for kind in self.mentioned.kinds if kind in self.true}

    @property
    def chair_i(self) -> float:
        """The share of the mentions."""
        return _share(len(self.hallucinated), len(self.mentioned.objects))

    @property
    def recall(self) -> float:
        """How many of the kinds that are there were named."""
        return _share(len(self.found), len(self.true))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def check(caption: str, instances: Iterable[str], references: Iterable[str], vocabulary: Vocabulary | None = None) -> Checked:
    """What is there is what was annotated (`instances`, kinds by name) and what people named in their reference captions."""
    known = vocabulary or coco()
    true = {known.kinds[name] for name in instances}
    true |= {kind for reference in references for kind in mentioned(reference, known).kinds}
    return Checked(frozenset(true), mentioned(caption, known))


def summary(checked: Sequence[Checked]) -> dict[str, float]:
    """CHAIRs, CHAIRi and Recall of a set. Raises `ZeroDivisionError` where no caption names an object, as the script does."""
    mentions = sum(len(one.mentioned.objects) for one in checked)
    return {
        "CHAIRs": sum(bool(one.hallucinated) for one in checked) / len(checked),
        "CHAIRi": sum(len(one.hallucinated) for one in checked) / mentions,
        "Recall": sum(len(one.found) for one in checked) / sum(len(one.true) for one in checked),
    }
