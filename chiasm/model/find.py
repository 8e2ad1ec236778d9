"""Boxes in pictures for the phrases of texts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from chiasm import spec as specs
from chiasm.connect.fusion import FusionEncoder, Wording
from chiasm.connect.pyramid import Pyramid
from chiasm.errors import BadPicture, Overflow
from chiasm.heads.boxes import BoxFinder, Found
from chiasm.language.bidirectional import BidirectionalEncoder
from chiasm.layers.deformable import Level
from chiasm.model.batch import Sight
from chiasm.place import drawn
from chiasm.sequence.phrases import phrases
from chiasm.vision.swin import SwinTransformer


class Find(nn.Module):
    """A detector that is told in words what to look for."""

    def __init__(self, spec: specs.Find) -> None:
        super().__init__()
        self.spec = spec
        detector, eye = spec.detector, spec.encoder
        self.vision = SwinTransformer(eye)
        self.maps = Pyramid([eye.block_of(stage - 1).width for stage in eye.normed], detector.width, detector.levels)
        self.text = BidirectionalEncoder(spec.text)
        self.lead = nn.Linear(spec.text.block.width, detector.width)
        self.fuse = FusionEncoder(detector)
        self.find = BoxFinder(detector)

    def forward(self, sight: Sight, words: Wording) -> Found:
        """What is found in picture i for text i. Raises `BadPicture` where all pictures have fewer places than queries."""
        maps = self.maps(self.vision.maps(_canvas(sight)))
        levels = self._levels(sight, maps)
        map_BPD = torch.cat([one.flatten(2).transpose(1, 2) for one in maps], 1)
        if map_BPD.shape[1] < self.spec.detector.queries:
            raise BadPicture(
                f"a picture of {sight.sizes[0][0]} x {sight.sizes[0][1]} pixels makes {map_BPD.shape[1]} places to look at, "
                f"and {self.spec.detector.queries} are needed: crop it to a less extreme shape"
            )
        map_BPD, text_BTD = self.fuse(map_BPD, levels, words)
        found: Found = self.find(map_BPD, levels, Wording(text_BTD, words.valid_BT, words.seen_BTT, words.where_BT))
        return found

    def read(self, ids_BT: Tensor, valid_BT: Tensor, kinds_BT: Tensor | None = None) -> Wording:
        """A text's states, phrase by phrase; pads on the right. Raises `Overflow` for a longer text than is read."""
        length, most = ids_BT.shape[1], self.spec.phrases.most
        if length > most:
            raise Overflow(f"{length} tokens of text, {most} at most: shorten it by {length - most}")
        seen_BTT, where_BT = phrases(ids_BT, self.spec.phrases.ends)
        states_BTD = self.lead(self.text(ids_BT, seen_BTT, kinds_BT, where_BT))
        return Wording(states_BTD, valid_BT, seen_BTT, where_BT)

    def _levels(self, sight: Sight, maps: list[Tensor]) -> list[Level]:
        """Where on each map the pictures are, by the pixel that stands for each cell."""
        patch, views = self.spec.encoder.patch, zip(sight.grids, sight.sizes, strict=True)
        sides = torch.tensor([drawn(grid, patch, size) for grid, size in views], device=maps[0].device)
        rows_BH, columns_BW = (torch.arange(int(side.max()), device=side.device) < side[:, None] for side in sides.unbind(1))
        return [Level(_nearest(rows_BH, one.shape[2]), _nearest(columns_BW, one.shape[3])) for one in maps]


def _nearest(seen_BS: Tensor, size: int) -> Tensor:
    return F.interpolate(seen_BS[:, None].float(), size, mode="nearest")[:, 0].bool()


def _canvas(sight: Sight) -> Tensor:
    """Each picture's patches at the top left of zeros as large as the largest of them, [B, H, W, K]."""
    high, wide = max(grid.h for grid in sight.grids), max(grid.w for grid in sight.grids)
    parts = sight.patches_PK.split([grid.cells for grid in sight.grids])
    pictures = (part.unflatten(0, (grid.h, grid.w)) for part, grid in zip(parts, sight.grids, strict=True))
    return torch.stack([F.pad(one, (0, 0, 0, wide - one.shape[1], 0, high - one.shape[0])) for one in pictures])
