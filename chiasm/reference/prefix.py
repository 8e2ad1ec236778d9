"""Models whose prompt sees itself whole: PaliGemma and what is made of it."""

from __future__ import annotations

from typing import Any

import torch

from chiasm.reference.case import BOS, IMAGE, VOCAB, Case, Draw, padded
from chiasm.reference.parts import decoder, library, processed, siglip_processor, siglip_tower


def paligemma(variant: int, draw: Draw) -> Case:
    """0: Gemma, one row, three tokens of an answer; 1: Gemma 2, two rows, answers of two lengths; 2: as 1, no answer yet."""
    pictures = draw.pictures((50, 33), (40, 71))[: 1 if variant == 0 else 2]
    answers = [[3], [3, 2], [0, 0]][variant]
    rows = [([*[IMAGE] * 16, BOS, *draw.text(4 + 2 * n)], draw.text(more)) for n, more in enumerate(answers)]
    ids = padded(*([*prompt, *answer] for prompt, answer in rows))
    kinds = [[0] * (ids["input_ids"].shape[1] - len(answer)) + [1] * len(answer) for _, answer in rows]
    by, config = siglip_processor(28), paligemma_config("gemma2" if variant else "gemma")
    inputs = {**ids, "token_type_ids": torch.tensor(kinds), **processed(by, pictures, "pixel_values")}
    return Case(library().PaliGemmaForConditionalGeneration, config, lambda _: inputs, by, pictures)


def paligemma_config(kind: str) -> Any:
    """Four by four patches, no pooling head, a decoder of that kind."""
    text = decoder(kind, **({"sliding_window": 8} if kind == "gemma2" else {})).to_dict()
    return library().PaliGemmaConfig(
        vision_config=siglip_tower(vision_use_head=False).to_dict(), text_config=text, image_token_index=IMAGE,
        vocab_size=VOCAB, projection_dim=32, hidden_size=32,
    )  # fmt: skip


def colpali(variant: int, draw: Draw) -> Case:
    """0: two pages, their prompts of unequal length; 1: two questions. All of a row is its prompt."""
    by, pictures = siglip_processor(28), draw.pictures(*(() if variant else ((50, 33), (40, 71))))
    questions = [[BOS, *draw.text(6)], [BOS, *draw.text(3)]]
    ids = padded(*(questions if variant else ([*[IMAGE] * 16, *question] for question in questions)))
    seen = processed(by, pictures, "pixel_values") if pictures else {}
    inputs = {**ids, **seen, "token_type_ids": torch.zeros_like(ids["input_ids"])}
    config = library().ColPaliConfig(vlm_config=paligemma_config("gemma"), embedding_dim=10)
    return Case(library().ColPaliForRetrieval, config, lambda _: inputs, by, pictures, writes=False)
