"""The folder of one task's run: what decided it, a line for each answer as it comes, times apart, and the numbers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from chiasm.errors import UserError
from chiasm.weights.write import write_json

Ablation = Literal["picture", "blank", "another", "none"]
"""What a question was shown: its own picture, an even grey one, another question's, nothing."""
ABLATIONS: tuple[Ablation, ...] = ("picture", "blank", "another", "none")

MANIFEST, RECORDS, TIMES, RESULT = "manifest.json", "records.jsonl", "times.jsonl", "result.json"

LOOSE = frozenset(("data", "batch", "served", "sent", "price"))
"""What a manifest says that may change while a run goes on: where the questions were read from, how many were asked at once,
which of a service's models answered, which fields it is known to honour, what its tokens cost."""

Key = tuple[str, str, str, int]


@dataclass(frozen=True)
class Sample:
    """One question, asked once. `parsed` is null where the answer could not be read; `error` says why there is no answer;
    `shots` are the ids of the examples before it."""

    id: str
    ablation: Ablation
    variant: str
    seed: int
    prompt: str
    gold: Mapping[str, Any]
    slices: Mapping[str, str]
    choices: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    shots: tuple[str, ...] = ()
    answer: str | None = None
    parsed: Any = None
    score: float | None = None
    tokens: Mapping[str, int] = field(default_factory=dict)
    finish_reason: str | None = None
    error: str | None = None
    served: Mapping[str, str] = field(default_factory=dict)
    """What a service said of itself with its answer, and what it was sent and passed over."""

    @property
    def key(self) -> Key:
        return self.id, self.ablation, self.variant, self.seed


class Store:
    """A folder that a run writes into and goes on from. Times stand apart, so that two runs of one setting are alike to the
    byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, manifest: Mapping[str, Any]) -> dict[Key, Sample]:
        """Samples that an earlier start of the same run finished; a line that was cut short is dropped.

        Raises `UserError` where the folder holds a run with another setting, naming what differs.
        """
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        kept = self.folder / MANIFEST
        said = json.loads(json.dumps(manifest))
        if kept.is_file():
            before = self.manifest()
            names = (before.keys() | said.keys()) - LOOSE
            unlike = sorted(name for name in names if before.get(name) != said.get(name))
            if unlike:
                raise UserError(f"{self.folder} holds a run with another {', '.join(unlike)}: name another folder for --output")
            said = {**{name: before[name] for name in LOOSE & before.keys()}, **said}
        if not kept.is_file() or before != said:
            self.write(MANIFEST, said)
        self._mend(RECORDS)
        self._mend(TIMES)
        return {sample.key: sample for sample in self.samples()}

    def samples(self) -> Iterator[Sample]:
        """Everything that was written down, in its order."""
        for number, line in enumerate(self._lines(RECORDS), 1):
            read = _read(self.folder / RECORDS, line, number)
            several = {name: tuple(read.get(name, ())) for name in ("choices", "pictures", "shots")}
            yield Sample(**{**read, **several})

    def manifest(self) -> dict[str, Any]:
        """Raises `UserError` for a folder that holds no run."""
        file = self.folder / MANIFEST
        if not file.is_file():
            raise UserError(f"{self.folder} holds no run: it has no {MANIFEST}")
        return _read(file, file.read_text(encoding="utf-8"))

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """One of its files, whole. Raises `UserError` where the disk takes no more."""
        with writing(self.folder / name):
            write_json(self.folder / name, content)

    def add(self, samples: list[Sample], seconds: float) -> None:
        """Appends finished samples. Raises `UserError` where the disk takes no more; what was written stays."""
        with writing(self.folder / RECORDS):
            self._append(RECORDS, [json.dumps(asdict(sample), ensure_ascii=False) for sample in samples])
            self._append(TIMES, [json.dumps({"id": s.id, "seconds": round(seconds / len(samples), 4)}) for s in samples])

    def tell_served(self) -> None:
        """Writes down who answered, where services said so: each that did, with the number of its answers."""
        several = Counter(tuple(sorted(sample.served.items())) for sample in self.samples() if sample.served)
        if several:
            served = [{**dict(facts), "answers": count} for facts, count in sorted(several.items())]
            self.write(MANIFEST, {**self.manifest(), "served": served})

    def seconds(self) -> float | None:
        """Of an answer, on average; none where none was timed."""
        known = [float(json.loads(line)["seconds"]) for line in self._lines(TIMES)]
        return fmean(known) if known else None

    def _append(self, name: str, lines: list[str]) -> None:
        """In one call of the system: a kill leaves all lines of a batch or, as good as always, none."""
        with (self.folder / name).open("ab", buffering=0) as file:
            rest = "".join(f"{line}\n" for line in lines).encode()
            while rest:
                rest = rest[file.write(rest) :]

    def _lines(self, name: str) -> list[str]:
        file = self.folder / name
        return [line for line in file.read_text(encoding="utf-8").split("\n") if line] if file.is_file() else []

    def _mend(self, name: str) -> None:
        """Drops what follows the last whole line: a run that was killed may have left half of one."""
        file = self.folder / name
        if file.is_file():
            whole = file.read_bytes()
            end = whole.rfind(b"\n") + 1
            if end < len(whole):
                with file.open("rb+") as opened:
                    opened.truncate(end)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A disk that takes no more as a sentence: what was written stays."""
    try:
        yield
    except OSError as e:
        raise UserError(f"{path} cannot be written ({e.strerror}): make room, or give way, and start the same run again") from e


def _read(file: Path, text: str, line: int | None = None) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as e:
        where = "" if line is None else f", line {line},"
        raise UserError(f"{file}{where} is damaged ({e}): remove it to have it asked again") from e
    return found


def runs_in(folder: Path) -> list[Path]:
    """The folders of runs in and below a folder. Raises `UserError` where there is none."""
    found = sorted({file.parent for file in folder.rglob(MANIFEST) if (file.parent / RECORDS).is_file()})
    if not found:
        raise UserError(f"{folder} holds no run: name what --output named for chiasm eval")
    return found
