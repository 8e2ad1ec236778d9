"""Embeddings of ids that are more than a row of their table."""

from __future__ import annotations

from torch import Tensor, nn

from chiasm.spec import Decoder


class ScaledEmbedding(nn.Embedding):
    """Rows times the root of their width, a factor that is rounded as the rows are (Gemma, arXiv:2403.08295)."""

    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids) * self.weight.new_tensor(self.embedding_dim**0.5)


class LedEmbedding(nn.Embedding):
    """Rows of another width than the blocks', led to theirs by a linear layer (OPT-350M, arXiv:2205.01068)."""

    def __init__(self, vocab: int, inner: int, width: int) -> None:
        super().__init__(vocab, inner)
        self.lead = nn.Linear(inner, width, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.lead(super().forward(ids))
        return out


def embedding(spec: Decoder) -> nn.Embedding:
    """A decoder's embedding of ids."""
    match spec.embed_scale:
        case "root_width":
            return ScaledEmbedding(spec.vocab, spec.width)
        case "plain" if spec.inner != spec.width:
            return LedEmbedding(spec.vocab, spec.inner, spec.width)
        case "plain":
            return nn.Embedding(spec.vocab, spec.width)
