"""Masks from codes: the decoding half of a quantised autoencoder (arXiv:2301.02229), as PaliGemma speaks of masks."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.spec import CodedMasks


class Mix(nn.Module):
    """x + two convolutions of neighbours and one of each place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide, one = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 1)
        self.net = nn.Sequential(wide, nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), one)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out: Tensor = x_BCHW + self.net(x_BCHW)
        return out


class MaskDecoder(nn.Module):
    """Codes of a square of cells, row by row, to scores of a square sixteen times as wide: above zero is inside."""

    def __init__(self, spec: CodedMasks) -> None:
        super().__init__()
        self.spec = spec
        self.codes = nn.Embedding(spec.codes, spec.code_width)
        widths = [spec.width, *(spec.width >> step for step in range(4))]
        layers: list[nn.Module] = [nn.Conv2d(spec.code_width, spec.width, 1), nn.ReLU(), Mix(spec.width), Mix(spec.width)]
        for into, out in pairwise(widths):
            layers += [nn.ConvTranspose2d(into, out, 4, 2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1))

    def forward(self, codes_BG: Tensor) -> Tensor:
        """Scores [B, side, side]."""
        side = round(codes_BG.shape[1] ** 0.5)
        maps_BCHW = F.embedding(codes_BG, self.codes.weight).transpose(1, 2).unflatten(2, (side, side))
        scores_BHW: Tensor = self.layers(maps_BCHW)[:, 0]
        return scores_BHW
