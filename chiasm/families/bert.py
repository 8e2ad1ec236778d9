"""BERT (arXiv:1810.04805): a text encoder with norms after the sums and learned places."""

from typing import Any

from chiasm.spec import Bidirectional, EncodeText, Family, Learned
from chiasm.towers.bert import post_norm

LARGE: dict[str, Any] = {"text.block": post_norm(1024, 16), "text.depth": 24}

FAMILIES = (
    Family(
        name="bert",
        title="BERT",
        paper="1810.04805",
        year=2018,
        layout="bert",
        model=EncodeText(Bidirectional(post_norm(768, 12), 12, 30522, Learned(512), 2, 512, pool="tanh")),
        sizes={
            "base-uncased": {},
            "base-cased": {"text.vocab": 28996},
            "large-uncased": LARGE,
        },
        reference="BertModel",
    ),
)
