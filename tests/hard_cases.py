"""Inputs that the families' own cases do not have: text beside pictures, pads on the right, extreme shapes."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from chiasm.reference.case import AFTER, BEFORE, BOS, IMAGE, VIDEO, Case, Draw, padded
from chiasm.reference.cases import REFERENCES
from chiasm.reference.parts import processed


def _base(name: str, variant: int, seed: int) -> tuple[Case, Draw]:
    return REFERENCES[name].draw(variant, Draw(1000 * seed + variant, None)), Draw(seed, None)


def llava_rows(left: bool) -> Case:
    """A row of text alone, one of three pictures in an unbroken run, one of a picture at its very end."""
    base, draw = _base("llava", 0, 5)
    pictures = draw.pictures((50, 70), (33, 200), (31, 45), (8, 9))
    one = [IMAGE] * 25
    rows = [[BOS, *draw.text(6)], [BOS, *one * 3, *draw.text(4)], [BOS, *draw.text(2), *one]]
    inputs = {**padded(*rows, left=left), **processed(base.processor, pictures, "pixel_values")}
    return replace(base, inputs=lambda _: inputs, pictures=pictures, writes=left)


def llava_text(left: bool) -> Case:
    """No picture at all."""
    base, draw = _base("llava", 0, 6)
    ids = padded([BOS, *draw.text(3)], [BOS, *draw.text(8)], left=left)
    return replace(base, inputs=lambda _: ids, pictures=(), processor=base.processor, writes=left)


def llava_next_rows(left: bool) -> Case:
    """Very wide and very tall pictures, text alone between them."""
    base, draw = _base("llava_next", 0, 5)
    pictures = draw.pictures((1, 300), (260, 1), (90, 90))

    def inputs(model: Any) -> dict[str, Any]:
        seen = processed(base.processor, pictures, "pixel_values", "image_sizes")
        with torch.no_grad():
            features = model.get_image_features(seen["pixel_values"], image_sizes=seen["image_sizes"]).pooler_output
        wide, tall, square = ([IMAGE] * len(feature) for feature in features)
        rows = [[BOS, *wide, *draw.text(2), *tall, *draw.text(1)], [BOS, *draw.text(3)], [BOS, *square, *draw.text(2)]]
        return {**padded(*rows, left=left), **seen}

    return replace(base, inputs=inputs, pictures=pictures, writes=left)


def idefics3_rows(left: bool) -> Case:
    """Rows of two pictures and of one; tall, wide and tiny."""
    base, draw = _base("idefics3", 0, 5)
    rows = [draw.pictures((9, 120), (120, 13)), draw.pictures((3, 3))]

    def inputs(_: Any) -> dict[str, Any]:
        seen = processed(base.processor, rows, "pixel_values", "pixel_attention_mask")
        tiles = (seen["pixel_attention_mask"].flatten(2).sum(-1) > 0).sum(1).tolist()
        ids = [[BOS, *draw.text(3), *[IMAGE] * (4 * n), *draw.text(length)] for n, length in zip(tiles, (5, 2), strict=True)]
        return {**padded(*ids, left=left), **seen}

    return replace(base, inputs=inputs, pictures=(*rows[0], *rows[1]), writes=left)


def idefics3_unsplit(left: bool) -> Case:
    """One view a picture, whatever its size."""
    base, draw = _base("idefics3", 0, 7)
    base.processor.do_image_splitting = False
    rows = [draw.pictures((90, 121)), draw.pictures((20, 77))]

    def inputs(_: Any) -> dict[str, Any]:
        seen = processed(base.processor, rows, "pixel_values", "pixel_attention_mask")
        ids = [[BOS, *draw.text(length), *[IMAGE] * 4, *draw.text(2)] for length in (1, 4)]
        return {**padded(*ids, left=left), **seen}

    return replace(base, inputs=inputs, pictures=(*rows[0], *rows[1]), writes=left)


def _qwen_rows(name: str, left: bool) -> Case:
    """Text alone; a long clip, a picture and another clip; three pictures of extreme shapes."""
    base, draw = _base(name, 1, 5)
    pictures = draw.pictures((51, 92), (15, 400), (400, 15), (9, 9))
    clips = [[7, 4, 6], [2, 6, 2]]

    def run(grid: Sequence[int], placeholder: int) -> list[int]:
        t, h, w = grid
        return [BEFORE, *[placeholder] * (t * h * w // 4), AFTER]

    def inputs(_: Any) -> dict[str, Any]:
        seen = processed(base.processor, pictures, "pixel_values", "image_grid_thw")
        images = [run(grid, IMAGE) for grid in seen["image_grid_thw"].tolist()]
        videos = [run(grid, VIDEO) for grid in clips]
        rows = [
            [BOS, *draw.text(5)],
            [BOS, *videos[0], *draw.text(2), *images[0], *videos[1], *draw.text(1)],
            [*images[1], *draw.text(3), *images[2], *images[3]],
        ]
        ids = padded(*rows, left=left)
        patches = sum(t * h * w for t, h, w in clips)
        seen["pixel_values_videos"] = draw.normal(patches, seen["pixel_values"].shape[1])
        seen["video_grid_thw"] = torch.tensor(clips)
        if name == "qwen2_5_vl":
            seen["second_per_grid_ts"] = torch.tensor([0.7, 2.0])
        kinds = (ids["input_ids"] == IMAGE).int() + 2 * (ids["input_ids"] == VIDEO).int()
        return {**ids, "mm_token_type_ids": kinds, **seen}

    return replace(base, inputs=inputs, pictures=pictures, writes=left)


def qwen2_vl_rows(left: bool) -> Case:
    return _qwen_rows("qwen2_vl", left)


def qwen2_5_vl_rows(left: bool) -> Case:
    return _qwen_rows("qwen2_5_vl", left)


def mllama_rows(left: bool) -> Case:
    """Text alone, three pictures of extreme shapes two of which stand together, a picture at the very end."""
    base, draw = _base("mllama", 0, 5)
    shown = [(), draw.pictures((3, 200), (200, 2), (1, 1)), draw.pictures((90, 61))]
    image = base.config.image_token_index
    rows = [
        [BOS, *draw.text(6)],
        [BOS, *draw.text(2), image, image, *draw.text(3), image, *draw.text(1)],
        [BOS, *draw.text(1), image],
    ]
    ids = padded(*rows, left=left)

    def inputs(_: Any) -> dict[str, Any]:
        module = importlib.import_module("transformers.models.mllama.processing_mllama")
        # A processor takes no row without pictures: it is shown one, whose place is then emptied.
        seen = processed(
            base.processor, [shown[2], *shown[1:]], "pixel_values", "aspect_ratio_ids", "aspect_ratio_mask", "num_tiles"
        )
        tiles = [[], *([int(count) for count in row] for row in seen.pop("num_tiles")[1:])]
        seen["pixel_values"][0], seen["aspect_ratio_ids"][0], seen["aspect_ratio_mask"][0] = 0, 0, 0
        seen["aspect_ratio_mask"][0, :, 0] = 1
        spans = [module.get_cross_attention_token_mask(row, image) for row in ids["input_ids"].tolist()]
        dense = module.convert_sparse_cross_attention_mask_to_dense(spans, tiles, 4, ids["input_ids"].shape[1])
        return {**ids, **seen, "cross_attention_mask": torch.tensor(dense)}

    return replace(base, inputs=inputs, pictures=(*shown[1], *shown[2]), writes=left)


def text_rows(left: bool) -> Case:
    base, draw = _base("text_mistral", 1, 5)
    ids = padded([BOS, *draw.text(1)], [BOS, *draw.text(20)], [BOS, *draw.text(9)], left=left)
    return replace(base, inputs=lambda _: ids, writes=left)


HARD: dict[str, Callable[[bool], Case]] = {
    made.__name__: made
    for made in (
        llava_rows,
        llava_text,
        llava_next_rows,
        idefics3_rows,
        idefics3_unsplit,
        qwen2_vl_rows,
        qwen2_5_vl_rows,
        mllama_rows,
        text_rows,
    )
}
