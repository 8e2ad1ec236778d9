"""How many characters must change to make one text another."""

from __future__ import annotations


def levenshtein(first: str, second: str) -> int:
    """Insertions, deletions and substitutions, one column of the table at a time as the bits of a number (Myers 1999, Hyyrö
    2003, doi:10.1145/316542.316550)."""
    if not first or not second:
        return len(first) + len(second)
    places: dict[str, int] = {}
    for place, character in enumerate(first):
        places[character] = places.get(character, 0) | 1 << place
    full, last, distance = (1 << len(first)) - 1, 1 << (len(first) - 1), len(first)
    up, down = full, 0
    for character in second:
        same = places.get(character, 0)
        diagonal = same | down
        across = (((same & up) + up) ^ up) | same
        right, left = down | (~(across | up) & full), up & across
        distance += bool(right & last) - bool(left & last)
        right, left = (right << 1) | 1, left << 1
        up, down = (left | ~(diagonal | right)) & full, right & diagonal & full
    return distance
