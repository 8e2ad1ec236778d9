"""Lists of words as they are read."""

from __future__ import annotations


def words(text: str) -> tuple[str, ...]:
    """Words with space between them."""
    return tuple(text.split())


def pairs(text: str) -> dict[str, str]:
    """Pairs like men:man with space between them."""
    return {first: second for first, _, second in (pair.partition(":") for pair in text.split())}
