"""The arithmetic of encoders, as `work` counts it."""

from __future__ import annotations

from collections.abc import Sequence

from chiasm.budget.blocks import attention_of, linear_of
from chiasm.budget.codes import tokenized
from chiasm.budget.residual import residual
from chiasm.budget.shifted import shifted
from chiasm.budget.vit import merging_vit, tiled_vit, vit
from chiasm.budget.windowed import both, windowed
from chiasm.place import Grid
from chiasm.spec import (
    VQ,
    Both,
    ByKind,
    ConvViT,
    Encoder,
    Flat,
    MergingViT,
    Precomputed,
    ResNet,
    Swin,
    TiledViT,
    ViT,
    WindowedViT,
)


def encoded_by(encoder: Encoder, grids: Sequence[Grid]) -> tuple[int, int]:
    """Linear layers and attention of the encoder over those grids of patches."""
    match encoder:
        case ViT():
            return vit(encoder, grids)
        case MergingViT():
            return merging_vit(encoder, grids)
        case Both():
            (a, b), (c, d) = vit(encoder.low, grids[::2]), both(encoder, len(grids) // 2)
            return a + c, b + d
        case ConvViT():
            return _conv_vit(encoder, grids)
        case ByKind(pictures, clips):
            towers = ((pictures, [g for g in grids if not g.moves]), (clips, [g for g in grids if g.moves]))
            (a, b), (c, d) = (vit(*tower) for tower in towers)
            return a + c, b + d
        case TiledViT():
            return tiled_vit(encoder, grids)
        case VQ():
            return tokenized(encoder, grids)
        case WindowedViT():
            return windowed(encoder, len(grids))
        case ResNet():
            return residual(encoder, grids), 0
        case Swin():
            return shifted(encoder, grids)
        case Precomputed() | Flat():
            return 0, 0


def _conv_vit(encoder: ConvViT, grids: Sequence[Grid]) -> tuple[int, int]:
    fine, middle, coarse = encoder.widths
    per = encoder.patch
    linear = attention = 0
    for grid in grids:
        at_4, at_8, at_16 = (grid.cells * (per // stride) ** 2 for stride in (4, 8, 16))
        maps = 9 * 12 * fine * at_4
        maps += 9 * fine * middle * at_8 + 18 * middle * middle * encoder.convs[0] * at_8
        maps += 4 * middle * coarse * at_16 + 18 * coarse * coarse * encoder.convs[1] * at_16
        tokens = (per // 16) ** 2 * coarse * encoder.block.width * grid.cells
        linear += 2 * (maps + tokens) + encoder.depth * linear_of(encoder.block, grid.cells)
        attention += encoder.depth * attention_of(encoder.block, grid.cells**2)
    return linear, attention
