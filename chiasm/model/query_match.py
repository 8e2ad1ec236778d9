"""Pictures as many vectors, texts as one, and a judge of both at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chiasm import spec as specs
from chiasm.connect.qformer import Hint, QueryTransformer
from chiasm.heads.contrastive import unit
from chiasm.model.batch import Sight
from chiasm.place import route
from chiasm.vision import encoder


class QueryMatch(nn.Module):
    """Two ways to compare a picture with a text: quickly, by vectors, and well, by reading both."""

    def __init__(self, spec: specs.QueryMatch) -> None:
        super().__init__()
        self.spec = spec
        width = spec.queries.block.width
        self.vision = encoder(spec.encoder)
        self.queries = QueryTransformer(spec.queries, spec.encoder.width)
        self.project_pictures, self.project_texts = (nn.Linear(width, spec.project) for _ in range(2))
        self.judge = nn.Linear(width, 2)

    def embed_pictures(self, sight: Sight) -> Tensor:
        """Unit vectors of each picture's queries, [I, G, width]."""
        return unit(self.project_pictures(self.queries.ask(*self._views(sight), None)))

    def embed_texts(self, ids_BT: Tensor, valid_BT: Tensor) -> Tensor:
        """Unit vectors of texts, [B, width], by the state of their first token."""
        return unit(self.project_texts(self.queries.tell(Hint(ids_BT, valid_BT))[:, 0]))

    def forward(self, image_IGD: Tensor, text_BD: Tensor) -> Tensor:
        """Cosines of each text with the best of each picture's vectors, [texts, images]."""
        return torch.einsum("igd,bd->big", image_IGD, text_BD).amax(-1)

    def judged(self, sight: Sight, ids_IT: Tensor, valid_IT: Tensor, felt_IG: Tensor | None = None) -> Tensor:
        """Of each picture with its own text the logits of "they do not belong together" and "they do", [I, 2]."""
        states_IGD = self.queries.ask(*self._views(sight), Hint(ids_IT, valid_IT), felt_IG)
        logits_I2: Tensor = self.judge(states_IGD).mean(1)
        return logits_I2

    def _views(self, sight: Sight) -> tuple[Tensor, Tensor]:
        features_PE = self.vision(sight.patches_PK, sight.grids)
        path = route(self.spec.queries, self.vision.laid(sight.grids), sight.sizes)
        return self.queries.views(features_PE, torch.from_numpy(path.index_VM).to(features_PE.device))
