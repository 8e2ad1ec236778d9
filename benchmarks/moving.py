"""Moving pictures of five kinds, what is done to copies of them, and which copies the check for leaks finds."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chiasm.evaluate.leaks.clips import Followed, followed
from chiasm.evaluate.leaks.follow import same, shelved
from chiasm.render import assets, sample
from chiasm.render.canvas import RGB
from chiasm.render.shapes import COLOURS, SHAPES, mask

SEED = 11
RATE, WIDE, HIGH = 24.0, 320, 240
SECONDS = (6.0, 14.0)
OTHERS = 5
"""For each clip that is copied, so many of its kind are held against each other."""
FIELD = 560
"""Side of what a camera moves over."""

Frame = NDArray[np.uint8]
Scene = Callable[[float], Image.Image]
"""The picture at a second."""


@dataclass(frozen=True)
class Shot:
    """A clip before it is written."""

    kind: str
    at: Scene
    seconds: float


def _ground(rng: random.Random, kinds: Sequence[str]) -> Image.Image:
    picture = sample(rng.randrange(10**6), SEED, "train", rng.choice(kinds), 224, assets("train")).picture
    return Image.fromarray(picture).resize((FIELD, FIELD), Image.Resampling.BICUBIC)


def panned(rng: random.Random) -> Scene:
    """A camera moves over a page, a chart or a crowd of things and back."""
    return _panned(rng, rng.uniform(4, 9))


def hurried(rng: random.Random) -> Scene:
    """The same in two or three seconds: what is shown is another thing a quarter of a second later."""
    return _panned(rng, rng.uniform(2, 3))


def _panned(rng: random.Random, turns: float) -> Scene:
    ground = _ground(rng, ("page", "receipt", "table", "bars", "many shapes", "mixed shapes"))
    start, way = rng.random(), (rng.uniform(0.3, 1), rng.uniform(0.3, 1))

    def at(second: float) -> Image.Image:
        swing = 0.5 - 0.5 * np.cos(2 * np.pi * (second / turns + start))
        left, top = (swing * part * room for part, room in zip(way, (FIELD - WIDE, FIELD - HIGH), strict=True))
        return ground.transform((WIDE, HIGH), Image.Transform.EXTENT, (left, top, left + WIDE, top + HIGH))

    return at


def sprites(rng: random.Random) -> Scene:
    """Three to six shapes cross an even ground: what differs is where they are."""
    ground: RGB = rng.choice(((235, 232, 222), (40, 44, 60), (190, 210, 190)))
    things = [
        (rng.choice(SHAPES), COLOURS[rng.choice(tuple(COLOURS))], rng.randrange(36, 80), rng.random(), rng.random(),
         rng.uniform(-80, 80), rng.uniform(-60, 60))
        for _ in range(rng.randrange(3, 7))
    ]  # fmt: skip

    def at(second: float) -> Image.Image:
        made = Image.new("RGB", (WIDE, HIGH), ground)
        for shape, colour, px, x, y, across, down in things:
            spot = _bounced(x * WIDE + across * second, WIDE - px), _bounced(y * HIGH + down * second, HIGH - px)
            made.paste(colour, spot, mask(shape, px, 0))
        return made

    return at


def _bounced(place: float, room: int) -> int:
    back = place % (2 * room)
    return round(back if back <= room else 2 * room - back)


def slides(rng: random.Random) -> Scene:
    """Pictures that stand still for two or three seconds each, without end."""
    kinds = ("page", "bars", "table", "receipt", "line", "mixed shapes")
    shown, lasts = [_ground(rng, kinds).resize((WIDE, HIGH)) for _ in range(8)], rng.uniform(1.5, 3)
    return lambda second: shown[int(second / lasts) % len(shown)]


def watched(rng: random.Random) -> Scene:
    """A camera that stands still before a full scene, in which one thing moves."""
    return _watched(_ground(rng, ("many shapes", "page", "table")).resize((WIDE, HIGH)), sprites(rng))


def _watched(ground: Image.Image, mover: Scene) -> Scene:

    def at(second: float) -> Image.Image:
        made = ground.copy()
        made.paste(mover(second).resize((80, 60)), (120, 90))
        return made

    return at


SCENES: dict[str, Callable[[random.Random], Scene]] = {
    "a camera moves": panned, "a camera moves fast": hurried, "shapes on an even ground": sprites, "slides": slides,
    "one thing moves": watched,
}  # fmt: skip


def shots(each: int) -> list[Shot]:
    found = []
    for kind, made in SCENES.items():
        for number in range(each):
            rng = random.Random(f"{SEED} {kind} {number}")
            found.append(Shot(kind, made(rng), rng.uniform(*SECONDS)))
    return found


# --- what is done to copies ---------------------------------------------------------------------------------------------

Change = Callable[[Image.Image], Image.Image]


def written(
    shot: Shot,
    file: Path,
    code: str = "mp4v",
    rate: float = RATE,
    start: float = 0,
    end: float = 0,
    change: Change = Image.Image.copy,
) -> Path:
    """A video of a shot without its first and last seconds."""
    times = np.arange(start, shot.seconds - end, 1 / rate)
    return _kept([change(shot.at(float(second))) for second in times], file, code, rate)


def _kept(frames: Sequence[Image.Image], file: Path, code: str, rate: float) -> Path:
    out = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*code), rate, frames[0].size)
    for frame in frames:
        out.write(np.asarray(frame)[:, :, ::-1])
    out.release()
    return file


def spliced(shot: Shot, folder: Path) -> Path:
    """Without its middle third."""
    times = np.arange(0, shot.seconds, 1 / RATE)
    frames = [shot.at(float(t)) for t in times if not shot.seconds / 3 <= t < 2 * shot.seconds / 3]
    return _kept(frames, folder / "spliced.mp4", "mp4v", RATE)


def reversed_(shot: Shot, folder: Path) -> Path:
    times = np.arange(0, shot.seconds, 1 / RATE)[::-1]
    return _kept([shot.at(float(t)) for t in times], folder / "reversed.mp4", "mp4v", RATE)


def longer(shot: Shot, other: Shot, folder: Path) -> Path:
    """Between two pieces of another shot."""
    mine, theirs = ([one.at(float(t)) for t in np.arange(0, one.seconds, 1 / RATE)] for one in (shot, other))
    half = len(theirs) // 2
    return _kept([*theirs[:half], *mine, *theirs[half:]], folder / "longer.mp4", "mp4v", RATE)


def frames_of(shot: Shot, folder: Path) -> Path:
    """A folder of two frames a second."""
    made = folder / "frames"
    made.mkdir()
    for number, second in enumerate(np.arange(0, shot.seconds, 0.5)):
        shot.at(float(second)).save(made / f"{number:03}.jpg", quality=85)
    return made


def animated(shot: Shot, folder: Path) -> Path:
    frames = [shot.at(float(t)).resize((160, 120)) for t in np.arange(0, shot.seconds, 0.2)]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:], duration=200)
    return folder / "a.gif"


def halved(picture: Image.Image) -> Image.Image:
    return picture.resize((WIDE // 2, HIGH // 2), Image.Resampling.BICUBIC)


CHANGES: dict[str, Callable[[Shot, Shot, Path], Path]] = {
    "encoded anew (VP8)": lambda s, o, f: written(s, f / "a.webm", "VP80"),
    "encoded anew (MJPEG, 25 a second)": lambda s, o, f: written(s, f / "a.avi", "MJPG", 25),
    "10 frames a second": lambda s, o, f: written(s, f / "a.mp4", rate=10),
    "half as large, VP8": lambda s, o, f: written(s, f / "a.webm", "VP80", change=halved),
    "grey": lambda s, o, f: written(s, f / "a.mp4", change=lambda p: p.convert("L").convert("RGB")),
    "black bars to 16:9": lambda s, o, f: written(s, f / "a.mp4", change=lambda p: ImageOps.pad(p, (426, HIGH))),
    "without its first 1.3 s": lambda s, o, f: written(s, f / "a.mp4", start=1.3),
    "its middle half": lambda s, o, f: written(s, f / "a.mp4", start=s.seconds / 4 + 0.11, end=s.seconds / 4),
    "its middle half, half as large, 10 a second": lambda s, o, f: written(
        s, f / "a.webm", "VP80", 10, s.seconds / 4 + 0.11, s.seconds / 4, halved
    ),
    "without its middle third": lambda s, o, f: spliced(s, f),
    "between pieces of another": longer,
    "a folder of two frames a second": lambda s, o, f: frames_of(s, f),
    "an animated GIF, half as large": lambda s, o, f: animated(s, f),
    "backwards": lambda s, o, f: reversed_(s, f),
    "mirrored": lambda s, o, f: written(s, f / "a.mp4", change=ImageOps.mirror),
}


def measured(each: int) -> None:
    """Prints two tables: copies that are found, and different clips that are taken for the same, of which there are more."""
    several, begun = shots(each * OTHERS), time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        kept = [followed(written(shot, Path(place) / f"{number}.mp4")) for number, shot in enumerate(several)]
    took, shelf = (time.perf_counter() - begun) / len(several), shelved(kept)
    copied = [number for number in range(len(several)) if number % (each * OTHERS) < each]
    print("| changed | found | of |\n| --- | ---: | ---: |")
    for name, change in CHANGES.items():
        hits = 0
        for number in copied:
            with tempfile.TemporaryDirectory() as folder:
                copy = followed(change(several[number], several[number - 1], Path(folder)))
            hits += any(one.first == number for one in same(shelf, shelved([copy])))
        print(f"| {name} | {hits / len(copied):.1%} | {len(copied)} |", flush=True)
    pairs = [(one.first, one.second) for one in same(shelf, shelf) if one.first < one.second]
    false = Counter(several[a].kind if several[a].kind == several[b].kind else "two kinds" for a, b in pairs)
    within = dict.fromkeys(SCENES, each * OTHERS * (each * OTHERS - 1) // 2)
    total = len(several) * (len(several) - 1) // 2
    print("\n| different clips of | pairs | taken for the same |\n| --- | ---: | ---: |")
    for kind, count in {**within, "two kinds": total - sum(within.values())}.items():
        print(f"| {kind} | {count:,} | {false[kind]} |")
    print(f"| two takes of one scene | {each} | {_takes(each)} |")
    print(f"\n{took:.1f} s a clip, drawn, written and followed; {np.mean([len(one.looks) for one in kept]):.0f} frames of each")


def _takes(each: int) -> int:
    """How many second takes, of a camera that stands still before the same scene, are taken for the first."""
    found = 0
    for number in range(each):
        rng, both = random.Random(f"{SEED} takes {number}"), list[Followed]()
        ground = _ground(rng, ("many shapes", "page", "table")).resize((WIDE, HIGH))
        with tempfile.TemporaryDirectory() as place:
            for take in "ab":
                shot = Shot("takes", _watched(ground, sprites(rng)), 8)
                both.append(followed(written(shot, Path(place) / f"{take}.mp4")))
        found += bool(list(same(shelved(both[:1]), shelved(both[1:]))))
    return found
