"""The compiled way to read one token of one row: all blocks of a decoder by one C function (`layers/cpu.c`).

Decoding a small model on a CPU waits for the launching of kernels more than for memory. Where the program can be compiled,
a decoder's blocks are run by it whenever a single row without pads reads a single token; everything else goes through the
modules. Weights are then held twice: in the layout of the products for many rows, and here.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor, nn

from chiasm.language.decoder import CausalDecoder
from chiasm.layers import cpu
from chiasm.layers.attention import Attention
from chiasm.layers.block import TransformerBlock
from chiasm.layers.cache import KVCache
from chiasm.layers.cpu import Int, at
from chiasm.layers.mlp import GatedMLP
from chiasm.layers.norm import RMSNorm
from chiasm.layers.rope import Turn
from chiasm.spec import Attends, Decoder, Rope, Scores

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
            ctypes.byref(self._sizes), self._layers, *(at(tensor) for tensor in (out, cos, sin, cache.keys, cache.values)),
            Int(cache.room), Int(cache.length), at(floats), at(halves),
        )  # fmt: skip
        return out


def attach(decoder: CausalDecoder) -> bool:
    """Lets a decoder read single tokens the compiled way, if it is of the kind and this machine can; before `prepare`,
    which lays the weights out anew. True where it was done."""
    if not usual(decoder.spec):
        return False
    parts = [part for block in decoder.blocks if (part := _parts(block)) is not None]
    program = cpu.program()
    if program is None or len(parts) < len(decoder.blocks):
        return False
    decoder.one_row = OneRow(decoder.spec, parts, program)
    return True


def usual(spec: Decoder) -> bool:
    """Whether a decoder is of the kind at all: heads turned whole and scored as usual, one window for all layers."""
    block, rope = spec.block, spec.rope
    plain = block.scores == Scores() and block.qk_norm is None and block.latent is None and block.experts is None
    plain = plain and block.mixer == Attends() and not spec.turns
    turned = isinstance(rope, Rope) and rope.share == 1 and rope.calm is None
    return plain and turned and block.norms == "before" and spec.full_every is None and spec.inner == spec.width


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
    layers, place = (_Layer * len(parts))(), flat.data_ptr()
    for layer, part in zip(layers, parts, strict=True):
        for name, tensor in part.items():
            setattr(layer, name, place)
            place += 2 * tensor.numel()
    return flat, layers
