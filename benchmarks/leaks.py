"""What the check for leaks finds of changed pictures, what it takes for near that is not, and how long it takes.

    python benchmarks/leaks.py [--pictures N] [--folder DIR] [--speed] [--clips N]

N pictures of every kind that Chiasm draws (those of DIR beside them), each changed in every way and looked for; then every pair
of different ones. `--clips`: the same of N moving pictures of every kind in benchmarks/moving.py, and of pairs of more of them.
`--speed`: 5,000 evaluation pictures against 100,000, and 100,000 texts against 5,000 questions.
"""

from __future__ import annotations

import argparse
import io
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import moving
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from chiasm.evaluate.leaks.alike import Stack, candidates, near, stacked
from chiasm.evaluate.leaks.looks import Look, look
from chiasm.evaluate.leaks.tables import ENDINGS
from chiasm.evaluate.leaks.texts import Exchange, Texts
from chiasm.pixels.open import open_picture
from chiasm.render import assets, sample
from chiasm.render.sample import KINDS

SEED = 7
EVALUATION, TRAINING, AT_ONCE = 5_000, 100_000, 256
WORDS = [a + b for a in "bdfgklmnprst" for b in ("ab", "an", "el", "er", "is", "it", "ol", "on", "um", "ur")]


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def changed(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return changed


def scaled(across: float, down: float) -> Callable[[Image.Image], Image.Image]:
    return lambda p: p.resize((max(8, round(p.width * across)), max(8, round(p.height * down))), Image.Resampling.BICUBIC)


def cropped(kept: float, place: Callable[[], float]) -> Callable[[Image.Image], Image.Image]:
    def changed(picture: Image.Image) -> Image.Image:
        width, height = round(picture.width * kept), round(picture.height * kept)
        left, top = round((picture.width - width) * place()), round((picture.height - height) * place())
        return picture.crop((left, top, left + width, top + height))

    return changed


def marked(picture: Image.Image) -> Image.Image:
    """A white label over the lower right corner, a quarter as wide and a tenth as high as the picture."""
    made = picture.copy()
    corner = (round(picture.width * 0.75), round(picture.height * 0.9), picture.width, picture.height)
    ImageDraw.Draw(made).rectangle(corner, fill=(255, 255, 255))
    return made


def changes(draw: random.Random) -> dict[str, Callable[[Image.Image], Image.Image]]:
    return {
        "JPEG, quality 75": jpeg(75),
        "JPEG, quality 30": jpeg(30),
        "JPEG, quality 10": jpeg(10),
        "half as large": scaled(0.5, 0.5),
        "a quarter as large": scaled(0.25, 0.25),
        "twice as large": scaled(2, 2),
        "stretched to 4:3": scaled(4 / 3, 1),
        "grey": lambda p: p.convert("L").convert("RGB"),
        "brighter by 30 %": lambda p: ImageEnhance.Brightness(p).enhance(1.3),
        "contrast of 60 %": lambda p: ImageEnhance.Contrast(p).enhance(0.6),
        "blurred by 2 px": lambda p: p.filter(ImageFilter.GaussianBlur(2)),
        "white border of 10 %": lambda p: ImageOps.expand(p, p.width // 10, (255, 255, 255)),
        "black bars to 4:3": lambda p: ImageOps.pad(p, (p.height * 4 // 3, p.height), color=(0, 0, 0)),
        "half, JPEG 50, border": lambda p: ImageOps.expand(jpeg(50)(scaled(0.5, 0.5)(p)), p.width // 20, (0, 0, 0)),
        "cut to 96 % a side": cropped(0.96, draw.random),
        "cut to 90 %, the middle": cropped(0.9, lambda: 0.5),
        "cut to 90 %, anywhere": cropped(0.9, draw.random),
        "cut to 80 %, the middle": cropped(0.8, lambda: 0.5),
        "cut to 80 %, anywhere": cropped(0.8, draw.random),
        "a label in a corner": marked,
        "turned by 2 degrees": lambda p: p.rotate(2, fillcolor=(128, 128, 128)),
        "mirrored": ImageOps.mirror,
    }


def drawn(each: int, folder: Path | None) -> tuple[list[NDArray[np.uint8]], list[str]]:
    """Pictures and what kind each is of."""
    material = assets("train")
    kinds = [kind for kind in KINDS if material.styles or kind not in ("named", "pair", "crowd")]
    pictures = [sample(number, SEED, "train", kind, 224, material).picture for kind in kinds for number in range(each)]
    named = [kind for kind in kinds for _ in range(each)]
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in ENDINGS) if folder else []
    return [*pictures, *(open_picture(file).pixels for file in files)], [*named, *("given" for _ in files)]


def found(one: Look, picture: Image.Image) -> bool:
    other = look(np.asarray(picture))
    first, second = stacked([one]), stacked([other])
    return bool(first and second and near(first, second))


def changed_ones(pictures: Sequence[NDArray[np.uint8]], looks: Sequence[Look | None]) -> None:
    print("| changed | found | of |\n| --- | ---: | ---: |")
    for name, change in changes(random.Random(SEED)).items():
        known = [(one, change(Image.fromarray(p))) for one, p in zip(looks, pictures, strict=True) if one is not None]
        hits = sum(found(one, picture) for one, picture in known)
        print(f"| {name} | {hits / len(known):.1%} | {len(known)} |")


def other_ones(looks: Sequence[Look | None], kinds: Sequence[str]) -> None:
    stack = stacked(looks)
    assert stack
    pairs = [(one.first, one.second) for one in near(stack, stack) if one.first < one.second]
    numbers = Counter(kinds[number] for number in stack.numbers)
    false = Counter(kinds[first] if kinds[first] == kinds[second] else "two kinds" for first, second in pairs)
    within = {kind: count * (count - 1) // 2 for kind, count in numbers.items()}
    total = len(stack.numbers) * (len(stack.numbers) - 1) // 2
    print("\n| different pictures of | pairs | taken for near |\n| --- | ---: | ---: |")
    for kind, count in {**within, "two kinds": total - sum(within.values())}.items():
        print(f"| {kind} | {count:,} | {false[kind]} |")


def timed(looks: Sequence[Look | None]) -> None:
    """Hashes of noise, which are alike as seldom as those of photographs of different things."""
    draw = np.random.default_rng(SEED)
    known = [one for one in looks if one is not None]
    coarse, small = np.stack([one.coarse_VC for one in known]), np.stack([one.small_VHW for one in known])

    def stack(count: int) -> Stack:
        chosen = draw.integers(0, len(known), count)
        bits = draw.integers(0, 2**64, (2, count, 3), np.uint64)
        return Stack(tuple(range(count)), bits[0], bits[1], coarse[chosen], small[chosen])

    first = stack(EVALUATION)
    begun = time.process_time()
    for _ in range(0, TRAINING, AT_ONCE):
        candidates(first, stack(AT_ONCE))
    print(f"\n{EVALUATION:,} pictures against {TRAINING:,}: {time.process_time() - begun:.1f} s of one processor")
    held = sum(part.nbytes for part in (first.waves_NV, first.steps_NV, first.coarse_NVC, first.small_NVHW))
    print(f"held in memory: {held / EVALUATION / 1000:.1f} kB an evaluation picture, nothing of training pictures but a block")
    some = random.Random(SEED)
    texts = [" ".join(some.choices(WORDS, k=20)) for _ in range(EVALUATION)]
    looked_for = Texts([[Exchange(text, ("yes",))] for text in texts], [[] for _ in texts])
    begun = time.process_time()
    for _ in range(0, TRAINING, AT_ONCE):
        rows = [([Exchange(" ".join(some.choices(WORDS, k=20)), (" ".join(some.choices(WORDS, k=80)),))], [])] * AT_ONCE
        looked_for.hits(rows)
    print(f"{EVALUATION:,} questions against {TRAINING:,} rows of 100 words: {time.process_time() - begun:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=20, help="of every kind")
    parser.add_argument("--folder", type=Path, help="pictures of your own beside them")
    parser.add_argument("--clips", type=int, help="of every kind, in place of pictures")
    parser.add_argument("--speed", action="store_true", help="measure time alone")
    given = parser.parse_args()
    if given.clips:
        moving.measured(given.clips)
        return
    pictures, kinds = drawn(given.pictures, given.folder)
    begun = time.process_time()
    looks = [look(picture) for picture in pictures]
    if given.speed:
        print(f"{1000 * (time.process_time() - begun) / len(looks):.1f} ms a picture for its look")
        timed(looks)
        return
    changed_ones(pictures, looks)
    other_ones(looks, kinds)


if __name__ == "__main__":
    main()
