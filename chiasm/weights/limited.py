"""The limited process behind `convert`: the only place in Chiasm where a pickle is read. Run with an order on stdin.

The order is JSON (kind, files with their SHA-256, which of them replace, out, bytes, seconds); the answer is one line of JSON
on stdout.
"""

from __future__ import annotations

import json
import pickle
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chiasm.errors import BadCheckpoint, ChiasmError
from chiasm.weights.gguf import convert_gguf
from chiasm.weights.write import write_folder

WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "module", "params")
MEMORY, FILE, GROWTH = 8 << 30, 1 << 30, 8
LISTED = 1000


def limit(bytes: int, seconds: int) -> None:
    """Limits this process for input of so many bytes: address space, CPU seconds, file size, open files, children."""
    torch.set_num_threads(1)
    if sys.platform == "win32":
        return
    import resource

    statm = Path("/proc/self/statm")
    taken = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
    for what, most in (
        (resource.RLIMIT_AS, taken + MEMORY + GROWTH * bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, FILE + GROWTH * bytes),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def unpickle(file: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The tensors of a pickled checkpoint and the names of what is no tensor; raises `BadCheckpoint`."""
    with file.open("rb") as f:
        start = f.read(2)
        zipped = start == b"PK"
        f.seek(0)
        by_path = zipped and file.suffix != ".safetensors"  # torch goes by that suffix whatever the file holds.
        try:
            content = torch.load(file if by_path else f, map_location="cpu", weights_only=True, mmap=by_path)
        except pickle.UnpicklingError as e:
            raise (
                _refused(file, str(e)) if zipped or start[:1] == b"\x80" or "GLOBAL" in str(e) else _unreadable(file)
            ) from None
        except Exception:  # Whatever a damaged file makes torch raise; a decoder's own words are never shown.
            raise _unreadable(file) from None
    return flat(file, content)


def unpack(file: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The arrays of a .npz file as tensors, and the names of what is no array of numbers; raises `BadCheckpoint`. None of them
    is a pickle: those are left unread."""
    tensors: dict[str, torch.Tensor] = {}
    dropped: list[str] = []
    try:
        with np.load(file, allow_pickle=False) as arrays:
            for name in arrays.files:
                try:
                    tensors[name] = torch.from_numpy(np.ascontiguousarray(arrays[name]))
                except (ValueError, TypeError):
                    dropped.append(name)
    except MemoryError:
        raise
    except Exception:  # Whatever a damaged file makes numpy raise; a decoder's own words are never shown.
        raise BadCheckpoint(f"{file} is no file of arrays that numpy can read: damaged, cut short or another format.") from None
    if not tensors:
        raise BadCheckpoint(f"{file} holds no arrays of numbers; it has: {', '.join(dropped[:8]) or 'nothing'}.")
    return tensors, dropped


def flat(file: Path, content: object) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The tensors by name, out of their wrappers, and what was left out; raises `BadCheckpoint` where none are left."""
    dropped: list[str] = []
    prefix = ""
    while isinstance(content, Mapping) and not any(isinstance(leaf, torch.Tensor) for leaf in content.values()):
        inner = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        dropped += [f"{prefix}{key}" for key in content if key != inner]
        prefix += f"{inner}."
        content = content[inner]
    if not isinstance(content, Mapping):
        raise BadCheckpoint(f"{file} holds a {type(content).__name__}; a dictionary of tensors was expected.")
    tensors: dict[str, torch.Tensor] = {}
    for key, leaf in content.items():
        if isinstance(key, str) and isinstance(leaf, torch.Tensor):
            tensors[key] = _plain(file, key, leaf)
        else:
            dropped.append(f"{prefix}{key}")
    if not tensors:
        raise BadCheckpoint(f"{file} holds no tensors by name; it has: {', '.join(dropped[:8]) or 'nothing'}.")
    return tensors, dropped


def obey(order: Mapping[str, Any]) -> list[str]:
    """Does what the order says; returns the names of what was left out."""
    out = Path(order["out"])
    if order["kind"] == "gguf":
        (file,) = order["files"]
        convert_gguf(Path(file), out)
        return []
    tensors: dict[str, torch.Tensor] = {}
    dropped: list[str] = []
    for file in order["files"]:
        more, left_out = unpack(Path(file)) if order["kind"] == "arrays" else unpickle(Path(file))
        if (twins := more.keys() & tensors.keys()) and file not in order["later"]:
            raise BadCheckpoint(f"{file} holds {min(twins)!r}, which another file of the same folder holds too.")
        tensors |= more
        dropped += left_out
    names = ", ".join(Path(file).name for file in order["files"])
    write_folder(out, tensors, {"source": names, "source_sha256": ", ".join(order["files"].values())})
    return dropped


def main() -> None:
    """Reads the order, limits itself, obeys, answers."""
    order = json.load(sys.stdin)
    limit(order["bytes"], order["seconds"])
    try:
        answer: dict[str, Any] = {"dropped": obey(order)[:LISTED]}
    except ChiasmError as e:
        answer = {"error": str(e)}
    except MemoryError:
        answer = {"error": f"{next(iter(order['files']))} needs more memory than a file of its size should."}
    print(json.dumps(answer))


def _plain(file: Path, key: str, tensor: torch.Tensor) -> torch.Tensor:
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise BadCheckpoint(f"{file} holds {key!r} as a sparse or quantised tensor, which safetensors cannot keep.")
    return tensor.detach()


def _unreadable(file: Path) -> BadCheckpoint:
    return BadCheckpoint(f"{file} is not a checkpoint that torch can read: damaged, cut short or another format.")


def _refused(file: Path, said: str) -> BadCheckpoint:
    wanted = re.search(r"GLOBAL ([\w.]+)", said)
    what = f"it asks for {wanted[1]}" if wanted else "it asks for more than tensors"
    return BadCheckpoint(f"{file} is refused: {what}, which weights never need, and nothing of it was run.")


if __name__ == "__main__":
    main()
