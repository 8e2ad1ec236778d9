"""How a long fetch shows itself: a bar on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TextIO

from tqdm import tqdm

SECONDS = 0.2
LINES = 10


class Progress(Protocol):
    """What a fetch reports to: sentences, and the bytes of one transfer at a time."""

    def say(self, sentence: str) -> None:
        """One sentence for the user."""

    def start(self, label: str, total: int | None) -> None:
        """A transfer of `total` bytes begins (None: not known)."""

    def reach(self, done: int) -> None:
        """So many bytes of the transfer are there."""

    def end(self) -> None:
        """The transfer is over, well or not."""


class Bar:
    """A tqdm bar."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[None] | None = None

    def say(self, sentence: str) -> None:
        """Writes the sentence above the bar."""
        tqdm.write(sentence, file=self._stream)

    def start(self, label: str, total: int | None) -> None:
        """Opens the bar."""
        self._bar = tqdm(total=total, desc=label, unit="B", unit_scale=True, file=self._stream, leave=False)

    def reach(self, done: int) -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def end(self) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()


class Lines:
    """At most ten lines a transfer, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._label, self._total, self._shown = "", 0, 0

    def say(self, sentence: str) -> None:
        """Writes the sentence."""
        print(sentence, file=self._stream, flush=True)

    def start(self, label: str, total: int | None) -> None:
        """Remembers what is transferred."""
        self._label, self._total, self._shown = label, total or 0, 0

    def reach(self, done: int) -> None:
        """Writes a line when another tenth is there."""
        tenth = min(LINES, LINES * done // self._total) if self._total else 0
        if tenth > self._shown:
            self._shown = tenth
            self.say(f"{self._label}: {done / 1e6:.0f} of {self._total / 1e6:.0f} MB")

    def end(self) -> None:
        """Nothing more to write."""


def shown(stream: TextIO | None = None) -> Progress:
    """The progress that suits a stream (standard error by default)."""
    stream = stream or sys.stderr
    return Bar(stream) if stream.isatty() else Lines(stream)


@contextmanager
def watching(folder: Path, label: str, total: int | None, progress: Progress) -> Iterator[None]:
    """Reports how a folder grows while another program fills it, which works for every client alike."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(SECONDS):
            progress.reach(min(grown(folder), total) if total else grown(folder))

    progress.start(label, total)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        progress.end()


def grown(folder: Path) -> int:
    """The bytes of all files below a folder at this moment; files that vanish meanwhile do not count."""
    size = 0
    for file in folder.rglob("*"):
        try:
            size += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return size
