"""Qwen3.5's decoder for text alone: of four layers three keep a state by the gated delta rule, the fourth attends, gated."""

from chiasm.spec import Causal, Family
from chiasm.towers.qwen3_5 import qwen3_5

FAMILIES = (
    Family(
        name="qwen3.5",
        title="Qwen3.5",
        paper="2412.06464",
        year=2026,
        layout="qwen3_5_text",
        model=Causal(qwen3_5(1024, 24, 8, 2, 3584, 16, tied=True)),
        sizes={"0.8b": {}, "9b": {"decoder": qwen3_5(4096, 32, 16, 4, 12288, 32)}},
        reference="Qwen3_5ForCausalLM",
    ),
)
