"""Which texts share their words: whole questions and answers, and runs of thirteen words.

Words are compared without case and punctuation; scripts that write none between them count each sign as a word. Runs that
many questions share (what a prompt adds to each) tell nothing and are left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

RUN = 13
"""Words of a run, as GPT-3's check took them (arXiv:2005.14165)."""
COMMON = 10
"""Questions that share a run at most, or it is left out."""
LONG_ANSWER = 6
"""Words from which an answer tells something by itself."""
_SIGNS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")


@dataclass(frozen=True)
class Exchange:
    """What was asked and every answer to it."""

    question: str
    answers: tuple[str, ...]


def words(text: str) -> list[str]:
    """Without case, punctuation, and the many ways of writing one letter."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def plain(text: str) -> str:
    return " ".join(words(text))


def askings(text: str) -> set[str]:
    """A question as it may stand in a longer text: all of it, each line, and the lines so far; prompts add others."""
    lines = [line for line in map(plain, text.split("\n")) if line]
    return {*lines, *(" ".join(lines[: end + 1]) for end in range(len(lines)))}


@dataclass(frozen=True)
class Hit:
    """An evaluation text that stands in a row: by its number, how, and the share of its runs."""

    item: int
    level: str
    share: float


class Texts:
    """What is looked for. `exchanges` of each evaluation row, and `others`, such as its options."""

    def __init__(self, exchanges: Sequence[Sequence[Exchange]], others: Sequence[Sequence[str]]) -> None:
        self._questions: dict[str, set[int]] = {}
        self._answered: dict[tuple[str, str], set[int]] = {}
        self._answers: dict[str, set[int]] = {}
        self._codes: dict[str, int] = {}
        for item, several in enumerate(exchanges):
            for exchange in several:
                self._remember(item, exchange)
        texts = [[*_said(several), *rest] for several, rest in zip(exchanges, others, strict=True)]
        self.items = len(texts)
        self.digest = sha256(repr([exchanges, others]).encode()).hexdigest()
        self._index([[words(text) for text in some] for some in texts])

    def _remember(self, item: int, exchange: Exchange) -> None:
        question = plain(exchange.question)
        if question:
            self._questions.setdefault(question, set()).add(item)
        for answer in map(plain, exchange.answers):
            if question and answer:
                self._answered.setdefault((question, answer), set()).add(item)
            if len(answer.split()) >= LONG_ANSWER:
                self._answers.setdefault(answer, set()).add(item)

    def _index(self, texts: Sequence[Sequence[list[str]]]) -> None:
        for word in sorted({word for some in texts for text in some for word in text}):
            self._codes[word] = len(self._codes) + 1
        self._table = np.random.default_rng(0).integers(0, 2**64, len(self._codes) + 1, np.uint64)
        runs = [set(self._runs(some)[0].tolist()) for some in texts]
        counts = Counter(run for some in runs for run in some)
        common = {run for run, count in counts.items() if count > COMMON}
        self.common = len(common)
        kept = sorted((run, item) for item, some in enumerate(runs) for run in some - common)
        self._owned = np.array([run for run, _ in kept], np.uint64)
        self._owners = np.array([item for _, item in kept], np.int64)
        self.runs = np.bincount(self._owners, minlength=self.items)
        self.found = np.zeros(len(kept), np.bool_)
        """Which runs stood anywhere so far."""

    def _runs(self, texts: Iterable[list[str]]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """A number for every run of words, and the text that it stands in; none goes from one text into the next."""
        coded = [[self._codes.get(word, 0) for word in text] for text in texts]
        long = [number for number, text in enumerate(coded) if len(text) >= RUN]
        if not long:
            return np.zeros(0, np.uint64), np.zeros(0, np.int64)
        codes = np.concatenate([coded[number] for number in long])
        of = np.repeat(long, [len(coded[number]) for number in long])
        values = self._table[codes]
        count = len(codes) - RUN + 1
        mixed = np.zeros(count, np.uint64)
        for offset in range(RUN):
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + values[offset : offset + count]
        within = of[:count] == of[RUN - 1 :]
        return mixed[within], of[:count][within]

    def hits(self, rows: Sequence[tuple[Sequence[Exchange], Sequence[str]]]) -> tuple[list[list[Hit]], list[int]]:
        """What stands in each of several training rows, the strongest hit of an evaluation row first; and the runs (by
        number) that stood nowhere before."""
        shares, fresh = self._shared([[*_said(several), *rest] for several, rest in rows])
        found = []
        for (several, rest), share in zip(rows, shares, strict=True):
            levels: dict[int, str] = {}
            for level, items in self._exact(several, rest):
                for item in items:
                    levels.setdefault(item, level)
            for item in share:
                levels.setdefault(item, "runs")
            found.append([Hit(item, level, share.get(item, 0.0)) for item, level in sorted(levels.items())])
        return found, fresh

    def _exact(self, several: Sequence[Exchange], rest: Sequence[str]) -> Iterator[tuple[str, set[int]]]:
        """Strongest first."""
        asked = [(question, exchange) for exchange in several for question in askings(exchange.question)]
        for question, exchange in asked:
            if question in self._questions:
                for answer in exchange.answers:
                    yield "question and answer", self._answered.get((question, plain(answer)), set())
        for question, _ in asked:
            yield "question", self._questions.get(question, set())
        for text in (*(answer for exchange in several for answer in exchange.answers), *rest):
            if self._answers:
                yield "answer", self._answers.get(plain(text), set())

    def _shared(self, texts: Sequence[Sequence[str]]) -> tuple[list[dict[int, float]], list[int]]:
        """Of each row: the share of each evaluation row's runs that stand in it; and the runs that are found first here."""
        row_of = [row for row, some in enumerate(texts) for _ in some]
        runs, text_of = self._runs(words(text) for some in texts for text in some)
        first = np.searchsorted(self._owned, runs, "left")
        count = np.searchsorted(self._owned, runs, "right") - first
        known = np.nonzero(count)[0]
        distinct: dict[int, set[int]] = {}
        for place in known.tolist():
            there = distinct.setdefault(row_of[int(text_of[place])], set())
            there.update(range(int(first[place]), int(first[place] + count[place])))
        every = np.array(sorted(set().union(*distinct.values())), np.int64)
        fresh = [int(run) for run in every if not self.found[run]]
        self.found[every] = True
        shares: list[dict[int, float]] = [{} for _ in texts]
        for row, there in distinct.items():
            held = Counter(int(self._owners[run]) for run in there)
            shares[row] = {item: round(number / int(self.runs[item]), 4) for item, number in held.items()}
        return shares, fresh

    def covered(self) -> NDArray[np.float64]:
        """The share of each evaluation row's runs that stood anywhere; nan where it is too short to have one."""
        held = np.bincount(self._owners[self.found], minlength=self.items)
        return np.where(self.runs > 0, held / np.maximum(self.runs, 1), np.nan)


def _said(several: Sequence[Exchange]) -> list[str]:
    return [text for exchange in several for text in (exchange.question, *exchange.answers) if text]
