"""Convolutional tokenizers of pictures (VQ-GAN, arXiv:2012.09841): Chameleon's, and Emu3's, which takes clips as well.

What comes out are codes, so a difference in the last bit may choose another one. Products, sums and roundings therefore
stand in the order of the code that trained them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.pixels.patches import unpatchify_frames
from chiasm.place import Grid, Laid, raster
from chiasm.spec import VQ
from chiasm.vision.resnet import FrozenNorm

GROUPS, EPS = 32, 1e-6
BAND = 1024
"""Rows of scores or distances that are computed at once: there may be as many columns as a picture has cells or codes."""


def swish(x: Tensor) -> Tensor:
    """x sigmoid(x), rounded twice, where silu rounds once."""
    return x * torch.sigmoid(x)


def group_norm(width: int) -> nn.GroupNorm:
    """The norm of such encoders: 32 groups of channels."""
    return nn.GroupNorm(GROUPS, width, EPS)


class MapResidual(nn.Module):
    """x + conv(swish(norm(conv(swish(norm(x)))))), both 3x3; x by a 1x1 convolution where widths differ."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = group_norm(into), group_norm(out)
        self.conv1, self.conv2 = nn.Conv2d(into, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.shortcut = nn.Conv2d(into, out, 1) if into != out else None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        made = self.conv1(swish(self.norm1(x_BCHW)))
        made = self.conv2(swish(self.norm2(made)))
        return (x_BCHW if self.shortcut is None else self.shortcut(x_BCHW)) + made


class MapAttention(nn.Module):
    """x + every cell's mean of all cells' values, one head as wide as the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = group_norm(width)
        self.q, self.k, self.v, self.out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        normed = self.norm(x_BCHW)
        q_BCP, k_BCP, v_BCP = (part(normed).flatten(2) for part in (self.q, self.k, self.v))
        bands = []
        for q_BPC in q_BCP.transpose(1, 2).split(BAND, 1):
            shares = (torch.bmm(q_BPC, k_BCP) * q_BPC.shape[-1] ** -0.5).softmax(2)
            bands.append(torch.bmm(v_BCP, shares.transpose(1, 2)))
        out: Tensor = x_BCHW + self.out(torch.cat(bands, 2).unflatten(2, x_BCHW.shape[2:]))
        return out


class Shrink(nn.Module):
    """A 3x3 convolution of stride two, padded below and on the right alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        out: Tensor = self.conv(F.pad(x_BCHW, (0, 1, 0, 1)))
        return out


class Level(nn.Module):
    """Residual blocks at one resolution, with or without attention after each, and the way to the next."""

    def __init__(self, into: int, out: int, blocks: int, *, attends: bool, shrinks: bool) -> None:
        super().__init__()
        self.residuals = nn.ModuleList(MapResidual(into if number == 0 else out, out) for number in range(blocks))
        self.attentions = nn.ModuleList(MapAttention(out) for _ in range(blocks if attends else 0))
        self.shrink = Shrink(out) if shrinks else None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        for number, residual in enumerate(self.residuals):
            x_BCHW = residual(x_BCHW)
            x_BCHW = self.attentions[number](x_BCHW) if len(self.attentions) else x_BCHW
        return x_BCHW if self.shrink is None else self.shrink(x_BCHW)


class TimeConv(nn.Module):
    """A convolution over frames and cells that sees no later frame; two empty frames stand before the first."""

    def __init__(self, into: int, out: int, kernel: tuple[int, int, int], stride: int = 1) -> None:
        super().__init__()
        self.edge = kernel[1] // 2
        self.conv = nn.Conv3d(into, out, kernel, (stride, 1, 1))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        out: Tensor = self.conv(F.pad(x_BCTHW, (self.edge,) * 4 + (2, 0)))
        return out


class TimeResidual(nn.Module):
    """As `MapResidual`, over time as well, by norms that were measured in training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = FrozenNorm(width), FrozenNorm(width)
        self.conv1, self.conv2 = TimeConv(width, width, (3, 3, 3)), TimeConv(width, width, (3, 3, 3))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        out: Tensor = x_BCTHW + self.conv2(swish(self.norm2(self.conv1(swish(self.norm1(x_BCTHW))))))
        return out


class PictureTokenizer(nn.Module):
    """Packed patches to the codes of the same cells, [P, 1]; grids of one shape are computed together."""

    def __init__(self, spec: VQ) -> None:
        super().__init__()
        self.spec = spec
        widths, last = (spec.stem, *spec.widths), spec.widths[-1]
        self.stem = nn.Conv2d(3, spec.stem, 3, padding=1)
        self.levels = nn.ModuleList(
            Level(into, out, spec.blocks, attends=number in spec.attends, shrinks=number + 1 < len(spec.widths))
            for number, (into, out) in enumerate(zip(widths, spec.widths, strict=False))
        )
        self.before, self.after = MapResidual(last, last), MapResidual(last, last)
        self.attention = MapAttention(last) if spec.middle == "attends" else nn.Identity()
        self.norm = group_norm(last)
        self.leave = nn.Conv2d(last, spec.latent, 3, padding=1)
        if spec.halvings is None:
            self.to_code: nn.Module = nn.Conv2d(spec.latent, spec.code_width, 1)
        else:
            self.halvings = nn.ModuleList(TimeConv(spec.latent, spec.latent, (4, 3, 3), 2) for _ in range(spec.halvings))
            self.residuals = nn.ModuleList(TimeResidual(spec.latent) for _ in range(spec.blocks))
            self.to_code = TimeConv(spec.latent, spec.code_width, (3, 1, 1))
        self.codebook = nn.Embedding(spec.codes, spec.code_width)

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        parts = patches_PK.to(self.stem.weight.dtype).split([grid.cells for grid in grids])
        found: dict[int, Tensor] = {}
        for shape in dict.fromkeys((grid.t, grid.h, grid.w) for grid in grids):
            mine = [number for number, grid in enumerate(grids) if (grid.t, grid.h, grid.w) == shape]
            codes_BP = self._together([parts[number] for number in mine], grids[mine[0]])
            found |= dict(zip(mine, codes_BP, strict=True))
        return torch.cat([found[number] for number in range(len(grids))])[:, None]

    def _together(self, parts: Sequence[Tensor], grid: Grid) -> Tensor:
        """Codes of clips or pictures of one shape, [B, P]."""
        side, frames = self.spec.patch, self.spec.frames
        clips = [unpatchify_frames(part, side, grid.h * side, grid.w * side, frames) for part in parts]
        # A picture's frames are equal: it is looked at once.
        alike = grid.t == 1 and all(bool((clip[1:] == clip[:1]).all()) for clip in clips)
        shown = torch.cat([clip[:1] if alike else clip for clip in clips])
        maps = self.look(shown)
        if self.spec.halvings is None:
            return self.nearest(self.to_code(maps).permute(0, 2, 3, 1)).reshape(len(parts), -1)
        maps = maps.unflatten(0, (len(parts), -1)).transpose(1, 2)
        maps = self.over_time(maps.expand(-1, -1, frames, -1, -1) if alike else maps)
        return self.nearest(self.to_code(maps).permute(0, 2, 3, 4, 1)).flatten(1)

    def look(self, pixels_BCHW: Tensor) -> Tensor:
        """Maps of single pictures, [B, latent, h, w]."""
        x = self.stem(pixels_BCHW)
        for level in self.levels:
            x = level(x)
        x = self.after(self.attention(self.before(x)))
        maps: Tensor = self.leave(swish(self.norm(x)))
        return maps

    def over_time(self, maps_BCTHW: Tensor) -> Tensor:
        """Maps of clips, their frames halved and mixed."""
        for halving in self.halvings:
            maps_BCTHW = swish(halving(maps_BCTHW))
        for residual in self.residuals:
            maps_BCTHW = residual(maps_BCTHW)
        return maps_BCTHW

    def nearest(self, vectors: Tensor) -> Tensor:
        """The number of the nearest vector in the codebook, the lowest among equally near ones."""
        book_SC = self.codebook.weight
        flat_PC, far_S = vectors.reshape(-1, vectors.shape[-1]), (book_SC**2).sum(1)
        rows = (((part**2).sum(1, keepdim=True) + far_S - 2 * (part @ book_SC.T)).argmin(1) for part in flat_PC.split(BAND))
        return torch.cat(list(rows)).view(vectors.shape[:-1])

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return raster(grids)
