"""The way out of pickles: tensors only, read in a limited process, written as safetensors with the source's hash.

The reading is torch's own restricted one (`weights_only`), which calls nothing that a file names. Because that too has
had holes (CVE-2025-32434), it happens in a process without the caller's environment, with limits on memory, time, files
and children, whose only product is a safetensors file that is checked like any other. A GGUF goes the same way.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chiasm.errors import BadCheckpoint, UserError, need
from chiasm.weights.files import PICKLES, SINGLE, TensorFiles, begins_like_a_pickle, read_header, sha256

SIDE_FILES = (".json", ".txt", ".jinja", ".model")
NOT_WEIGHTS = ("training_args", "optimizer", "scheduler", "rng_state", "scaler")
KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")
SECONDS, BYTES_PER_SECOND = 120, 10_000_000


@dataclass(frozen=True)
class Converted:
    """What `convert` wrote, and the names of what it left out because it is no tensor."""

    path: Path
    tensors: int
    bytes: int
    dropped: tuple[str, ...]


def convert(source: Path, out: Path, *later: Path) -> Converted:
    """Converts a pickled checkpoint (a file, or a folder of shards with its config), a GGUF file or an .npz to safetensors.

    `later` are pickles of a training's later stages, which hold what changed: their tensors replace those of the same names.

    `out` is a new folder, or for one file without a config a new file that ends in .safetensors. Tensors that share storage are
    written apart; `{"state_dict": ...}` and its like are opened; what is no tensor is left out and listed.

    Raises `BadCheckpoint` where the source is none of these, is damaged or wants more than tensors, and `UserError`
    where `out` exists. Nothing half-written stays.
    """
    if out.exists():
        raise UserError(f"{out} exists already; name a new folder (or remove it).")
    kind, files = _what(source)
    for stage in later:
        if kind != "pickle" or stage.is_dir() or _what(stage)[0] != "pickle":
            raise UserError(f"{source} and {stage} cannot be joined: stages of a training are files that are pickles.")
    if kind == "gguf":
        need("gguf", extra="gguf")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        dropped = _run(source, kind, files, later, made, Path(scratch))
        written = TensorFiles(sorted(made.glob("*.safetensors")))
        if out.suffix == ".safetensors":
            _only_file(out, made).replace(out)
        else:
            if source.is_dir():
                _copy_side_files(source, made)
            made.replace(out)
        return Converted(out, len(written), written.bytes, dropped)


def _what(source: Path) -> tuple[str, list[Path]]:
    if source.is_dir():
        files = sorted(f for f in source.iterdir() if f.suffix in PICKLES and not f.name.startswith(NOT_WEIGHTS))
        if not files:
            raise BadCheckpoint(f"{source} holds no pickled weights ({', '.join(sorted(PICKLES))}) to convert.")
        return "pickle", files
    if source.exists() and not source.is_file():
        raise BadCheckpoint(f"{source} is a pipe or a device: save the weights to a file first.")
    try:
        with source.open("rb") as f:
            start = f.read(16)
    except OSError as e:
        raise BadCheckpoint(f"{source} cannot be read: {e.strerror}.") from None
    if start[:4] == b"GGUF" or source.suffix == ".gguf":
        return "gguf", [source]
    if source.suffix == ".npz":
        return "arrays", [source]
    if source.suffix == ".safetensors" and not begins_like_a_pickle(start):
        read_header(source)
        raise UserError(f"{source} is safetensors already: there is nothing to convert.")
    return "pickle", [source]


def _run(source: Path, kind: str, files: list[Path], later: Sequence[Path], made: Path, scratch: Path) -> tuple[str, ...]:
    files = [*files, *later]
    size = sum(file.stat().st_size for file in files)
    seconds = SECONDS + size // BYTES_PER_SECOND
    order = {
        "kind": kind,
        "files": {str(file.absolute()): sha256(file) for file in files},
        "later": [str(file.absolute()) for file in later],
        "out": str(made.absolute()),
        "bytes": size,
        "seconds": seconds,
    }
    environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
    environment |= {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "HOME": str(scratch)}
    environment |= {"TMPDIR": str(scratch), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", "-s", "-m", "chiasm.weights.limited"]
    try:
        run = subprocess.run(
            command,
            input=json.dumps(order).encode(),
            capture_output=True,
            env=environment,
            cwd=scratch,
            timeout=2 * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BadCheckpoint(f"{source} took more than {2 * seconds} seconds to read, so it was given up.") from None
    try:
        answer = json.loads(run.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise BadCheckpoint(f"{source} cannot be read within the limits set for it (memory, time, size).") from None
    if "error" in answer:
        raise BadCheckpoint(answer["error"])
    return tuple(answer["dropped"])


def _only_file(out: Path, made: Path) -> Path:
    if (made / SINGLE).is_file():
        return made / SINGLE
    raise UserError(f"{out} cannot be one file: these weights need several. Name a folder instead.")


def _copy_side_files(source: Path, made: Path) -> None:
    for file in source.iterdir():
        if file.suffix in SIDE_FILES and not file.name.endswith(".index.json") and not (made / file.name).exists():
            shutil.copyfile(file, made / file.name)
