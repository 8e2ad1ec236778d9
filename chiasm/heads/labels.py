"""What each token is, of a number of classes."""

from __future__ import annotations

from torch import Tensor, nn

from chiasm.spec import Labels


class LabelHead(nn.Module):
    """Scores of the classes, [..., count]."""

    def __init__(self, spec: Labels, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width) if spec.depth == 2 else None
        self.out = nn.Linear(width, spec.count)

    def forward(self, states: Tensor) -> Tensor:
        scores: Tensor = self.out(states if self.dense is None else self.dense(states).tanh())
        return scores
