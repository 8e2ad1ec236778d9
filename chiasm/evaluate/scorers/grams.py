"""Runs of one to four words in captions and their references, counted in all texts at once.

Words are numbered, and so is every run: one of n words is the number of its first n - 1 and its last word. Sorting the runs of
a corpus brings equal ones together, text after text, and a caption stands right before its own references.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

GRAMS = 4
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Runs:
    """The runs of one number of words. An entry E is a run in a text: which text, how often, where first (of all words), and
    how many captions have it in a reference. A match M is an entry of a caption and one of a reference of its own."""

    text_E: Array
    times_E: Array
    first_E: Array
    spread_E: Array
    said_M: Array
    true_M: Array


@dataclass(frozen=True)
class Corpus:
    """Captions and the references of each. Of the texts T the first is a caption, then come its references."""

    said: Sequence[str]
    true: Sequence[Sequence[str]]

    @cached_property
    def caption_T(self) -> Array:
        """Which caption a text belongs to."""
        return np.repeat(np.arange(len(self.said), dtype=np.int32), [1 + len(several) for several in self.true])

    @cached_property
    def said_C(self) -> Array:
        """Which texts are the captions."""
        return np.flatnonzero(np.diff(self.caption_T, prepend=-1))

    @cached_property
    def _numbered(self) -> tuple[Array, Array]:
        """Every word of every text by its number, and how many each text has."""
        number: defaultdict[str, int] = defaultdict(count().__next__)
        words: list[int] = []
        lengths: list[int] = []
        for said, several in zip(self.said, self.true, strict=True):
            for text in (said, *several):
                found = text.split()
                lengths.append(len(found))
                words += map(number.__getitem__, found)
        return np.array(words, np.int64), np.array(lengths, np.int64)

    @property
    def length_T(self) -> Array:
        """Words of each text."""
        return self._numbered[1]

    @cached_property
    def text_P(self) -> Array:
        """Which text a word stands in."""
        return np.repeat(np.arange(len(self.length_T), dtype=np.int32), self.length_T)

    @cached_property
    def runs(self) -> tuple[Runs, ...]:
        """Of one word, of two, of three and of four."""
        return tuple(self._runs())

    def _runs(self) -> Iterator[Runs]:
        word_P, length_T = self._numbered
        left_P = np.repeat(np.cumsum(length_T), length_T) - np.arange(len(word_P))
        kinds, number_P = int(word_P.max(initial=0)) + 1, np.zeros_like(word_P)
        for more in range(GRAMS):
            start = np.flatnonzero(left_P > more)
            run = number_P[start] * kinds + word_P[start + more]
            order = _order(run)
            start, number = start[order], np.cumsum(_fresh(run[order])) - 1
            number_P[start] = number
            yield self._counted(start.astype(np.int32), number.astype(np.int32))

    def _counted(self, start_S: Array, number_S: Array) -> Runs:
        """From where each run starts and its number, equal runs together: `lead` is the first entry of a caption and its
        references with the run of an entry, so that where the caption has it, this is the caption's own."""
        text_S = self.text_P[start_S]
        entry = np.flatnonzero(_fresh(number_S, text_S))
        text, number = text_S[entry], number_S[entry]
        caption = self.caption_T[text]
        true = np.ones(len(self.caption_T), bool)
        true[self.said_C] = False
        of_true = np.flatnonzero(true[text])
        once = of_true[_fresh(number[of_true], caption[of_true])]
        spread = np.bincount(number[once], minlength=int(number.max(initial=-1)) + 1)
        group = np.flatnonzero(_fresh(number, caption))
        lead = np.repeat(group, np.diff(group, append=len(entry)))[of_true]
        matched = ~true[text[lead]]
        times = np.diff(entry, append=len(start_S))
        numbers = (text, times, start_S[entry], spread[number], lead[matched], of_true[matched])
        return Runs(*(one.astype(np.int32) for one in numbers))


def _order(keys: Array) -> Array:
    """What sorts whole numbers, equal ones as they come: each joined with its place into one number, where there is room."""
    bits = len(keys).bit_length()
    if int(keys.max(initial=0)) >> (63 - bits):
        return np.argsort(keys, kind="stable")
    return np.sort(keys << bits | np.arange(len(keys))) & ((1 << bits) - 1)


def _fresh(*keys: Array) -> Array:
    """Where any of several sorted arrays is another than before."""
    fresh = np.ones(len(keys[0]), bool)
    if len(fresh):
        fresh[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return fresh
