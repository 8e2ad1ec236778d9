"""Pictures of ordinary kinds, what Pillow makes of them, and what the door says to others."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chiasm.errors import BadPicture
from chiasm.pixels.open import Limits, open_picture

ROOT = Path(__file__).parent.parent

KINDS = [
    ("JPEG", {"quality": 90}),
    ("JPEG", {"progressive": True, "subsampling": 0}),
    ("PNG", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
    ("BMP", {}),
]


def pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def refusal(source: Any, limits: Limits | None = None, name: str | None = None) -> str:
    """The sentence with which both doors refuse, checked to be one that a person can be shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadPicture) as caught:
            open_picture(source, limits or Limits(), name=name)
    error = caught.value
    assert error.__suppress_context__ or error.__context__ is None
    text = str(error)
    assert text.isprintable() and text.endswith(".") and len(text) < 500, text
    assert not re.search(r"PIL\.|Traceback|Error|Errno|\b0x|object at|bytes not processed", text), text
    return text
