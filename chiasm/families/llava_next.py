"""LLaVA-NeXT (1.6): LLaVA with any-resolution tiles, their padding cut away and every row ended by a newline."""

from chiasm.layouts.llava_next import POINTS
from chiasm.readers import CLIP_MEAN, CLIP_STD
from chiasm.spec import Causal, Decoder, Family, JoinTiles, Mlp, Pinpoints, Pixels, Rope, Sight, Splice
from chiasm.towers.decoders import llama, llama_like
from chiasm.towers.llava import clip_large
from chiasm.towers.llava_chats import MISTRAL

MISTRAL_7B = Decoder(
    llama_like(4096, 32, 8, 14336, eps=1e-5), 32, 32064, Rope(1000000.0), 32768,
)  # fmt: skip

FAMILIES = (
    Family(
        name="llava-next",
        title="LLaVA-NeXT",
        paper="2310.03744",
        year=2024,
        layout="llava_next",
        model=Causal(
            MISTRAL_7B,
            Sight(
                Pinpoints(336, POINTS),
                Pixels(CLIP_MEAN, CLIP_STD),
                clip_large(336),
                (Mlp(4096, 4096), JoinTiles()),
                Splice(32000),
            ),
        ),
        sizes={
            "mistral-7b": {},
            "vicuna-7b": {"decoder": llama(4096, 32, 32, 32, 11008, 32064)},
            "vicuna-13b": {"decoder": llama(5120, 40, 40, 40, 13824, 32064), "sight.connector": (Mlp(5120, 5120), JoinTiles())},
            "34b": {
                "decoder": llama(7168, 60, 56, 8, 20480, 64064, 5000000.0), "sight.fusion": Splice(64000),
                "sight.connector": (Mlp(7168, 7168), JoinTiles()),
            },
        },
        reference="LlavaNextForConditionalGeneration",
        chat=MISTRAL,
    ),
)  # fmt: skip
