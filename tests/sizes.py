"""One list of 300 picture sizes (width, height) that every count is held to."""

import random

PRIMES = (2, 3, 5, 7, 11, 13, 29, 61, 127, 251, 509, 1021, 2039, 3989)
STEPS = (28, 56, 112, 224, 336, 364, 384, 512, 672, 1008, 1344, 1456, 2048)


def _sizes() -> list[tuple[int, int]]:
    draw = random.Random(20)
    edges = [(1, 1), (1, 2), (2, 1), (1, 4000), (4000, 1), (1, 200), (200, 1), (1, 201), (201, 1), (4000, 4000), (3, 3999)]
    near = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    exact = [(a + x, b + y) for a, b in zip(STEPS, STEPS[2:], strict=False) for x, y in near]
    square = [(a + x, a + x) for a in STEPS for x in (-1, 0, 1)]
    prime = [(p, q) for p, q in zip(PRIMES, reversed(PRIMES), strict=True)] + [(p, p) for p in PRIMES]
    known = list(dict.fromkeys((*edges, *exact, *square, *prime)))
    while len(known) < 300:
        size = (int(8 * 2 ** draw.uniform(0, 9)), int(8 * 2 ** draw.uniform(0, 9)))
        if size not in known:
            known.append(size)
    return known[:300]


SIZES = _sizes()
FEW = [(w, h) for w, h in SIZES[::12] if w * h <= 10**6 and max(w, h) / min(w, h) <= 200]
"""Those that a tiny encoder is run on."""
