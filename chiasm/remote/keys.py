"""Keys: read from the environment when a service is called, and taken out of whatever the service says about them."""

from __future__ import annotations

import os
import re

from chiasm.errors import UserError
from chiasm.remote.names import OTHERS, Endpoint

NOBODY = "none"
"""Sent to servers that ask for no key: the clients insist on one."""
_ALIKE = re.compile(r"\b(?:sk|pk|rk|key|AIza)[-_\w*.]{6,}|\bBearer\s+\S+", re.IGNORECASE)
_LONGEST = 300


def key_of(endpoint: Endpoint) -> str:
    """The key of a service. Raises `UserError` where one is needed and not set, or would be sent for others to read."""
    key = os.environ.get(endpoint.variable, "").strip()
    if not key:
        if endpoint.variable == OTHERS:
            return NOBODY
        raise UserError(f"{endpoint.name} needs a key: set the environment variable {endpoint.variable}")
    if not endpoint.private:
        message = (
            f"{endpoint.name} is reached over plain http, where others could read {endpoint.variable}: use https, or unset it"
        )
        raise UserError(message)
    return key


def without(text: str, key: str) -> str:
    """What a service said, on one line, without the key or anything that looks like one."""
    kept = text if key == NOBODY else text.replace(key, "***")
    line = " ".join(_ALIKE.sub("***", kept).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."
