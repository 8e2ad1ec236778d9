"""The arithmetic of SAM's tower, as `work` counts it: convolutions are products, and so is what distances add to scores."""

from __future__ import annotations

from chiasm.spec import Block, Both, Coarsened, WindowedViT


def both(encoder: Both, pictures: int) -> tuple[int, int]:
    """The high view's part of two resolutions: linear and attention."""
    linear, attention = windowed(encoder.high.tower, pictures)
    return linear + pictures * _coarsened(encoder.high), attention


def windowed(encoder: WindowedViT, pictures: int) -> tuple[int, int]:
    """Linear layers and attention of so many pictures."""
    block, cells = encoder.block, encoder.side**2
    linear = 2 * cells * 3 * encoder.patch**2 * block.width + neck(encoder)
    linear += encoder.depth * 2 * cells * block.width * block.mlp_width * (3 if block.mlp == "gated" else 2)
    attention = 0
    for layer in range(encoder.depth):
        projections, scores = _windows(block, encoder.side, encoder.reach(layer))
        linear, attention = linear + projections, attention + scores
    return pictures * linear, pictures * attention


def _windows(block: Block, side: int, reach: int) -> tuple[int, int]:
    """Windows that leave the square are filled with cells that are computed like any other."""
    windows, cells, across = (-(-side // reach)) ** 2, reach**2, block.heads * block.head_width
    distances = 2 * 2 * windows * cells * reach * across
    return 8 * windows * cells * block.width * across, 4 * windows * cells**2 * across + distances


def neck(encoder: WindowedViT) -> int:
    """The two convolutions that leave the tower, of one picture."""
    return 2 * encoder.side**2 * (encoder.block.width * encoder.neck + 9 * encoder.neck**2)


def _coarsened(spec: Coarsened) -> int:
    """The second neck, and two convolutions of stride two after each of both."""
    width, cells = spec.tower.neck, spec.side**2
    return neck(spec.tower) + 2 * (2 * 9 * (4 * cells * width * 2 * width + cells * 2 * width * 4 * width))
