"""What services take for tokens, as a person says it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from chiasm.errors import UserError


@dataclass(frozen=True)
class Price:
    """What a service takes for a million tokens that it reads and that it writes, in whatever currency was meant."""

    read: float
    written: float

    def of(self, tokens: Mapping[str, int]) -> float:
        """For tokens by kind."""
        written = tokens.get("generated", 0)
        return (self.read * (sum(tokens.values()) - written) + self.written * written) / 1e6


def prices(said: str | None) -> dict[str, Price]:
    """Prices by model: `MODEL=READ/WRITTEN`, several with commas between them."""
    found = {}
    for one in said.split(",") if said else ():
        name, _, price = one.strip().rpartition("=")
        read, _, written = price.partition("/")
        try:
            found[name] = Price(float(read), float(written))
        except ValueError:
            found[name] = Price(-1, -1)
        if not name or not all(0 <= cost < math.inf for cost in (found[name].read, found[name].written)):
            raise UserError(f"{one.strip()!r} is no price: write MODEL=READ/WRITTEN, each for a million tokens")
    return found
