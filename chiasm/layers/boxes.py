"""Where on a page tokens stand: vectors of their boxes' edges, and numbers for the distances between boxes."""

from __future__ import annotations

from torch import Tensor, nn

from chiasm.layers.relative import RelativeBias
from chiasm.spec import BoxPlaces

HUNDREDTHS = 100


class BoxEdges(nn.Module):
    """Boxes as fractions of the page, [B, T, 4], to the sum of the vectors of their edges."""

    def __init__(self, spec: BoxPlaces, width: int) -> None:
        super().__init__()
        self.last = spec.steps - 1
        self.x, self.y = (nn.Embedding(spec.steps, width) for _ in range(2))

    def forward(self, boxes_BT4: Tensor) -> Tensor:
        x0, y0, x1, y1 = (boxes_BT4.clamp(0, 1) * self.last).long().clamp(0, self.last).unbind(-1)
        edges_BTD: Tensor = self.x(x0) + self.y(y0) + self.x(x1) + self.y(y1)
        return edges_BTD


class BoxBias(nn.Module):
    """What distances between the middles of boxes, across and down the page, add to the scores: [B, heads, T, T]."""

    def __init__(self, spec: BoxPlaces, heads: int) -> None:
        super().__init__()
        self.across, self.down = (RelativeBias(spec.distance, heads, both_ways=True) for _ in range(2))

    def forward(self, boxes_BT4: Tensor) -> Tensor:
        x_BT, y_BT = boxes_BT4[..., 0::2].mean(-1), boxes_BT4[..., 1::2].mean(-1)
        return self.across.apart(_hundredths(x_BT)) + self.down.apart(_hundredths(y_BT))


def _hundredths(places_BT: Tensor) -> Tensor:
    """How far each key is ahead of each query, cut to whole hundredths of the page, in single precision."""
    ahead_BTT = (places_BT[:, None] - places_BT[:, :, None]).float()
    return (ahead_BTT * HUNDREDTHS).long()
