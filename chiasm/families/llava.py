"""LLaVA: a CLIP tower, a small MLP, a decoder. 1.0 (arXiv:2304.08485) has one linear layer, 1.5 (arXiv:2310.03744) two.

Two layouts: the ecosystem's `llava`, and the original code's `llava_llama` with its own names, where the tiles of 1.6 are a
setting too.
"""

from dataclasses import replace

from chiasm.readers import CLIP_MEAN, CLIP_STD
from chiasm.spec import Causal, Family, Mlp, Pixels, Resize, Sight, Splice
from chiasm.towers.decoders import llama, llama_like
from chiasm.towers.llava import clip_large
from chiasm.towers.llava_chats import VICUNA, VICUNA_V1

VICUNA_7B = llama(4096, 32, 32, 32, 11008, 32064)

LOOK = Pixels(CLIP_MEAN, CLIP_STD)

SIZE_13B = {
    "decoder.block": llama_like(5120, 40, 40, 13824, eps=1e-5), "decoder.depth": 40,
    "sight.connector": (Mlp(5120, 5120),),
}  # fmt: skip

FAMILIES = (
    Family(
        name="llava-1.0",
        title="LLaVA 1.0",
        paper="2304.08485",
        year=2023,
        layout="llava_llama",
        model=Causal(
            replace(VICUNA_7B, vocab=32000, context=2048),
            Sight(
                Resize(224, 224, "crop"), LOOK, clip_large(224), (Mlp(4096, 4096, depth=1),), Splice(-200, named="<image>")
            ),
        ),
        sizes={
            "7b": {},
            "13b": {
                "decoder.block": llama_like(5120, 40, 40, 13824, eps=1e-5), "decoder.depth": 40,
                "sight.connector": (Mlp(5120, 5120, depth=1),),
            },
        },
        reference="llava_official-0",
        proof="recorded",
        chat=VICUNA_V1,
    ),
    Family(
        name="llava-1.5",
        title="LLaVA 1.5",
        paper="2310.03744",
        year=2023,
        layout="llava",
        model=Causal(VICUNA_7B, Sight(Resize(336, 336, "crop"), LOOK, clip_large(336), (Mlp(4096, 4096),), Splice(32000))),
        sizes={"7b": {}, "13b": SIZE_13B},
        reference="LlavaForConditionalGeneration",
        chat=VICUNA,
    ),
)  # fmt: skip
