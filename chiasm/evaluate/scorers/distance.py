"""How many characters must change to make one text another."""

from __future__ import annotations

from functools import lru_cache


def levenshtein(first: str, second: str) -> int:
    """Insertions, deletions and substitutions, one column of the table at a time as the bits of a number (Myers 1999, Hyyrö
    2003, doi:10.1145/316542.316550): where it grows by one, and where it falls."""
    if not first or not second:
        return len(first) + len(second)
    places, full = _places(first), (1 << len(first)) - 1
    up, down = full, 0
    for character in second:
        same = places.get(character, 0)
        diagonal = same | down
        across = (((same & up) + up) ^ up) | same
        right = (down | (~(across | up) & full)) << 1 | 1
        up, down = ((up & across) << 1 | ~(diagonal | right)) & full, right & diagonal & full
    return len(second) + up.bit_count() - down.bit_count()


@lru_cache(maxsize=1024)
def _places(text: str) -> dict[str, int]:
    """Where each character stands, as bits; kept, since a text is often compared with several."""
    places: dict[str, int] = {}
    for place, character in enumerate(text):
        places[character] = places.get(character, 0) | 1 << place
    return places
