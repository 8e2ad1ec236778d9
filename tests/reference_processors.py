"""Whole processors of the reference with home-made tokenizers: the truth for the ids of a conversation with pictures."""

import re
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
from chiasm.spec import Causal, Splice
from chiasm.weights.read import describe

POINTS = [[30, 60], [60, 30], [60, 60], [90, 30], [30, 90]]
ROWS = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
MARKS = ("<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *ROWS)
MORE = (
    "<|image|>",
    "<|python_tag|>",
    "<IMG_CONTEXT>",
    "<img>",
    "</img>",
    "<video>",
    "[IMG]",
    "[IMG_BREAK]",
    "[IMG_END]",
)
PLACEHOLDERS = {"mllama": "<|image|>", "qwen2_vl": "<|image_pad|>", "internvl": "<IMG_CONTEXT>", "pixtral": "[IMG]"}
"""Of those that do not say <image>."""
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
    backend.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in (*MARKS, *QWEN, *MORE)])
    tokenizer = library().PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED)
    built, sign = {**BUILDERS, **CROSSED}[name](tokenizer)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(template(sign) if name in BUILDERS else "{{ bos_token }}" + template(sign))
    model = describe(reference(name, 0)).model
    assert isinstance(model, Causal) and model.sight is not None
    image = tokenizer.convert_tokens_to_ids(PLACEHOLDERS.get(name, "<image>"))
    video = tokenizer.convert_tokens_to_ids("<|video_pad|>" if name.startswith("qwen") else "<video>")
    fusion = replace(model.sight.fusion, image=image)
    if isinstance(fusion, Splice):
        fusion = replace(fusion, video=None if fusion.video is None else video)
    sight = replace(model.sight, fusion=fusion)
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


def _without_videos(name: str, by: Any, tokenizer: Any, **facts: Any) -> Any:
    """A processor whose constructor insists on one of videos, which needs torchvision; its call on pictures does not."""
    made = getattr(library(), name).__new__(getattr(library(), name))
    made.image_processor, made.tokenizer, made.video_processor, made.chat_template = by, tokenizer, None, None
    for key, value in facts.items():
        setattr(made, key, value)
    return made


def _internvl(tokenizer: Any) -> tuple[Any, str]:
    size = {"height": 28, "width": 28}
    by = processor("got_ocr2", "GotOcr2", size=size, crop_to_patches=True, min_patches=1, max_patches=4)
    sign, video = "<IMG_CONTEXT>", "<video>"
    made = _without_videos(
        "InternVLProcessor", by, tokenizer, image_seq_length=4, start_image_token="<img>", end_image_token="</img>",
        image_token=sign, video_token=video, image_token_id=tokenizer.convert_tokens_to_ids(sign),
        start_image_token_id=tokenizer.convert_tokens_to_ids("<img>"),
        end_image_token_id=tokenizer.convert_tokens_to_ids("</img>"),
        multimodal_pattern=re.compile("(?P<image><IMG_CONTEXT>)"),
    )  # fmt: skip
    return made, sign


def _onevision(tokenizer: Any) -> tuple[Any, str]:
    points = [[28 * high, 28 * wide] for high in range(1, 5) for wide in range(1, 5)]
    by = processor("llava_onevision", "LlavaOnevision", size={"height": 28, "width": 28}, image_grid_pinpoints=points)
    ids = {f"{kind}_token_id": tokenizer.convert_tokens_to_ids(f"<{kind}>") for kind in ("image", "video")}
    made = _without_videos(
        "LlavaOnevisionProcessor", by, tokenizer, num_image_tokens=16, vision_feature_select_strategy="full",
        image_token="<image>", video_token="<video>", vision_aspect_ratio="anyres_max_4", **ids,
    )  # fmt: skip
    return made, "<image>"


@dataclass(frozen=True)
class Rows:
    """What Pixtral's processor does with text, over the reference's own sizes: its module cannot be imported without
    torchvision."""

    pictures: Any
    tokenizer: Any

    def __call__(self, images: list[Any], text: str, return_tensors: str) -> Any:
        sizes = self.pictures(images=images, return_tensors=return_tensors)["image_sizes"].tolist()
        for height, width in sizes:
            row = "<place>" * (width // 6)
            text = text.replace("[IMG]", "[IMG_BREAK]".join([row] * (height // 6)) + "[IMG_END]", 1)
        return self.tokenizer(text.replace("<place>", "[IMG]"), return_tensors=return_tensors)


def _pixtral(tokenizer: Any) -> tuple[Any, str]:
    by = processor("pixtral", "Pixtral", size={"longest_edge": 48}, patch_size={"height": 6, "width": 6})
    return Rows(by, tokenizer), "[IMG]"


def _idefics2(tokenizer: Any) -> tuple[Any, str]:
    by = processor("idefics2", "Idefics2", size={"shortest_edge": 20, "longest_edge": 42}, do_image_splitting=False)
    return library().Idefics2Processor(by, tokenizer, image_seq_len=5), "<image>"


def _deepseek_vl(tokenizer: Any) -> tuple[Any, str]:
    tokenizer.image_token = "<image>"
    by = processor("deepseek_vl", "DeepseekVL", size={"height": 28, "width": 28}, min_size=14)
    return library().DeepseekVLProcessor(by, tokenizer, num_image_tokens=16), "<image>"


def _deepseek_vl_hybrid(tokenizer: Any) -> tuple[Any, str]:
    tokenizer.image_token = "<image>"
    sizes = {"size": {"height": 28, "width": 28}, "high_res_size": {"height": 64, "width": 64}}
    by = processor("deepseek_vl_hybrid", "DeepseekVLHybrid", min_size=14, **sizes)
    return library().DeepseekVLHybridProcessor(by, tokenizer, num_image_tokens=16), "<image>"


BUILDERS: dict[str, Callable[[Any], tuple[Any, str]]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "idefics3": _idefics3,
    "qwen2_vl": _qwen2_vl,
    "internvl": _internvl,
    "llava_onevision": _onevision,
    "pixtral": _pixtral,
    "idefics2": _idefics2,
    "deepseek_vl": _deepseek_vl,
    "deepseek_vl_hybrid": _deepseek_vl_hybrid,
}


def _mllama(tokenizer: Any) -> tuple[Any, str]:
    by = processor("mllama", "Mllama", size={"height": 28, "width": 28}, max_image_tiles=4)
    return library().MllamaProcessor(by, tokenizer), "<|image|>"


@dataclass(frozen=True)
class Pieces:
    """Idefics's processor, which is given texts and pictures in a list."""

    processor: Any

    def __call__(self, images: list[Any], text: str, return_tensors: str) -> Any:
        queue = iter(images)
        parts = [part for part in re.split("(<image>)", text.removeprefix("<s>")) if part]
        shown = [next(queue) if part == "<image>" else part for part in parts]
        return self.processor(text=shown, return_tensors=return_tensors)


def _idefics(tokenizer: Any) -> tuple[Any, str]:
    by = processor("idefics", "Idefics", image_size=30)
    return Pieces(library().IdeficsProcessor(by, tokenizer, image_size=30)), "<image>"


CROSSED: dict[str, Callable[[Any], tuple[Any, str]]] = {"mllama": _mllama, "idefics": _idefics}
"""Those whose pictures take one place each."""
