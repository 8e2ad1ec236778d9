"""What a model that is not ours has cost."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Bill:
    """What an assistant has cost so far: requests that a service answered, answers that were at hand, and tokens as counted by
    the service."""

    requests: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0

    def __add__(self, other: Bill) -> Bill:
        return Bill(*map(sum, zip(astuple(self), astuple(other), strict=True)))
