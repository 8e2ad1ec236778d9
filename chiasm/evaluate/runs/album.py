"""Pictures of runs as a page holds them: small, each once, within a limit of pictures and bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from chiasm.errors import UserError
from chiasm.evaluate.runs import data
from chiasm.evaluate.runs.compare import Side
from chiasm.evaluate.runs.setting import PICTURE
from chiasm.evaluate.runs.shown import in_rows
from chiasm.pixels.open import open_picture

LONGEST_SIDE, QUALITY = 448, 80

Place = int | str
"""The number of a picture in the page, or why it is not there."""


@dataclass
class Album:
    """What fits: `pictures` at most, and `room` bytes of them."""

    pictures: int
    room: int
    uris: list[str] = field(default_factory=list)
    places: dict[object, Place] = field(default_factory=dict)
    left_out: int = 0

    @property
    def full(self) -> str:
        """Why no more is taken; empty where there is room."""
        if len(self.uris) >= self.pictures:
            return f"the page holds {self.pictures} pictures"
        return "" if self.room > 0 else f"the page holds no more bytes than those of {len(self.uris)} pictures"

    def place(self, key: object, name: str, source: Path | bytes) -> Place:
        """A picture's place; `key` tells pictures apart, `name` is said where it cannot be shown."""
        if key not in self.places:
            self.places[key] = self._added(name, source)
        return self.places[key]

    def refused(self, name: str) -> str:
        """A picture that is not even opened."""
        self.left_out += 1
        return f"{name} is left out: {self.full}"

    def _added(self, name: str, source: Path | bytes) -> Place:
        if self.full:
            return self.refused(name)
        try:
            picture = Image.fromarray(open_picture(source).pixels)
        except UserError as e:
            return " ".join(str(e).split())
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        encoded = io.BytesIO()
        picture.save(encoded, "JPEG", quality=QUALITY)
        uri = f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
        if len(uri) > self.room:
            self.room = 0
            return self.refused(name)
        self.room -= len(uri)
        self.uris.append(uri)
        return len(self.uris) - 1


def placed(album: Album, side: Side, questions: Sequence[str]) -> dict[str, list[Place]]:
    """The pictures of questions in an album, the first ones first. Those that lie in files of rows are read from there."""
    found = {name: [_file(album, side, picture) for picture in side.answers[name][0].pictures] for name in questions}
    inside = [name for name in questions if not found[name] and PICTURE in side.answers[name][0].prompt]
    return {**found, **_read(album, side, inside)} if inside else found


def _file(album: Album, side: Side, name: str) -> Place:
    """Pictures are named from the data's folder; runs on benchmarks name them alike."""
    file = data.base(side.manifest) / name
    return album.place(file, name, file) if file.is_file() else f"{name} is not in {data.base(side.manifest)} any more"


def _read(album: Album, side: Side, questions: Sequence[str]) -> dict[str, list[Place]]:
    """One pass over the rows, only as many pictures as may still fit."""
    wanted = questions[: max(0, album.pictures - len(album.uris))]
    try:
        kept = in_rows(side, set(wanted))
    except (UserError, KeyError) as e:
        said = " ".join(str(e).split()) if isinstance(e, UserError) else "the run does not say where its pictures are"
        return {name: [said] for name in questions}
    places: dict[str, list[Place]] = {}
    for name in questions:
        if name in kept:
            places[name] = [
                album.place((side.folder, name, number), f"picture of {name}", one) for number, one in enumerate(kept[name])
            ]
        else:
            places[name] = [album.refused(f"picture of {name}") if album.full else f"{name} is not in the data any more"]
    return places
