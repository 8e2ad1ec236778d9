"""Whole processors of the reference with home-made tokenizers: the truth for the ids of a conversation with pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tiny_tokenizers import NAMED, byte_level, word_level
from tokenizers import AddedToken, Tokenizer

from chiasm.prompt.planner import Planner
from chiasm.reference.parts import clip_processor, library, processor
from chiasm.spec import Causal
from chiasm.weights.read import describe

POINTS = [[30, 60], [60, 30], [60, 60], [90, 30], [30, 90]]
ROWS = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
MARKS = ("<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *ROWS)
QWEN = ("<|vision_start|>", "<|image_pad|>", "<|video_pad|>", "<|vision_end|>")
TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {"words": word_level, "bytes": byte_level}


@dataclass(frozen=True)
class Pair:
    """A reference processor, and the planner that reads its folder; `sign` is what the text writes for a picture."""

    processor: Any
    planner: Planner
    sign: str

    def theirs(self, text: str, pictures: Sequence[np.ndarray]) -> list[int]:
        images = [Image.fromarray(picture) for picture in pictures]
        ids: list[int] = self.processor(images=images, text=text, return_tensors="pt")["input_ids"][0].tolist()
        return ids


def pair(name: str, tokens: str, folder: Path, reference: Callable[..., Path]) -> Pair:
    """The processor of a family as the tiny references have it, over one of `TOKENIZERS`."""
    backend = Tokenizer.from_str(TOKENIZERS[tokens]().to_str())
    backend.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in (*MARKS, *QWEN)])
    tokenizer = library().PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED)
    built, sign = BUILDERS[name](tokenizer)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(template(sign))
    model = describe(reference(name, 0)).model
    assert isinstance(model, Causal) and model.sight is not None
    image = tokenizer.convert_tokens_to_ids("<|image_pad|>" if name.startswith("qwen") else "<image>")
    video = None if model.sight.fusion.video is None else tokenizer.convert_tokens_to_ids("<|video_pad|>")
    sight = replace(model.sight, fusion=replace(model.sight.fusion, image=image, video=video))
    decoder = replace(model.decoder, vocab=len(tokenizer), context=100_000)
    return Pair(built, Planner.from_folder(Causal(decoder, sight), folder), sign)


def template(sign: str) -> str:
    """A conversation as its parts, one after the other: what a processor is given as plain text."""
    return (
        "{% for message in messages %}{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}" + sign + "{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}{% endfor %}"
    )


def _llava(tokenizer: Any) -> tuple[Any, str]:
    facts = {"patch_size": 6, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    return library().LlavaProcessor(clip_processor(30), tokenizer, **facts, image_token="<image>"), "<image>"


def _llava_next(tokenizer: Any) -> tuple[Any, str]:
    facts = {"patch_size": 6, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    by = clip_processor(30, "llava_next", "LlavaNext", image_grid_pinpoints=POINTS)
    return library().LlavaNextProcessor(by, tokenizer, **facts, image_token="<image>"), "<image>"


def _idefics3(tokenizer: Any) -> tuple[Any, str]:
    by = processor("idefics3", "Idefics3", size={"longest_edge": 56}, max_image_size={"longest_edge": 28})
    return library().Idefics3Processor(by, tokenizer, image_seq_len=4), "<image>"


def _qwen2_vl(tokenizer: Any) -> tuple[Any, str]:
    """Its constructor insists on a processor of videos, which needs torchvision; its call on pictures does not use one."""
    by = processor("qwen2_vl", "Qwen2VL", patch_size=6, size={"shortest_edge": 144, "longest_edge": 2880})
    made = library().Qwen2VLProcessor.__new__(library().Qwen2VLProcessor)
    made.image_processor, made.tokenizer, made.video_processor = by, tokenizer, None
    for kind in ("image", "video"):
        token = f"<|{kind}_pad|>"
        setattr(made, f"{kind}_token", token)
        setattr(made, f"{kind}_token_id", tokenizer.convert_tokens_to_ids(token))
    made.chat_template = None
    return made, "<|vision_start|><|image_pad|><|vision_end|>"


BUILDERS: dict[str, Callable[[Any], tuple[Any, str]]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "idefics3": _idefics3,
    "qwen2_vl": _qwen2_vl,
}
