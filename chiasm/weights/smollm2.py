"""SmolLM2-135M-Instruct as a model folder: the language model that the default model is built around."""

from __future__ import annotations

from pathlib import Path

from . import cache
from .gguf import convert_gguf
from .progress import Progress, shown
from .sources import SMOLLM2, entry_name, fetch

NAME = "smollm2-135m-instruct"


def smollm2_folder(progress: Progress | None = None) -> Path:
    """The folder of SmolLM2-135M-Instruct in bf16, fetched and converted on first use; the GGUF itself is not kept.

    Licence: Apache-2.0. Raises what `fetch` and `convert_gguf` raise.
    """
    if known := cache.usable(NAME):
        return known.folder

    def fill(partial: Path) -> str:
        convert_gguf(fetch(SMOLLM2, progress or shown()), partial)
        return str(SMOLLM2)

    made = cache.build(NAME, fill)
    if cache.entry(entry_name(SMOLLM2)):
        cache.rm(entry_name(SMOLLM2))
    return made.folder
