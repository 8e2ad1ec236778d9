"""What is looked for: each picture of an evaluation once, with the rows that show it, and their texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from chiasm.errors import BadPicture, UserError
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.leaks.alike import Stack, stacked
from chiasm.evaluate.leaks.given import Given
from chiasm.evaluate.leaks.looks import Signature, signature
from chiasm.evaluate.leaks.texts import Texts
from chiasm.pixels.open import open_picture

AT_ONCE = 256
"""Rows whose pictures are open at a time."""
REMEMBERED = 4096
"""Files whose signatures are kept: tables that ask several things of a picture name it in neighbouring rows."""

Thing = TypeVar("Thing")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Rows with what each asks, the pictures that they show, each once, and the rows of each; `texts` of all rows."""

    names: tuple[str, ...]
    questions: tuple[str, ...]
    pictures: tuple[Signature, ...]
    shown_by: tuple[tuple[int, ...], ...]
    texts: Texts
    bad: tuple[Bad, ...]

    @cached_property
    def stack(self) -> Stack | None:
        return stacked([one.look for one in self.pictures])

    @cached_property
    def files(self) -> dict[str, int]:
        return {one.file: number for number, one in enumerate(self.pictures)}

    @cached_property
    def pixels(self) -> dict[str, int]:
        return {one.pixels: number for number, one in enumerate(self.pictures)}

    @property
    def digest(self) -> str:
        """Of everything that is looked for."""
        told = [self.names, [one.pixels for one in self.pictures], self.shown_by, self.texts.digest]
        return sha256(repr(told).encode()).hexdigest()


def gathered(rows: Iterable[Given | Bad]) -> Evaluation:
    """Raises `UserError` where no row can be used."""
    kept: list[Given] = []
    bad: list[Bad] = []
    pictures: dict[str, int] = {}
    signatures: list[Signature] = []
    shown_by: list[list[int]] = []
    with tqdm(desc="evaluation", unit="row", disable=None) as bar:
        for block in blocks(rows, AT_ONCE):
            for given, signed, wrong in opened(block):
                bar.update()
                bad += wrong
                if given is None:
                    continue
                for _, one in signed:
                    number = pictures.setdefault(one.pixels, len(pictures))
                    if number == len(signatures):
                        signatures.append(one)
                        shown_by.append([])
                    if shown_by[number][-1:] != [len(kept)]:
                        shown_by[number].append(len(kept))
                kept.append(given)
    if not kept:
        raise UserError(f"there is nothing to look for{f': {bad[0].where}: {bad[0].why}' if bad else ''}")
    texts = Texts([one.exchanges for one in kept], [one.others for one in kept])
    names, questions = tuple(one.name for one in kept), tuple(_question(one) for one in kept)
    showing = tuple(tuple(some) for some in shown_by)
    return Evaluation(names, questions, tuple(signatures), showing, texts, tuple(bad))


def _question(given: Given) -> str:
    texts = (*(text for one in given.exchanges for text in (one.question, *one.answers)), *given.others)
    return next((text for text in texts if text), "")


Opened = tuple[Given | None, list[tuple[Any, Signature]], list[Bad]]


def opened(rows: Sequence[Given | Bad]) -> Iterator[Opened]:
    """Each row with the signatures of those of its pictures that can be opened, and what is wrong with it."""
    wanted = [(one.where, source) for one in rows if isinstance(one, Given) for source in one.pictures]
    with ThreadPoolExecutor() as pool:
        results = iter(pool.map(lambda pair: _signed(*pair), wanted))
        for one in rows:
            if isinstance(one, Bad):
                yield None, [], [one]
                continue
            found = [(source, next(results)) for source in one.pictures]
            wrong = [Bad(one.where, why) for why in one.wrong] + [signed for _, signed in found if isinstance(signed, Bad)]
            yield one, [(source, signed) for source, signed in found if isinstance(signed, Signature)], wrong


def _signed(where: str, source: Any) -> Signature | Bad:
    try:
        return _of_file(source) if isinstance(source, Path) else signature(open_picture(source, name=f"a picture of {where}"))
    except BadPicture as why:
        return Bad(where, " ".join(str(why).split()))


@lru_cache(REMEMBERED)
def _of_file(file: Path) -> Signature:
    return signature(open_picture(file))


def blocks(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    """Things in lists of so many."""
    left = iter(things)
    while block := list(islice(left, size)):
        yield block
