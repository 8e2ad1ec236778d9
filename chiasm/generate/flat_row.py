"""One token of one row by torch alone: all blocks of a prepared decoder in one function, without the modules between.

A token of a small model on a CPU waits for Python as long as for memory: of the time beside its products a third goes to
modules that call modules. Where the compiled program (`one_row`) is not to be had, a decoder's blocks are run by this, bit for
bit as they would run themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.generate.one_row import usual
from chiasm.language.decoder import CausalDecoder
from chiasm.layers.attention import Attention
from chiasm.layers.block import TransformerBlock
from chiasm.layers.cache import KVCache
from chiasm.layers.linear import Packed
from chiasm.layers.mlp import GatedMLP, PackedGate
from chiasm.layers.norm import RMSNorm, rms_by_rows
from chiasm.layers.rope import Turn, rotate
from chiasm.spec import Block


@dataclass(frozen=True, slots=True)
class _Layer:
    norm1: Tensor
    qkv: Packed
    out: Packed
    norm2: Tensor
    gate: Packed
    up: Packed
    down: Packed


class FlatRow:
    """A decoder's blocks for one token of one row: bf16, on the CPU, RMSNorm and gated SiLU.

    Layers' own methods are called, not the layers: a call of a module costs as much as a small product.
    """

    def __init__(self, block: Block, layers: list[_Layer]) -> None:
        self._block, self._layers = block, layers

    def __call__(self, hidden_BTD: Tensor, by: Turn, cache: KVCache) -> Tensor:
        """What the blocks make of [1, 1, D]; the cache, already advanced, gets the position's keys and values."""
        block, eps, end = self._block, self._block.norm.eps, cache.length
        parts = (block.heads, block.kv_heads, block.kv_heads)
        keys, values = (kept[:, :, :, :end].unbind() for kept in (cache.keys, cache.values))
        new_keys, new_values = (kept[:, :, :, end - 1].unsqueeze(2).unbind() for kept in (cache.keys, cache.values))
        x_11D = hidden_BTD
        for number, layer in enumerate(self._layers):
            heads_11NF = layer.qkv.forward(rms_by_rows(x_11D, layer.norm1, eps)).view(1, 1, sum(parts), block.head_width)
            turned_11NF, v_11NF = heads_11NF.split_with_sizes((parts[0] + parts[1], parts[2]), 2)
            q_11NF, k_11NF = rotate(turned_11NF, by).split_with_sizes(parts[:2], 2)
            new_keys[number].copy_(k_11NF)
            new_values[number].copy_(v_11NF)
            # Heads that share keys are as many queries of one head.
            q_1NTF = q_11NF.view(1, block.kv_heads, -1, block.head_width)
            mixed_11D = F.scaled_dot_product_attention(q_1NTF, keys[number], values[number]).view(1, 1, -1)
            x_11D = layer.out.plus(mixed_11D, x_11D)
            normed_11D = rms_by_rows(x_11D, layer.norm2, eps)
            x_11D = layer.down.plus(layer.up.times(normed_11D, layer.gate.silu(normed_11D)), x_11D)
        return x_11D


def attach(decoder: CausalDecoder) -> bool:
    """Lets a prepared decoder read single tokens this way, if it is of the kind. True where it was done."""
    layers = [layer for block in decoder.blocks if (layer := _layer(block)) is not None]
    if not usual(decoder.spec) or len(layers) < len(decoder.blocks):
        return False
    decoder.one_row = FlatRow(decoder.spec.block, layers)
    return True


def _layer(block: nn.Module) -> _Layer | None:
    """A prepared block's parts; none of one that is computed otherwise."""
    match block:
        case TransformerBlock(
            norm1=RMSNorm(weight=norm1, run=None),
            attention=Attention(qkv=Packed() as qkv, out=Packed() as out, norm=None, bias_k=None),
            norm2=RMSNorm(weight=norm2, run=None),
            mlp=GatedMLP(gated=PackedGate(gate=gate, up=up), down=Packed() as down, norm=None),
            scale1=None,
            scale2=None,
        ):
            return _Layer(norm1.detach(), qkv, out, norm2.detach(), gate, up, down)
    return None
