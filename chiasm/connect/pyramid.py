"""Maps of several sizes, of one width."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

GROUPS = 32


class Pyramid(nn.Module):
    """Maps [B, H, W, E] of an eye to `levels` maps of one width: each led by a linear layer, those that are missing made by
    halving, then normed over each group of channels and the whole map."""

    def __init__(self, widths: Sequence[int], width: int, levels: int) -> None:
        super().__init__()
        entering = [widths[-1], *[width] * (levels - len(widths) - 1)][: levels - len(widths)]
        self.lead = nn.ModuleList(nn.Conv2d(entered, width, 1) for entered in widths)
        self.halve = nn.ModuleList(nn.Conv2d(entered, width, 3, stride=2, padding=1) for entered in entering)
        self.norms = nn.ModuleList(nn.GroupNorm(GROUPS, width) for _ in range(levels))

    def forward(self, maps_BHWE: Sequence[Tensor]) -> list[Tensor]:
        """[B, D, H, W] each."""
        # With channels innermost, a CPU's norm over groups takes means of squares, which loses digits on small maps.
        maps_BEHW = [one.permute(0, 3, 1, 2).contiguous() for one in maps_BHWE]
        normed = [norm(lead(one)) for norm, lead, one in zip(self.norms, self.lead, maps_BEHW, strict=False)]
        coarse = maps_BEHW[-1]
        for norm, halve in zip(self.norms[len(normed) :], self.halve, strict=True):
            coarse = norm(halve(coarse))
            normed.append(coarse)
        return normed
