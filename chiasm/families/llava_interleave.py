"""LLaVA-Interleave (arXiv:2407.07895): SigLIP's last state, two linear layers, a Qwen1.5; many pictures in one row."""

from chiasm.layout import Layout
from chiasm.readers import HALF
from chiasm.spec import (
    Causal,
    Decoder,
    Family,
    Mlp,
    Pixels,
    Resize,
    Sight,
    Splice,
)
from chiasm.towers.decoders import qwen2
from chiasm.towers.llava import SIGLIP
from chiasm.towers.llava_chats import CHATML

LAYOUTS: tuple[Layout, ...] = ()


def interleave(text: Decoder) -> Causal:
    look = Pixels(HALF, HALF)
    return Causal(text, Sight(Resize(384, 384, "squash"), look, SIGLIP, (Mlp(text.width, text.width),), Splice(151646)))


SMALL, LARGE = interleave(qwen2(1024, 24, 16, 16, 2816, 152000, True)), interleave(qwen2(4096, 32, 32, 32, 11008, 152000))

FAMILIES = (
    Family(
        name="llava-interleave",
        title="LLaVA-Interleave",
        paper="2407.07895",
        year=2024,
        layout="llava",
        model=SMALL,
        sizes={"0.5b": {}, "7b": {"decoder": LARGE.decoder, "sight": LARGE.sight}},
        reference="LlavaForConditionalGeneration",
        chat=CHATML,
    ),
)
