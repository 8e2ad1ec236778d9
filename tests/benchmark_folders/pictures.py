# ruff: noqa: E501
"""Benchmarks of what a picture shows, and where: captions and boxes."""

from typing import Any

from benchmark_folders.writing import SHOWN, Example, both, files, hub, png


def coco(split: str, file: str) -> dict[str, Any]:
    """COCO's own folder: of two pictures one has a caption."""
    return {
        f"annotations/captions_{split}.json": {
            "info": {}, "licenses": [{"id": 1}], "images": [{"id": 42, "file_name": file}, {"id": 43, "file_name": "x_43.jpg"}],
            "annotations": [{"image_id": 42, "id": 1, "caption": "A dog runs on grass."}],
        },
        f"annotations/instances_{split}.json": {
            "categories": [{"id": 18, "name": "dog"}],
            "annotations": [{"image_id": 42, "category_id": 18, "bbox": [0, 0, 9, 9]}],
        },
        f"{split}/{file}": png(),
    }  # fmt: skip


DESCRIBED: dict[str, list[Example]] = {
    "coco-karpathy": [
        Example(
            both(
                hub("data/test-00000-of-00001.parquet", [
                    {"filepath": "val2014", "filename": "COCO_val2014_000000391895.jpg", "imgid": 0, "cocoid": 391895,
                     "sentences": ["A man rides a bike."], "url": "http://x"}]),
                files({"val2014/COCO_val2014_000000391895.jpg": png()}),
            ),
            "Provide a one-sentence caption for the provided image.", "a man rides a bike", "",
        )
    ],
    "coco-2017": [
        Example(
            hub("data/val-00000-of-00001.parquet", [
                {"question_id": "000000000139.jpg", "image": SHOWN, "id": 139, "answer": ["A room."], "file_name": "x"}]),
            "Provide a one-sentence caption for the provided image.", "A room!", "",
        ),
        Example(
            files(coco("val2017", "000000000042.jpg")),
            "Provide a one-sentence caption for the provided image.", "a dog runs on grass", "",
        ),
    ],
    "chair": [Example(files(coco("val2014", "COCO_val2014_000000000042.jpg")), "Please describe this image in detail.", "A puppy and nothing else.", "A cat on a sofa.")],
    "refcoco": [
        Example(
            hub("data/val-00000-of-00001.parquet", [
                {"question_id": "7", "image": SHOWN, "question": "Please describe.", "answer": ["red thing", "the left one"],
                 "bbox": [0.0, 0.0, 32.0, 48.0], "segmentation": [0.0], "iscrowd": 0, "file_name": "x.jpg"}]),
            "sentence describes: red thing", "[0, 0, 0.5, 1]", "left", items=2,
        ),
        Example(
            hub("data/testA-00000-of-00001.parquet", [
                {"question_id": "7", "image": SHOWN, "answer": ["red thing"], "bbox": [0.0, 0.0, 32.0, 48.0]}]),
            "Report bbox coordinates in JSON format.", '```json\n[{"bbox_2d": [0, 0, 500, 1000], "label": "x"}]\n```', "[]",
            prompt="lmms-eval grounding", split="testA",
        ),
    ],
    "refcoco+": [
        Example(
            hub("data/val-00000-of-00001.parquet", [
                {"question_id": "7", "image": SHOWN, "answer": ["red thing"], "bbox": [0.0, 0.0, 32.0, 48.0]}]),
            "sentence describes: red thing", "[0.0, 0.0, 0.5, 0.9]", "[0.9, 0.9, 1.0, 1.0]",
        )
    ],
    "refcocog": [
        Example(
            hub("data/test-00000-of-00001.parquet", [
                {"question_id": "7", "image": SHOWN, "answer": ["red thing"], "bbox": [0.0, 0.0, 32.0, 48.0]}]),
            "<ref>red thing</ref><box>", "(0,0),(499,999)", "none", split="test", prompt="Qwen-VL",
        )
    ],
}  # fmt: skip
