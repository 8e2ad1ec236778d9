"""PaliGemma and PaliGemma 2 (arXiv:2407.07726, 2412.03555): SigLIP, one linear layer, Gemma, whose prompt sees itself whole.

What a picture says comes first, then the beginning of the sequence, the question and a line feed; the answer alone is
written in order. Boxes are tokens of their own, and so are the codes from which a small decoder draws masks.
"""

from typing import Any

from chiasm.spec import Causal, Decoder, Family
from chiasm.towers.paligemma import FIRST, gemma, gemma_block, sight

CHAT = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{% for content in message['content'] %}{% generation %}{{ content['text'] }}{% endgeneration %}{% endfor %}"
    "{{ eos_token }}{% else %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>' }}{% endfor %}"
    "{% if loop.first %}{{ bos_token }}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] }}{% endfor %}"
    "{{ '\n' }}{% endif %}{% endfor %}"
)


def at(side: int) -> dict[str, Any]:
    return {"sight.views.height": side, "sight.views.width": side, "sight.encoder.position.side": side // 14}


def sizes(name: str, changes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{name}-{side}": {**changes, **(at(side) if side != 224 else {})} for side in (224, 448, 896)}


def larger(decoder: Decoder) -> dict[str, Any]:
    return {"decoder": decoder, "sight": sight(decoder.width)}


SECOND = gemma(gemma_block(2304, 8, 4, 9216, second=256), 26)

SECOND_9B = gemma(gemma_block(3584, 16, 8, 14336, second=256), 42)

SECOND_27B = gemma(gemma_block(4608, 32, 16, 36864, 128, second=144), 46)

FAMILIES = (
    Family(
        name="paligemma",
        title="PaliGemma",
        paper="2407.07726",
        year=2024,
        layout="paligemma",
        model=Causal(FIRST, sight(2048), "full", boxes="locations"),
        sizes=sizes("3b", {}),
        reference="PaliGemmaForConditionalGeneration",
        chat=CHAT,
    ),
    Family(
        name="paligemma-2",
        title="PaliGemma 2",
        paper="2412.03555",
        year=2024,
        layout="paligemma",
        model=Causal(SECOND, sight(2304), "full", boxes="locations"),
        sizes=sizes("3b", {}) | sizes("10b", larger(SECOND_9B)) | sizes("28b", larger(SECOND_27B)),
        reference="PaliGemmaForConditionalGeneration",
        chat=CHAT,
    ),
)
