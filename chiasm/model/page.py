"""An encoder of pages."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.errors import BadPrompt
from chiasm.heads.labels import LabelHead
from chiasm.language.page import PageEncoder
from chiasm.layers.norm import norm
from chiasm.model.batch import Sight, Words
from chiasm.place import thousandths
from chiasm.vision import encoder


class EncodePage(nn.Module):
    """Words with boxes, and where it has an eye the page itself, to a state for each word and patch."""

    def __init__(self, spec: specs.EncodePage) -> None:
        super().__init__()
        self.spec = spec
        self.text = PageEncoder(spec)
        if spec.sight is not None:
            self.vision = encoder(spec.sight.encoder)
            self.joined_norm = norm(spec.text.block.norm, spec.text.block.width)
        if spec.labels is not None:
            self.labels = LabelHead(spec.labels, spec.text.block.width)

    def forward(self, words: Words, sight: Sight | None = None) -> Tensor:
        """States of the words of each row and of its page's patches after them, [B, T + P, D]; picture n belongs to row n."""
        hidden_BTD = self.text.embedded(words.ids_BT, words.valid_BT, words.kinds_BT, words.boxes_BT4)
        where_BT = torch.arange(hidden_BTD.shape[1], device=hidden_BTD.device).expand(len(hidden_BTD), -1)
        valid_BT, boxes_BT4 = words.valid_BT, words.boxes_BT4
        if sight is not None:
            seen_BPD, boxes_BP4 = self._seen(sight, len(hidden_BTD))
            places_BP = torch.arange(seen_BPD.shape[1], device=where_BT.device).expand(len(where_BT), -1)
            hidden_BTD = self.joined_norm(torch.cat([hidden_BTD, seen_BPD], 1))
            where_BT, boxes_BT4 = torch.cat([where_BT, places_BP], 1), torch.cat([boxes_BT4, boxes_BP4], 1)
            valid_BT = torch.cat([valid_BT, valid_BT.new_ones(places_BP.shape)], 1)
        states_BTD: Tensor = self.text(hidden_BTD, valid_BT, where_BT, boxes_BT4)
        return states_BTD

    def _seen(self, sight: Sight, rows: int) -> tuple[Tensor, Tensor]:
        """What the eye makes of each page, and where on it. Raises `BadPrompt` unless there is one picture a row."""
        if len(sight.grids) != rows:
            raise BadPrompt(f"{len(sight.grids)} pictures for {rows} rows of words: give the one page that each row stands on")
        features_PE = self.vision(sight.patches_PK, sight.grids)
        boxes_P4 = torch.from_numpy(thousandths(self.vision.laid(sight.grids))).to(features_PE.device)
        return features_PE.unflatten(0, (rows, -1)), boxes_P4.unflatten(0, (rows, -1))
