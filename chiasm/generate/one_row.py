"""The compiled way to read one token of one row: a C program of its own for the whole stack of blocks.

Decoding a small model on a CPU waits for the launching of kernels more than for memory. Where a C compiler is there,
`one_row.c` is compiled once for this machine, kept in the cache, and a decoder's blocks are run by it whenever a single row
without pads reads a single token; everything else goes through the modules. Weights are then held twice: in the layout of
the products for many rows, and here.
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
from functools import cache as once
from pathlib import Path

import torch
from torch import Tensor, nn

from chiasm.language.decoder import CausalDecoder
from chiasm.layers.attention import Attention
from chiasm.layers.block import TransformerBlock
from chiasm.layers.cache import KVCache
from chiasm.layers.mlp import GatedMLP
from chiasm.layers.norm import RMSNorm
from chiasm.layers.rope import Turn
from chiasm.spec import Decoder
from chiasm.weights import cache

log = logging.getLogger("chiasm")

SOURCE = Path(__file__).with_name("one_row.c")
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC")
PARTS = ("norm1", "q", "k", "v", "q_bias", "k_bias", "v_bias", "out", "out_bias", "norm2", "gate", "up", "down")


class _Layer(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in PARTS)


class _Sizes(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("layers", "width", "heads", "kv_heads", "head_width", "hidden", "threads")),
        ("eps", ctypes.c_float),
    )


class OneRow:
    """A decoder's blocks for one token of one row: bf16, on the CPU, RMSNorm and gated SiLU."""

    def __init__(self, spec: Decoder, parts: list[dict[str, Tensor]], program: ctypes.CDLL) -> None:
        block = self._block = spec.block
        self._run = program.one_row
        self._weights, self._layers = _laid(parts)
        self._sizes = _Sizes(
            len(parts), block.width, block.heads, block.kv_heads, block.head_width, block.mlp_width, 1, block.norm.eps
        )
        across, shared = block.heads * block.head_width, block.kv_heads * block.head_width
        self._floats = block.width + across + 2 * shared
        self._halves = 2 * across + block.mlp_width

    def __call__(self, hidden_BTD: Tensor, by: Turn, cache: KVCache) -> Tensor:
        """What the blocks make of [1, 1, D]; the cache, already advanced, gets the position's keys and values."""
        threads = torch.get_num_threads()
        self._sizes.threads = threads
        out, cos, sin = hidden_BTD.clone(), by.cos.float(), by.sin.float()
        floats = torch.empty(self._floats + threads * (max(self._block.width, cache.length) + 512))
        halves = torch.empty(self._halves + threads * self._block.width, dtype=torch.bfloat16)
        self._run(
            ctypes.byref(self._sizes), self._layers, *(_at(tensor) for tensor in (out, cos, sin, cache.keys, cache.values)),
            ctypes.c_int64(cache.room), ctypes.c_int64(cache.length), _at(floats), _at(halves),
        )  # fmt: skip
        return out


def attach(decoder: CausalDecoder) -> bool:
    """Lets a decoder read single tokens the compiled way, if it is of the kind and this machine can; before `prepare`,
    which lays the weights out anew. `CHIASM_COMPILE=0` forbids it. True where it was done."""
    parts = [part for block in decoder.blocks if (part := _parts(block)) is not None]
    if os.environ.get("CHIASM_COMPILE") == "0" or len(parts) < len(decoder.blocks):
        return False
    program = compiled()
    if program is None:
        return False
    decoder.one_row = OneRow(decoder.spec, parts, program)
    return True


@once
def compiled() -> ctypes.CDLL | None:
    """The program, compiled for this very kind of machine on first use; none where that cannot be done."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None or platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"):
        return None
    key = "\n".join((SOURCE.read_text(), *FLAGS, compiler, platform.platform(), _processor()))
    place = cache.home() / "compiled" / f"one_row-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    try:
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
                made = Path(scratch) / place.name
                subprocess.run(
                    [compiler, *FLAGS, "-o", str(made), str(SOURCE), "-lm"], check=True, capture_output=True, timeout=60
                )
                made.replace(place)
        return ctypes.CDLL(str(place))
    except (OSError, subprocess.SubprocessError) as e:
        log.info("decoding is not compiled on this machine: %s", e)
        return None


def _processor() -> str:
    """What the compiler's `native` means here: a cache may be shared by unlike machines."""
    facts = Path("/proc/cpuinfo")
    if not facts.is_file():
        return platform.processor()
    return "".join(line for line in sorted(set(facts.read_text().splitlines())) if line.startswith(("flags", "Features")))


def _parts(block: nn.Module) -> dict[str, Tensor] | None:
    """A block's weights under the program's names, absent biases left out; none if the program does not do such a block."""
    match block:
        case TransformerBlock(
            norm1=RMSNorm(weight=norm1),
            attention=Attention(q=nn.Linear() as q, k=nn.Linear() as k, v=nn.Linear() as v, out=nn.Linear() as out),
            norm2=RMSNorm(weight=norm2),
            mlp=GatedMLP(gate=nn.Linear() as gate, up=nn.Linear() as up, down=nn.Linear() as down) as mlp,
        ):
            biased = len(list(mlp.parameters())) > 3
            if biased or mlp.act is not nn.functional.silu:
                return None
            if q.weight.device.type != "cpu" or q.weight.dtype != torch.bfloat16:
                return None
            found = {"norm1": norm1, "norm2": norm2, "gate": gate.weight, "up": up.weight, "down": down.weight}
            for name, layer in (("q", q), ("k", k), ("v", v), ("out", out)):
                found |= {name: layer.weight} if layer.bias is None else {name: layer.weight, f"{name}_bias": layer.bias}
            return {name: found[name].detach() for name in PARTS if name in found}
    return None


def _laid(parts: list[dict[str, Tensor]]) -> tuple[Tensor, ctypes.Array[_Layer]]:
    """All weights behind one another in the order in which they are read, and where each begins."""
    flat = torch.cat([tensor.flatten() for part in parts for tensor in part.values()])
    layers, at = (_Layer * len(parts))(), flat.data_ptr()
    for layer, part in zip(layers, parts, strict=True):
        for name, tensor in part.items():
            setattr(layer, name, at)
            at += 2 * tensor.numel()
    return flat, layers


def _at(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
