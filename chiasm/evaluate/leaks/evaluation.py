"""What is looked for: each picture and each clip of an evaluation once, with the rows that show it, and their texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from tqdm import tqdm

from chiasm.errors import BadPicture, UserError
from chiasm.evaluate.benchmarks.rows import Bad
from chiasm.evaluate.leaks.alike import Stack, stacked
from chiasm.evaluate.leaks.clips import Followed, followed
from chiasm.evaluate.leaks.follow import Shelf, shelved
from chiasm.evaluate.leaks.given import Given
from chiasm.evaluate.leaks.looks import Signature, signature
from chiasm.evaluate.leaks.texts import Texts
from chiasm.pixels.open import open_picture

AT_ONCE = 256
"""Rows whose pictures are open at a time."""
FILMS = 2
"""Clips that are open at a time: each may hold 200 MB of frames."""
REMEMBERED = 4096
"""Files whose signatures are kept: tables that ask several things of a picture name it in neighbouring rows."""

Thing = TypeVar("Thing")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Rows with what each asks, the pictures and the clips that they show, each once, and the rows of each; `texts` of all
    rows."""

    names: tuple[str, ...]
    questions: tuple[str, ...]
    pictures: tuple[Signature, ...]
    shown_by: tuple[tuple[int, ...], ...]
    clips: tuple[Followed, ...]
    filmed_by: tuple[tuple[int, ...], ...]
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

    @cached_property
    def shelf(self) -> Shelf:
        return shelved(self.clips)

    @cached_property
    def clip_files(self) -> dict[str, int]:
        return {one.file: number for number, one in enumerate(self.clips) if one.file}

    @cached_property
    def clip_frames(self) -> dict[str, int]:
        return {one.frames: number for number, one in enumerate(self.clips)}

    @property
    def digest(self) -> str:
        """Of everything that is looked for."""
        pictures, clips = [one.pixels for one in self.pictures], [one.frames for one in self.clips]
        told = [self.names, pictures, self.shown_by, clips, self.filmed_by, self.texts.digest]
        return sha256(repr(told).encode()).hexdigest()


def gathered(rows: Iterable[Given | Bad]) -> Evaluation:
    """Raises `UserError` where no row can be used."""
    kept: list[Given] = []
    bad: list[Bad] = []
    pictures, clips = Once[Signature](), Once[Followed]()
    with tqdm(desc="evaluation", unit="row", disable=None) as bar:
        for block in blocks(rows, AT_ONCE):
            for one in opened(block):
                bar.update()
                bad += one.wrong
                if one.given is None:
                    continue
                for _, signed in one.pictures:
                    pictures.add(signed.pixels, signed, len(kept))
                for _, film in one.clips:
                    clips.add(film.frames, film, len(kept))
                kept.append(one.given)
    if not kept:
        raise UserError(f"there is nothing to look for{f': {bad[0].where}: {bad[0].why}' if bad else ''}")
    texts = Texts([one.exchanges for one in kept], [one.others for one in kept])
    names, questions = tuple(one.name for one in kept), tuple(_question(one) for one in kept)
    seen, filmed = (pictures.things, pictures.rows), (clips.things, clips.rows)
    return Evaluation(names, questions, *seen, *filmed, texts, tuple(bad))


class Once(Generic[Thing]):
    """Things by what tells them apart, each kept once, with the rows that show it."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._things: list[Thing] = []
        self._rows: list[list[int]] = []

    def add(self, key: str, thing: Thing, row: int) -> None:
        place = self._places.setdefault(key, len(self._places))
        if place == len(self._things):
            self._things.append(thing)
            self._rows.append([])
        if self._rows[place][-1:] != [row]:
            self._rows[place].append(row)

    @property
    def things(self) -> tuple[Thing, ...]:
        return tuple(self._things)

    @property
    def rows(self) -> tuple[tuple[int, ...], ...]:
        return tuple(map(tuple, self._rows))


def _question(given: Given) -> str:
    texts = (*(text for one in given.exchanges for text in (one.question, *one.answers)), *given.others)
    return next((text for text in texts if text), "")


@dataclass(frozen=True)
class Opened:
    """A row with what is shown in it, as far as that can be opened, each beside its source, and what is wrong with it."""

    given: Given | None
    pictures: tuple[tuple[Any, Signature], ...]
    clips: tuple[tuple[Path, Followed], ...]
    wrong: tuple[Bad, ...]


def opened(rows: Sequence[Given | Bad]) -> Iterator[Opened]:
    """Each row, its pictures and clips opened side by side with others."""
    usable = [one for one in rows if isinstance(one, Given)]
    pictures = [(one.where, source) for one in usable for source in one.pictures]
    clips = [(one.where, source) for one in usable for source in one.clips]
    with ThreadPoolExecutor() as pool, ThreadPoolExecutor(FILMS) as few:
        signed, films = pool.map(lambda pair: _signed(*pair), pictures), few.map(lambda pair: _followed(*pair), clips)
        for one in rows:
            if isinstance(one, Bad):
                yield Opened(None, (), (), (one,))
                continue
            seen = [(source, next(signed)) for source in one.pictures]
            watched = [(source, next(films)) for source in one.clips]
            wrong = [Bad(one.where, why) for why in one.wrong]
            wrong += [bad for _, bad in (*seen, *watched) if isinstance(bad, Bad)]
            shown = tuple((source, found) for source, found in seen if isinstance(found, Signature))
            filmed = tuple((source, found) for source, found in watched if isinstance(found, Followed))
            yield Opened(one, shown, filmed, tuple(wrong))


def _signed(where: str, source: Any) -> Signature | Bad:
    try:
        return _of_file(source) if isinstance(source, Path) else signature(open_picture(source, name=f"a picture of {where}"))
    except BadPicture as why:
        return Bad(where, " ".join(str(why).split()))


def _followed(where: str, source: Path) -> Followed | Bad:
    try:
        return _of_clip(source)
    except BadPicture as why:
        return Bad(where, " ".join(str(why).split()))


@lru_cache(REMEMBERED // 64)
def _of_clip(source: Path) -> Followed:
    return followed(source)


@lru_cache(REMEMBERED)
def _of_file(file: Path) -> Signature:
    return signature(open_picture(file))


def blocks(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    """Things in lists of so many."""
    left = iter(things)
    while block := list(islice(left, size)):
        yield block
