"""Animated GIF and WebP: how long each frame lasts, and the frames."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, islice

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

from chiasm.errors import BadPicture
from chiasm.pixels.container import Container
from chiasm.pixels.flatten import WHITE, flatten
from chiasm.pixels.open import DECODERS, broken, measure
from chiasm.pixels.orientation import UPRIGHT
from chiasm.pixels.reel import ClipLimits, Reel
from chiasm.pixels.sources import Encoded, opened

UNSAID = 100
"""Milliseconds that a frame is shown where its file says none, as players have it."""

MOVING = ("GIF", "WebP")


@dataclass(frozen=True, eq=False)
class Animation:
    """A whole file."""

    data: bytes
    container: Container
    name: str

    @classmethod
    def read(cls, source: Encoded, name: str, limits: ClipLimits) -> Animation:
        """Raises `BadPicture` for anything else than a GIF or WebP."""
        with opened(source, name, limits.picture.bytes) as (file, length):
            container = measure(file, length, name, limits.picture)
            if container.format not in MOVING:
                message = f"{name} is a {container.format}: clips are videos, folders of frames, GIF and WebP"
                raise BadPicture(f"{message}; ask about it as a picture")
            file.seek(0)
            data = file.read(length)
        if container.format == "GIF" and not data.endswith(b";"):
            # A decoder takes the missing rest for the end.
            raise BadPicture(broken(name, container.format, length, "is cut short"))
        return cls(data, container, name)

    @property
    def moves(self) -> bool:
        """Whether there is a second frame."""
        return next(islice(self._walk(), 1, None), None) is not None

    def reel(self, limits: ClipLimits) -> Reel:
        """Only decoding tells how many frames there are."""
        size = (self.container.width, self.container.height)
        most = min(limits.frames, limits.pixels // (size[0] * size[1]))
        spans: list[Fraction] = []
        for image in self._walk():
            spans.append(Fraction(int(image.info.get("duration", 0)) or UNSAID, 1000))
            if len(spans) > most:
                size_of = f"{most:,} frames of {size[0]} x {size[1]}"
                raise BadPicture(f"{self.name} has more than {size_of}, the limit: make it shorter or smaller")
        *begins, end = accumulate(spans, initial=Fraction(0))
        return Reel(self.name, *size, tuple(begins), end)

    def frames(self, numbers: Collection[int]) -> list[NDArray[np.uint8]]:
        """The frames of these numbers, [H, W, 3] each, in this order. Raises `BadPicture` for one that cannot be decoded."""
        kept: dict[int, NDArray[np.uint8]] = {}
        for number, image in enumerate(self._walk()):
            if number in numbers:
                kept[number] = flatten(image, UPRIGHT, WHITE)
        return [kept[number] for number in numbers]

    def _walk(self) -> Iterator[ImageFile]:
        """The picture at each of its frames. One that grows on the way, as GIFs may, is refused before it is decoded."""
        try:
            image, number = DECODERS[self.container.format](io.BytesIO(self.data)), 0
            while True:
                image.seek(number)
                if image.size != (self.container.width, self.container.height):
                    break
                image.load()
                yield image
                number += 1
        except EOFError:
            return
        except BadPicture:
            raise
        except Exception:
            raise BadPicture(broken(self.name, self.container.format, len(self.data), "is damaged or cut short")) from None
        raise BadPicture(broken(self.name, self.container.format, len(self.data), "has frames larger than its canvas"))
