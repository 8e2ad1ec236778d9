"""The default model's eye: a dense convolutional pyramid, then a few transformer blocks over one token per 32 px."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class ConvEye:
    """Sizes of a `ConvEyeModel`.

    Attributes:
        widths: channels at strides 4, 8 and 16.
        blocks: residual blocks (two 3x3 convolutions each) at strides 8 and 16.
        width: features of a visual token, at stride 32.
        depth: transformer blocks over the tokens.
        heads: attention heads of a block.
        ratio: hidden width of a block's MLP over its width.
        side: the largest picture, in pixels a side; a multiple of 32.
    """

    widths: tuple[int, int, int] = (64, 192, 320)
    blocks: tuple[int, int] = (2, 2)
    width: int = 448
    depth: int = 4
    heads: int = 7
    ratio: int = 2
    side: int = 224

    @property
    def grid(self) -> int:
        """Tokens along a side of the largest picture."""
        return self.side // STRIDE


STRIDE = 32
"""Pixels a side that one visual token stands for."""


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of maps_BCHW; free of the batch, hence the same in training and in use."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        last = maps_BCHW.permute(0, 2, 3, 1)
        return F.layer_norm(last, last.shape[-1:], self.weight, self.bias).permute(0, 3, 1, 2)


class Residual(nn.Module):
    """x + conv(relu(conv(norm(x)))), both 3x3 and dense: on AMX these cost less than anything depthwise."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.expand, self.contract = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        out: Tensor = maps_BCHW + self.contract(F.relu(self.expand(self.norm(maps_BCHW))))
        return out


class Block(nn.Module):
    """A pre-norm transformer block over features_BVE."""

    def __init__(self, width: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)

    def forward(self, x_BVE: Tensor) -> Tensor:
        B, V, E = x_BVE.shape
        qkv = self.qkv(self.norm_attention(x_BVE)).view(B, V, 3, self.heads, E // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        # Plain products: on a CPU the backward of scaled_dot_product_attention takes twice their time in bf16.
        mixed = ((q * self.scale) @ k.transpose(-1, -2)).softmax(-1) @ v
        x_BVE = x_BVE + self.out(mixed.transpose(1, 2).reshape(B, V, E))
        out: Tensor = x_BVE + self.down(F.relu(self.up(self.norm_mlp(x_BVE))))
        return out


class ConvEyeModel(nn.Module):
    """Pixels to visual tokens."""

    def __init__(self, sizes: ConvEye) -> None:
        super().__init__()
        self.sizes = sizes
        fine, middle, coarse = sizes.widths
        self.stem = nn.Conv2d(12, fine, 3, stride=2, padding=1)
        self.to_middle = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.middle = nn.Sequential(*(Residual(middle) for _ in range(sizes.blocks[0])))
        self.to_coarse = nn.Conv2d(middle, coarse, 2, stride=2)
        self.coarse = nn.Sequential(*(Residual(coarse) for _ in range(sizes.blocks[1])))
        self.norm_coarse = ChannelNorm(coarse)
        self.to_tokens = nn.Conv2d(coarse, sizes.width, 2, stride=2)
        self.position = nn.Parameter(0.02 * torch.randn(sizes.grid, sizes.grid, sizes.width))
        self.tokens = nn.Sequential(*(Block(sizes.width, sizes.heads, sizes.ratio) for _ in range(sizes.depth)))
        self.norm = nn.LayerNorm(sizes.width)
        self.apply(_start)

    def local(self, pixels_BCHW: Tensor) -> Tensor:
        """Maps at stride 8, (B, widths[1], H / 8, W / 8); each place sees about 80 px around it."""
        x = F.pixel_unshuffle(pixels_BCHW, 2).contiguous(memory_format=torch.channels_last)
        out: Tensor = self.middle(self.to_middle(F.relu(self.stem(x))))
        return out

    def read(self, local_BCHW: Tensor, window: tuple[int, int] = (0, 0)) -> Tensor:
        """Visual tokens from `local`'s maps, row by row; `window` is where a small picture's left-top token lies."""
        x = self.to_tokens(self.norm_coarse(self.coarse(self.to_coarse(local_BCHW))))
        rows, columns = x.shape[2:]
        y0, x0 = window
        x = x.permute(0, 2, 3, 1) + self.position[y0 : y0 + rows, x0 : x0 + columns]
        out: Tensor = self.norm(self.tokens(x.flatten(1, 2)))
        return out

    def forward(self, pixels_BCHW: Tensor, window: tuple[int, int] = (0, 0)) -> Tensor:
        """features_BVE, one a 32 px square row by row, of pixels from -1 to 1; H and W multiples of 32 up to `side`."""
        return self.read(self.local(pixels_BCHW), window)


def _start(module: nn.Module) -> None:
    """Weights that keep the signal's size and no biases: what all pictures share would drown what tells them apart."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        assert module.bias is not None
        nn.init.zeros_(module.bias)
