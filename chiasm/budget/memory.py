"""Bytes of a request beside the weights: the cache, and the working tensors of the widest layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from chiasm.spec import (
    VQ,
    Block,
    Both,
    ByKind,
    Causal,
    ConvViT,
    Cross,
    Delta,
    Encoder,
    Flat,
    MergingViT,
    Precomputed,
    ResNet,
    Seq2Seq,
    Swin,
    TiledViT,
    ViT,
    WindowedViT,
    Writer,
)

DType = Literal["float32", "bfloat16", "int8"]

BYTES: Mapping[DType, int] = {"float32": 4, "bfloat16": 2, "int8": 1}
"""Of one number. int8 leaves out the scales, which add less than one per cent."""


def cache_bytes(spec: Writer, positions: int, dtype: DType, outside: int = 0) -> int:
    """Keys and values of every position, and of visual tokens outside of the sequence; where there are a source and a target
    each layer of the decoder keeps both's. Layers with a delta rule keep their last channels and, in float32, their state."""
    if isinstance(spec, Seq2Seq):
        return spec.language.target * positions * _held(spec.language.block) * BYTES[dtype]
    fusion = None if spec.sight is None else spec.sight.fusion
    held = len(fusion.before) * outside * _held(fusion.block) if isinstance(fusion, Cross) else 0
    deltas = spec.decoder.deltas
    asking = (spec.decoder.depth - len(deltas)) * positions * _held(spec.decoder.block)
    channels = sum(delta.channels * (delta.kernel - 1) for delta in deltas)
    states = sum(delta.heads * delta.key_width * delta.value_width for delta in deltas)
    return (asking + channels + held) * BYTES[dtype] + states * BYTES["float32"]


def _held(block: Block) -> int:
    return block.kv_heads * (block.head_width + block.value_width)


def request_bytes(spec: Writer, patches: int, prefill: int, positions: int, dtype: DType, outside: int = 0) -> int:
    """Bytes of a request beside the weights: the cache, and the working tensors of the widest layer (an estimate: the
    block's input, its norm, and its projections or the MLP's inner states at once; activations of int8 models are
    bf16)."""
    item = max(BYTES[dtype], 2)
    blocks = map(spec.decoder.block_of, range(spec.decoder.depth)) if isinstance(spec, Causal) else [spec.language.block]
    reading = prefill * max(map(_working, blocks)) * item
    seeing = 0
    if spec.sight is not None and patches:
        encoder = spec.sight.encoder
        raw = 3 * encoder.frames * encoder.patch**2
        seeing = patches * (4 * raw + _seeing(encoder) * item)
    return cache_bytes(spec, positions, dtype, outside) + max(reading, seeing)


def _seeing(encoder: Encoder) -> int:
    """Numbers that the widest layer of an encoder holds for each patch."""
    match encoder:
        case ViT() | WindowedViT() | TiledViT() | Swin():
            return _working(encoder.block)
        case MergingViT(eye, hidden=hidden, side=side):
            return max(_working(eye.block), 2 * eye.width + 2 * hidden // side**2)
        case ByKind():
            return _working(encoder.pictures.block)
        case Both(low, high):
            return max(_working(low.block), _working(high.tower.block))
        case ConvViT():
            return max(3 * encoder.widths[0] * (encoder.patch // 4) ** 2, _working(encoder.block))
        case ResNet():
            return 3 * encoder.stem * (encoder.patch // 2) ** 2
        case VQ():
            return 3 * encoder.stem * encoder.patch**2
        case Flat() | Precomputed():
            return 0


def _working(block: Block) -> int:
    projections = 2 * (block.heads + block.kv_heads) * block.head_width
    if isinstance(block.mixer, Delta):
        # Before and after the convolution, then in float32 for every head.
        mixer = block.mixer
        projections = 2 * mixer.channels + 4 * mixer.heads * (2 * mixer.key_width + mixer.value_width)
    inner = block.mlp_width * (3 if block.mlp == "gated" else 2)
    if block.experts is not None:
        inner = max(inner, 3 * (block.experts.active * block.experts.width + block.experts.shared))
    return 2 * block.width + max(projections, inner)
