"""Videos: recognised and checked here, decoded in a process of its own, which may crash or hang without harm.

The decoder is OpenCV's, whose wheels hold FFmpeg under the LGPL alone; PyAV's hold parts under the GPL (NOTICE says more).
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import BadPicture, MissingExtra
from chiasm.pixels.reel import ClipLimits, Reel
from chiasm.pixels.sources import Encoded, opened

PROGRAM = ("-m", "chiasm.pixels.video_limited")

SECONDS: float = 300
"""Longer than this no video is decoded."""

_CUT = "is damaged or cut short: fetch or save it again"


@dataclass(frozen=True)
class Video:
    """A file that begins as videos do."""

    source: Encoded
    name: str
    limits: ClipLimits

    def reel(self) -> Reel:
        """Raises `BadPicture`, before anything but one frame is decoded, for a video above a limit."""
        with self._file() as path:
            known, _ = self._asked({"path": path, "numbers": [], "pixels": self.limits.picture.pixels})
        frames, rate = int(known["frames"]), Fraction(known["rate"]).limit_denominator(100_000)
        if frames < 1 or rate <= 0:
            raise BadPicture(f"{self.name}: the video does not say how many frames it has, or how fast: {self._instead}")
        if frames > self.limits.frames or frames / rate > self.limits.seconds:
            said = f"{frames:,} frames in {float(frames / rate):,.1f} seconds"
            most = f"{self.limits.frames:,} frames and {self.limits.seconds:,.0f} seconds"
            raise BadPicture(f"{self.name}: {said} are above the limit of {most}: cut a part out of it first")
        return Reel.steady(self.name, (int(known["width"]), int(known["height"])), frames, rate)

    def frames(self, numbers: Sequence[int]) -> list[NDArray[np.uint8]]:
        """The frames of these numbers, [H, W, 3] each, in this order. Raises `BadPicture` where the file ends before them."""
        with self._file() as path:
            known, data = self._asked({"path": path, "numbers": sorted(set(numbers)), "pixels": self.limits.picture.pixels})
        shape = (len(set(numbers)), int(known["height"]), int(known["width"]), 3)
        if len(data) != shape[0] * shape[1] * shape[2] * 3:
            raise BadPicture(f"{self.name} {_CUT}")
        found = dict(zip(sorted(set(numbers)), np.frombuffer(data, np.uint8).reshape(shape), strict=True))
        return [found[number] for number in numbers]

    @property
    def _instead(self) -> str:
        return "take frames out of it (ffmpeg -i VIDEO -vf fps=2 frames/%05d.png) and give their folder"

    @contextmanager
    def _file(self) -> Iterator[str]:
        """A path of it; bytes are written to a file for as long as they are read."""
        if isinstance(self.source, bytes | bytearray | memoryview) or os.fsdecode(self.source)[:5].lower() == "data:":
            with opened(self.source, self.name, self.limits.bytes) as (file, _), tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "video"
                path.write_bytes(file.read())
                yield str(path)
            return
        yield str(Path(os.fsdecode(self.source)).absolute())

    def _asked(self, order: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """What the decoding process says, and the frames after it."""
        if not _installed():
            said = f"{self.name} is a video, and videos are decoded by the extra 'video' (pip install 'chiasm[video]')"
            raise MissingExtra(f"{said}; or {self._instead}")
        command = [sys.executable, *PROGRAM]
        quiet = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8", "OPENBLAS_NUM_THREADS": "1"}
        # The process finds the library where this one does, and never an input from the network or from another file.
        quiet |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        quiet |= {"OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file|format_whitelist;mov,matroska,webm,avi"}
        try:
            done = subprocess.run(
                command,
                input=json.dumps(order).encode(),
                capture_output=True,
                env=os.environ | quiet,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"{self.name} was not decoded within {SECONDS} seconds: cut a part out of it, or make it smaller"
            raise BadPicture(message) from None
        head, _, data = done.stdout.partition(b"\n")
        try:
            known: dict[str, Any] = json.loads(head)
        except ValueError:
            raise BadPicture(f"{self.name} {_CUT}") from None
        if "error" in known:
            raise BadPicture(f"{self.name} {known['error']}")
        return known, data


def _installed() -> bool:
    try:
        return importlib.util.find_spec("cv2") is not None
    except ValueError:
        # Somebody put a stand-in where the module would be.
        return False


def is_video(file: BinaryIO, length: int, name: str) -> bool:
    """Whether a file begins as MP4, QuickTime, Matroska, WebM or AVI do. Raises `BadPicture` where it ends too early."""
    start = file.read(16)
    file.seek(0)
    if start[4:8] == b"ftyp":
        if start[8:12] in (b"avif", b"avis", b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
            return False
        _whole_boxes(file, length, name)
        return True
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        _long_enough(8 + int.from_bytes(start[4:8], "little"), length, name)
        return True
    return start[:4] == b"\x1aE\xdf\xa3"


def _whole_boxes(file: BinaryIO, length: int, name: str) -> None:
    """Every box of an MP4 ends within the file."""
    at, boxes = 0, 0
    while at < length:
        file.seek(at)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size == 0:
            return
        boxes += 1
        if size < 8 or boxes > 1 << 16:
            raise BadPicture(f"{name} {_CUT}")
        at += size
    _long_enough(at, length, name)


def _long_enough(wanted: int, length: int, name: str) -> None:
    if wanted > length:
        raise BadPicture(f"{name} is cut short: {length:,} bytes of a video of {wanted:,}; fetch or save it again")
