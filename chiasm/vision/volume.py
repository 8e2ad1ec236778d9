"""Residual networks over volumes: a flat one whose filters were given a third axis (Merlin, arXiv:2406.06512)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from chiasm.spec import ResNet3d
from chiasm.vision.resnet import FrozenNorm


class VolumeConv(nn.Module):
    """A convolution without bias and its norm. The first axis is the slices'."""

    def __init__(self, into: int, out: int, sides: tuple[int, int, int], strides: tuple[int, int, int] = (1, 1, 1)) -> None:
        super().__init__()
        padding = (sides[0] // 2, sides[1] // 2, sides[2] // 2)
        self.conv = nn.Conv3d(into, out, sides, strides, padding, bias=False)
        self.norm = FrozenNorm(out)

    def forward(self, maps_BCTHW: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(maps_BCTHW))
        return out


class VolumeBottleneck(nn.Module):
    """relu(x + conv1(conv3(conv1(x)))); a stride is the middle one's, along all three axes."""

    def __init__(self, into: int, inside: int, out: int, stride: int) -> None:
        super().__init__()
        strides = (stride, stride, stride)
        self.narrow, self.widen = VolumeConv(into, inside, (1, 1, 1)), VolumeConv(inside, out, (1, 1, 1))
        self.mix = VolumeConv(inside, inside, (3, 3, 3), strides)
        self.shortcut = VolumeConv(into, out, (1, 1, 1), strides) if stride > 1 or into != out else None

    def forward(self, maps_BCTHW: Tensor) -> Tensor:
        made = self.widen(F.relu(self.mix(F.relu(self.narrow(maps_BCTHW)))))
        return F.relu(made + (maps_BCTHW if self.shortcut is None else self.shortcut(maps_BCTHW)))


class VolumeNetwork(nn.Module):
    """Volumes [B, H, W, slices] to the maps that leave the stem and each stage, [B, C, T, H, W]."""

    def __init__(self, spec: ResNet3d) -> None:
        super().__init__()
        self.stem = VolumeConv(3, spec.stem, (3, 7, 7), (1, 2, 2))
        stages, into = [], spec.stem
        for number, (blocks, inside) in enumerate(zip(spec.blocks, spec.widths, strict=True)):
            out, strides = inside * spec.expansion, [1 if number == 0 else 2, *[1] * (blocks - 1)]
            widths = [into, *[out] * (blocks - 1)]
            made = (VolumeBottleneck(wide, inside, out, stride) for wide, stride in zip(widths, strides, strict=True))
            stages.append(nn.Sequential(*made))
            into = out
        self.stages = nn.ModuleList(stages)

    def forward(self, volumes_BHWT: Tensor) -> list[Tensor]:
        volumes_BHWT = volumes_BHWT.to(self.stem.conv.weight.dtype)
        slices_BCTHW = volumes_BHWT.permute(0, 3, 1, 2)[:, None].expand(-1, 3, -1, -1, -1)
        found = [F.relu(self.stem(slices_BCTHW))]
        x_BCTHW = F.max_pool3d(found[0], 3, 2, padding=1)
        for stage in self.stages:
            x_BCTHW = stage(x_BCTHW)
            found.append(x_BCTHW)
        return found
