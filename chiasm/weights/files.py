"""Weights as the ecosystem stores them: a folder of safetensors, one file or shards with an index, read lazily.

Every header is checked against its file before a byte of a tensor is read, so a damaged or dishonest checkpoint is one
clear sentence and never half a model. Pickles are refused by name and by content; `chiasm convert` is the way out.
Format: https://github.com/huggingface/safetensors (8 bytes of length, a JSON header, the tensors' bytes without holes).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chiasm.errors import BadCheckpoint

if TYPE_CHECKING:
    import torch

from chiasm.weights.json_files import read_json

CONFIGS = ("config.json", "open_clip_config.json")
"""What describes a model in its folder; the first that is there is read."""

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
HEADER_LIMIT = 100_000_000

ITEM_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 8),
}


@dataclass(frozen=True)
class Stored:
    """One tensor as its file announces it: nothing of it has been read."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    bytes: int


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in lower-case hexadecimal."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def refuse_foreign(path: Path) -> None:
    """Raises `BadCheckpoint` for a file that is no safetensors file: a pickle, a GGUF, a pointer, or not there."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise BadCheckpoint(f"{path} is a pipe or a device: save the weights to a file first.")
        with path.open("rb") as f:
            start = f.read(64)
    except OSError as e:
        raise BadCheckpoint(f"{path} cannot be read: {e.strerror}.") from None
    if path.suffix.lower() in PICKLES or begins_like_a_pickle(start):
        raise _pickled(path)
    if start[:4] == b"GGUF":
        raise BadCheckpoint(f"{path} is a GGUF file; turn it into a model folder with: chiasm convert {path} OUT")
    if start.startswith(b"version https://git-lfs"):
        raise BadCheckpoint(f"{path} is a Git LFS pointer, not the weights: run `git lfs pull` in its repository.")


def begins_like_a_pickle(start: bytes) -> bool:
    """Whether a file's first bytes are those of a zip or a pickle, and not a header length that happens to look so."""
    return start[8:9] != b"{" and (start[:2] == b"PK" or start[:1] == b"\x80")


def read_header(path: Path) -> dict[str, Stored]:
    """The tensors that a safetensors file announces, each proved to lie inside the file; raises `BadCheckpoint`."""
    refuse_foreign(path)
    size = path.stat().st_size
    with path.open("rb") as f:
        prefix = f.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8:
            raise BadCheckpoint(f"{path} is cut short: it has {size} bytes, less than a safetensors header.")
        if length > HEADER_LIMIT:
            raise BadCheckpoint(f"{path} is not a safetensors file: it announces a header of {length:,} bytes.")
        if 8 + length > size:
            raise BadCheckpoint(f"{path} is cut short: its header takes {8 + length:,} bytes, the file has {size:,}.")
        text = f.read(length)
    try:
        header = json.loads(text, object_pairs_hook=_no_twins)
    except _Twin as e:
        raise BadCheckpoint(f"{path} announces {e.args[0]!r} twice.") from None
    except (ValueError, RecursionError):
        raise BadCheckpoint(f"{path} is not a safetensors file: its header is not valid JSON.") from None
    if not isinstance(header, dict):
        raise BadCheckpoint(f"{path} is not a safetensors file: its header is not a JSON object.")
    header.pop("__metadata__", None)
    return _checked(path, header, size - 8 - length)


class TensorFiles:
    """The tensors of one or several safetensors files, by name; memory-mapped, so only what is asked for is read."""

    def __init__(self, files: Iterable[Path]) -> None:
        """Reads and checks the headers of `files`; raises `BadCheckpoint`."""
        self.files = tuple(files)
        self._stored: dict[str, Stored] = {}
        self._open: dict[Path, Any] = {}
        for file in self.files:
            for name, stored in read_header(file).items():
                if name in self._stored:
                    twin = self._stored[name].file
                    raise BadCheckpoint(f"Tensor {name!r} is in both {twin} and {file}: one of them must go.")
                self._stored[name] = stored

    @classmethod
    def open(cls, folder: Path) -> TensorFiles:
        """The weights of a model folder; raises `BadCheckpoint` where it is no such folder or its parts disagree."""
        if not folder.is_dir():
            raise BadCheckpoint(f"{folder} is not a folder; a folder with config.json and *.safetensors was expected.")
        if not any((folder / name).is_file() for name in CONFIGS):
            raise BadCheckpoint(f"{folder} has no config.json, so it is not a model folder.")
        if (folder / SINGLE).is_file():
            return cls([folder / SINGLE])
        if (folder / INDEX).is_file():
            return cls._sharded(folder)
        found = sorted(folder.glob("*.safetensors"))
        if len(found) == 1:
            return cls(found)
        if found:
            raise BadCheckpoint(f"{folder} has {len(found)} safetensors files but neither {SINGLE} nor {INDEX}.")
        pickles = sorted(f for f in folder.iterdir() if f.suffix.lower() in PICKLES)
        if pickles:
            raise _pickled(pickles[0])
        raise BadCheckpoint(f"{folder} has no weights: neither {SINGLE} nor {INDEX} is in it.")

    @classmethod
    def _sharded(cls, folder: Path) -> TensorFiles:
        index = folder / INDEX
        shard_of = read_json(index).get("weight_map")
        if not isinstance(shard_of, dict) or not shard_of:
            raise BadCheckpoint(f"{index} has no weight_map.")
        for name, shard in shard_of.items():
            if not isinstance(shard, str) or Path(shard).name != shard:
                raise BadCheckpoint(f"{index} places {name!r} in {shard!r}, which is not a file name in the same folder.")
        shards = sorted(set(shard_of.values()))
        missing = [shard for shard in shards if not (folder / shard).is_file()]
        if missing:
            raise BadCheckpoint(f"{index} names {missing[0]}, which is not in the folder ({len(missing)} missing).")
        files = cls(folder / shard for shard in shards)
        for name, shard in shard_of.items():
            if name not in files or files[name].file.name != shard:
                raise BadCheckpoint(f"{index} places {name!r} in {shard}, but that file does not hold it.")
        return files

    def __getitem__(self, name: str) -> Stored:
        """What the headers say of one tensor; raises `BadCheckpoint` for an unknown name."""
        if name not in self._stored:
            places = ", ".join(file.name for file in self.files)
            raise BadCheckpoint(f"No tensor {name!r} in {self.files[0].parent} ({places}).")
        return self._stored[name]

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def bytes(self) -> int:
        """The bytes that all tensors take together, known before any is read."""
        return sum(stored.bytes for stored in self._stored.values())

    def get(self, name: str) -> torch.Tensor:
        """One tensor, a view of the memory-mapped file; raises `BadCheckpoint`."""
        from safetensors import SafetensorError, safe_open

        file = self[name].file
        try:
            if file not in self._open:
                self._open[file] = safe_open(file, framework="pt")
            tensor: torch.Tensor = self._open[file].get_tensor(name)
        except (SafetensorError, OSError):
            raise BadCheckpoint(f"{file} cannot be read at tensor {name!r}: the file is damaged.") from None
        return tensor

    def sha256(self) -> dict[str, str]:
        """The hash of each file, by its name; reads them all."""
        return {file.name: sha256(file) for file in self.files}


def _pickled(path: Path) -> BadCheckpoint:
    way_out = f"take its tensors out with: chiasm convert {path} OUT"
    return BadCheckpoint(f"{path} is a pickle, which can run code when it is loaded, so it is refused; {way_out}")


class _Twin(Exception):
    """A key that a JSON object holds twice."""


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        raise _Twin(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return content


def _checked(path: Path, header: dict[str, Any], data_bytes: int) -> dict[str, Stored]:
    stored: dict[str, Stored] = {}
    spans: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        match entry:
            case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]} if all(
                type(n) is int and n >= 0 for n in shape
            ):
                pass
            case _:
                raise BadCheckpoint(f"{path} announces {name!r} without a valid dtype, shape and place.")
        if dtype not in ITEM_BYTES:
            raise BadCheckpoint(f"{path} holds {name!r} as {dtype}, a kind that is not read.")
        size = prod(shape) * ITEM_BYTES[dtype]
        if end - begin != size:
            said = f"{dtype} {tuple(shape)} takes {size:,} bytes, {end - begin:,} are set aside"
            raise BadCheckpoint(f"{path} has a header that lies about {name!r}: {said}.")
        spans.append((begin, end, name))
        stored[name] = Stored(path, dtype, tuple(shape), size)
    last = 0
    for begin, end, name in sorted(spans):
        if begin != last:
            raise BadCheckpoint(f"{path} has a header that lies: {name!r} begins at {begin:,} instead of {last:,}.")
        last = end
    if last > data_bytes:
        raise BadCheckpoint(f"{path} is cut short: its tensors need {last:,} bytes, only {data_bytes:,} are there.")
    if last < data_bytes:
        raise BadCheckpoint(f"{path} has {data_bytes - last:,} bytes after its last tensor, which nothing announces.")
    return stored
