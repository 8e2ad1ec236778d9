"""Weights written so that a reader sees all of a file or nothing: beside, synced, renamed into place."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chiasm.weights.files import INDEX, SINGLE, sha256

if TYPE_CHECKING:
    import torch

MANIFEST = "manifest.json"
SHARD_BYTES = 2_000_000_000


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`; synced and renamed to it when the block ends well, removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as f:
            os.fsync(f.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON object atomically, as people read it: indented, non-ASCII kept."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_safetensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Writes tensors atomically; ones that share storage are stored apart, as safetensors demands."""
    from safetensors.torch import save_file

    with replacing(path) as part:
        save_file(_apart(tensors), part, {"format": "pt", **(metadata or {})})


def write_folder(
    folder: Path,
    tensors: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str] | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> list[Path]:
    """Writes `model.safetensors`, or shards with an index where the tensors exceed `shard_bytes`; returns the files."""
    sizes = {name: tensor.nbytes for name, tensor in tensors.items()}
    return write_lazily(folder, sizes, tensors.__getitem__, metadata, shard_bytes)


def write_lazily(
    folder: Path,
    sizes: Mapping[str, int],
    make: Callable[[str], torch.Tensor],
    metadata: Mapping[str, str] | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> list[Path]:
    """As `write_folder`, with tensors made when their shard is written: `sizes` has the bytes of each, in order."""
    shards = _shards(sizes, shard_bytes)
    if len(shards) == 1:
        files = [folder / SINGLE]
    else:
        files = [folder / f"model-{n:05d}-of-{len(shards):05d}.safetensors" for n in range(1, len(shards) + 1)]
    for file, shard in zip(files, shards, strict=True):
        write_safetensors(file, {name: make(name) for name in shard}, metadata)
    if len(shards) > 1:
        weight_map = {name: file.name for file, shard in zip(files, shards, strict=True) for name in shard}
        write_json(folder / INDEX, {"metadata": {"total_size": sum(sizes.values())}, "weight_map": weight_map})
    return files


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Writes `manifest.json`: the given facts, and the bytes and SHA-256 of every other file below `folder`."""
    files = {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in files_below(folder)
    }
    write_json(folder / MANIFEST, {**facts, "files": files})


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder but its manifest, sorted."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and file != folder / MANIFEST)


def _apart(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    seen: set[int] = set()
    apart: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        whole = tensor.detach().cpu().contiguous()
        storage = whole.untyped_storage()
        alone = storage.data_ptr() not in seen and storage.nbytes() == whole.nbytes
        seen.add(storage.data_ptr())
        apart[name] = whole if alone else whole.clone()
    return apart


def _shards(sizes: Mapping[str, int], shard_bytes: int) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes.items():
        if shards[-1] and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
