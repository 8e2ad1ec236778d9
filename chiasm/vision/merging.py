"""A vision transformer some of whose blocks see fewer tokens than it was shown patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from chiasm.layers.act import ACTIVATIONS
from chiasm.layers.attend import Spans
from chiasm.layers.attention import Attention
from chiasm.layers.norm import norm
from chiasm.place import Grid, Laid, encoded, raster, route
from chiasm.spec import Merge, MergingViT
from chiasm.vision.vit import VisionTransformer


class WindowMerger(nn.Module):
    """The tokens of each window, [W, side * side, E], attend to one another; what leaves, [W, E], is their mean and an MLP of
    all of them side by side."""

    def __init__(self, spec: MergingViT) -> None:
        super().__init__()
        block, joined = spec.eye.block, spec.eye.block.width * spec.side**2
        self.norm1, self.norm2 = norm(block.norm, block.width), norm(block.norm, joined)
        self.attention = Attention(block)
        self.up, self.down = nn.Linear(joined, spec.hidden), nn.Linear(spec.hidden, block.width)
        self.act = ACTIVATIONS["gelu_tanh"]

    def forward(self, windows_WME: Tensor) -> Tensor:
        windows_WME = windows_WME + self.attention(self.norm1(windows_WME), "full")
        added_WE: Tensor = self.down(self.act(self.up(self.norm2(windows_WME.flatten(1)))))
        return windows_WME.mean(1) + added_WE


class MergingTransformer(nn.Module):
    """Packed patches of any number of grids to features of the cells that are left, grids never seeing one another. A grid
    that is no whole number of windows is refused with `BadPicture`."""

    def __init__(self, spec: MergingViT) -> None:
        super().__init__()
        self.spec = spec
        self.eye = VisionTransformer(spec.eye)
        self.merger = WindowMerger(spec)

    def forward(self, patches_PK: Tensor, grids: Sequence[Grid]) -> Tensor:
        after = self.spec.after
        if after is None:
            features_PE: Tensor = self.eye(patches_PK, grids)
            return features_PE
        path = route(Merge(self.spec.side), raster(grids), ())
        cells_PE = self.eye.states(patches_PK, grids, (after,))[after]
        x_1PE = self.merger(cells_PE[torch.from_numpy(path.index_VM).to(cells_PE.device)])[None]
        spans = Spans(tuple(grid.h * grid.w for grid in path.laid.grids for _ in range(grid.t)))
        for block in self.eye.blocks[after:]:
            x_1PE = block(x_1PE, spans)
        out_PE: Tensor = self.eye.post_norm(x_1PE[0])
        return out_PE

    def laid(self, grids: Sequence[Grid]) -> Laid:
        """The places of what `forward` returns."""
        return encoded(self.spec, grids)
