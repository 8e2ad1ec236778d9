"""A small C program for what torch has no quick kernel for on a CPU, compiled for this machine on first use.

It needs a C compiler (`cc`, `gcc` or `clang`) and keeps the result in the cache; without one, or with `CHIASM_COMPILE=0`,
torch's own operations do the same. All of it is bf16 in, bf16 out, for inference alone.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from chiasm.errors import UserError
from chiasm.home import home

log = logging.getLogger("chiasm")

SOURCES = tuple(Path(__file__).with_name(name) for name in ("cpu.c", "attend.c"))
LOOSE = ("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-freciprocal-math")
"""What -ffast-math allows, part by part: linked with that flag by its name, a library makes the whole process take numbers near
zero for zero."""
FLAGS = ("-O3", "-march=native", *LOOSE, "-mprefer-vector-width=512", "-fopenmp", "-shared", "-fPIC")

Int, Float = ctypes.c_int64, ctypes.c_float


def program() -> ctypes.CDLL | None:
    """The program; none where it is forbidden or cannot be compiled."""
    return None if os.environ.get("CHIASM_COMPILE") == "0" else _compiled()


def at(tensor: Tensor) -> ctypes.c_void_p:
    """Where a tensor's numbers begin."""
    return ctypes.c_void_p(tensor.data_ptr())


def rms_norm(run: ctypes.CDLL, x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / rms(x) * weight over the last axis."""
    x, out, width = x.contiguous(), torch.empty(x.shape, dtype=x.dtype), x.shape[-1]
    run.rms_norm_rows(at(x), at(weight), at(out), Int(x.numel() // width), Int(width), Float(eps), _threads())
    return out


def turn(run: ctypes.CDLL, heads_BTNF: Tensor, cos_BT1F: Tensor, sin_BT1F: Tensor, count: int) -> None:
    """Turns the first `count` heads of each position, in place."""
    batch, length, heads, width = heads_BTNF.shape
    cos, sin = (part.expand(batch, -1, -1, -1).contiguous() for part in (cos_BT1F, sin_BT1F))
    run.turn_rows(at(heads_BTNF), at(cos), at(sin), *map(Int, (batch * length, heads, count, width)), _threads())


def matrix_vector(run: ctypes.CDLL, weight_SD: Tensor, x_D: Tensor) -> Tensor:
    """W x, [S]."""
    out = torch.empty(len(weight_SD), dtype=weight_SD.dtype)
    run.matrix_vector(at(weight_SD), at(x_D), at(out), *map(Int, weight_SD.shape), _threads())
    return out


def attends(run: ctypes.CDLL, head_width: int) -> bool:
    """Whether this machine has products of bf16 for `attend`, and heads of this width are done."""
    return bool(run.attends(Int(head_width)))


def attend(run: ctypes.CDLL, q_BTNF: Tensor, k_BNTF: Tensor, v_BNTF: Tensor, sees_BTT: Tensor | None) -> Tensor:
    """Attention of a row's queries to its keys, [B, T, N, F]: queries in heads that lie side by side, keys and values laid out
    alike; what each query sees as booleans [B or 1, T, keys], none: the last T keys are its own and nothing later is seen."""
    batch, length, heads, width = q_BTNF.shape
    _, shared, keys, _ = k_BNTF.shape
    out = torch.empty(batch, length, heads, width, dtype=q_BTNF.dtype)
    sees = None if sees_BTT is None else sees_BTT.contiguous()
    steps = (q_BTNF.stride(0), q_BTNF.stride(1), *k_BNTF.stride()[:3], 0 if sees is None or len(sees) == 1 else length * keys)
    assert q_BTNF.stride()[2:] == (width, 1) and k_BNTF.stride() == v_BNTF.stride() and k_BNTF.stride(3) == 1
    given = (at(q_BTNF), at(k_BNTF), at(v_BNTF), None if sees is None else at(sees), at(out))
    if not run.attend(*given, *map(Int, (batch, length, keys, heads, shared, width, *steps)), _threads()):
        raise MemoryError(f"no memory for the attention of {length} positions to {keys}")
    return out


def _threads() -> ctypes.c_int64:
    return Int(torch.get_num_threads())


@cache
def _compiled() -> ctypes.CDLL | None:
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None or platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"):
        return None
    key = "\n".join((*(source.read_text() for source in SOURCES), *FLAGS, compiler, platform.platform(), _processor()))
    try:
        place = home() / "compiled" / f"cpu-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
                made = Path(scratch) / place.name
                build(compiler, FLAGS, made)
                made.replace(place)
        return opened(place)
    except (OSError, UserError, subprocess.SubprocessError) as e:
        log.info("nothing is compiled on this machine: %s", e)
        return None


def build(compiler: str, flags: Sequence[str], out: Path) -> None:
    """Compiles the program for a machine that `flags` describe. Raises `subprocess.SubprocessError` where that fails."""
    command = [compiler, *flags, "-o", str(out), *map(str, SOURCES), "-lm"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def opened(program: Path) -> ctypes.CDLL:
    """A compiled program with the types of what its functions return."""
    run = ctypes.CDLL(str(program))
    run.attends.restype = run.attend.restype = Int
    return run


def _processor() -> str:
    """What the compiler's `native` means here: a cache may be shared by unlike machines."""
    facts = Path("/proc/cpuinfo")
    if not facts.is_file():
        return platform.processor()
    return "".join(line for line in sorted(set(facts.read_text().splitlines())) if line.startswith(("flags", "Features")))
