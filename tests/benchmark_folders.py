# ruff: noqa: E501
"""A tiny folder in the published layout of every benchmark, with what is asked there and replies to it."""

import base64
import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow
from PIL import Image as Pictures
from pyarrow import parquet


def png(width: int = 64, height: int = 48) -> bytes:
    file = io.BytesIO()
    Pictures.new("RGB", (width, height), (200, 30, 30)).save(file, "PNG")
    return file.getvalue()


SHOWN = {"bytes": png(), "path": None}
"""A picture as the hub stores it."""

Write = Callable[[Path], None]
Rows = list[dict[str, Any]]


def hub(name: str, rows: Rows) -> Write:
    def write(folder: Path) -> None:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), file)

    return write


def tsv(name: str, rows: Rows) -> Write:
    def write(folder: Path) -> None:
        with (folder / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), delimiter="\t")
            writer.writeheader()
            writer.writerows(rows)

    return write


def files(contents: Mapping[str, Any]) -> Write:
    """JSON for names that end so, lines for .jsonl, bytes as they are."""

    def write(folder: Path) -> None:
        for name, content in contents.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            match content:
                case bytes():
                    (folder / name).write_bytes(content)
                case str():
                    (folder / name).write_text(content)
                case list() if name.endswith(".jsonl"):
                    (folder / name).write_text("\n".join(map(json.dumps, content)))
                case _:
                    (folder / name).write_text(json.dumps(content))

    return write


@dataclass(frozen=True)
class Example:
    """A folder with one usable question first, what is asked there, a right reply and a wrong one."""

    write: Write
    asked: str
    right: str
    wrong: str
    split: str | None = None
    parsed: Any = field(default=...)
    prompt: str | None = None
    items: int = 1


PEOPLE = [{"answer": "red", "answer_confidence": "yes", "answer_id": n + 1} for n in range(9)] + [
    {"answer": "dark red", "answer_confidence": "maybe", "answer_id": 10}
]
SHORT = "\nAnswer the question using a single word or phrase."
LETTER = "\nAnswer with the option's letter from the given choices directly."
OPTIONS = {"A": "cat", "B": "dog", "C": "bird", "D": "nan"}
MATH = {
    "pid": "1", "question": "How many?", "image": "images/1.png", "decoded_image": SHOWN, "choices": None, "unit": "cm",
    "precision": 1.0, "answer": "1.2", "question_type": "free_form", "answer_type": "float",
    "metadata": {"task": "figure question answering", "context": "bar chart", "grade": "not applicable"},
    "query": "Hint: ...\nQuestion: How many? (Unit: cm)",
}  # fmt: skip


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


MMMU = {
    "id": "validation_Art_Theory_1", "question": "What is in <image 1>?", "options": "['a cat', 'a <image 2>']", "answer": "B",
    "question_type": "multiple-choice", "image_1": SHOWN, "image_2": SHOWN, "subfield": "x",
}  # fmt: skip
WATCHED = {
    "video_id": "001", "videoID": "abc", "duration": "short", "domain": "Knowledge", "sub_category": "Law",
    "task_type": "Counting Problem", "question_id": "001-1", "question": "How many?",
    "options": ["A. One.", "B. Two.", "C. Three.", "D. Four."], "answer": "C",
}  # fmt: skip
TABLE = {"qa_id": "7", "question": "Which year?", "gt": "2,004|May", "image": SHOWN, "text_html_table": "<table></table>"}


def both(*several: Write) -> Write:
    def write(folder: Path) -> None:
        for one in several:
            one(folder)

    return write


EXAMPLES: dict[str, list[Example]] = {
    "vqav2": [
        Example(
            hub("data/validation-00000-of-00001.parquet", [
                {"question_id": 1, "question": "What colour?", "image": SHOWN, "question_type": "what", "answer_type": "other",
                 "multiple_choice_answer": "red", "answers": PEOPLE},
            ]),
            "What colour?" + SHORT, "The Red.", "blue",
        ),
        Example(
            files({
                "v2_OpenEnded_mscoco_val2014_questions.json": {
                    "info": {}, "license": {"name": "x"},
                    "questions": [{"image_id": 42, "question": "What colour?", "question_id": 42000}],
                },
                "v2_mscoco_val2014_annotations.json": {
                    "annotations": [{"question_id": 42000, "image_id": 42, "question_type": "what", "answer_type": "other",
                                     "multiple_choice_answer": "red", "answers": PEOPLE}]
                },
                "val2014/COCO_val2014_000000000042.jpg": png(),
            }),
            "What colour?" + SHORT, "red", "blue",
        ),
    ],
    "okvqa": [
        Example(
            hub("data/val2014-00000-of-00001.parquet", [
                {"question_id": "1", "question": "Which breed?", "image": SHOWN, "answers": ["pug"] * 10}
            ]),
            "Which breed?\nWhen the provided information is insufficient, respond with 'Unanswerable'." + SHORT, "pug", "Pug",
        )
    ],
    "textvqa": [
        Example(
            hub("data/validation-00000-of-00001.parquet", [
                {"question_id": 1, "question": "what does the SIGN say?", "image": SHOWN, "image_id": "i", "ocr_tokens": ["STOP"],
                 "answers": ["stop"] * 10}
            ]),
            "What does the sign say?" + SHORT, "STOP", "go",
        )
    ],
    "docvqa": [
        Example(
            hub("DocVQA/validation-00000-of-00001.parquet", [
                {"questionId": "1", "question": "Who signed?", "image": SHOWN, "answers": ["Jane Roe", "J. Roe"]}
            ]),
            "Who signed?" + SHORT, "jane roe", "nobody",
        ),
        Example(
            files({
                "val_v1.0_withQT.json": {"dataset_name": "docvqa", "data": [
                    {"questionId": 1, "question": "Who signed?", "image": "documents/a.png", "answers": ["Jane Roe"]}]},
                "documents/a.png": png(),
            }),
            "Who signed?" + SHORT, "jane roe", "nobody",
        ),
    ],
    "infovqa": [
        Example(
            hub("InfographicVQA/validation-00000-of-00001.parquet", [
                {"questionId": "1", "question": "How many?", "image": SHOWN, "answers": ["12 million"]}
            ]),
            "How many?" + SHORT, "12 million", "one",
        )
    ],
    "chartqa": [
        Example(
            hub("data/test-00000-of-00001.parquet", [
                {"type": "human_test", "question": "Which value?", "answer": "100", "image": SHOWN}
            ]),
            "Which value?\nAnswer the question with a single word.", "104.9", "106",
        ),
        Example(
            hub("data/test-00000-of-00001.parquet", [
                {"image": SHOWN, "query": "Which value?", "label": ["100"], "human_or_machine": 1}
            ]),
            "Which value?\nAnswer the question with a single word.", "100", "",
        ),
    ],
    "chartqapro": [
        Example(
            hub("data/test-00000-of-00001.parquet", [
                {"Question": ["First?", "Then?"], "Answer": ["one", "2010"], "Question Type": "Conversational",
                 "Year": ["NO", "YES"], "Paragraph": "", "image": png()}
            ]),
            "Q1: First?\nA1: one\nQ2: Then?\nAnswer the question with a short phrase.", "2010.", "2011",
        )
    ],
    "pope": [
        Example(
            hub("data/test-00000-of-00001.parquet", [
                {"id": "0", "question_id": "1", "question": "Is there a dog in the image?", "answer": "no",
                 "image_source": "COCO_val2014_000000310196", "image": SHOWN, "category": "adversarial"}
            ]),
            "Is there a dog in the image?" + SHORT, "No, there is not.", "Maybe", parsed="no",
        ),
        Example(
            files({
                "coco_pope_random.json": json.dumps(
                    {"question_id": 1, "image": "a.png", "text": "Is there a dog in the image?", "label": "yes"}) + "\n"
                    + json.dumps({"question_id": 2, "image": "a.png", "text": "Is there a cat in the image?", "label": "no"}),
                "a.png": png(),
            }),
            "Is there a dog in the image?" + SHORT, "yes", "no", items=2,
        ),
    ],
    "mmmu": [
        Example(
            hub("Art_Theory/validation-00000-of-00001.parquet", [MMMU]),
            "What is in [picture]?\n\n(A) a cat\n(B) a [picture]\n\n\nAnswer with the option's letter from the given choices directly.",
            "(B)", "(A)", parsed="B",
        ),
        Example(
            hub("Art_Theory/validation-00000-of-00001.parquet", [MMMU]),
            "What is in [picture]?\nA. a cat\nB. a [picture]\n\nAnswer with the option's letter from the given choices directly.",
            "I think that it is B", "A", prompt="lmms-eval",
        ),
        Example(
            hub("Math/validation-00000-of-00001.parquet", [
                {**MMMU, "id": "validation_Math_3", "question_type": "open", "options": "[]", "answer": "1,234"}]),
            "What is in [picture]?\n" + SHORT, "The answer is 1234.", "12",
        ),
    ],
    "mmmu-pro": [
        Example(
            hub("standard (10 options)/test-00000-of-00001.parquet", [
                {**MMMU, "id": "test_Art_1", "subject": "Art", "options": str(["x", *"bcdefghij"]), "question": "<image 1> Which?"}]),
            "[picture] Which?\nA. x\nB. b\nC. c\nD. d\nE. e\nF. f\nG. g\nH. h\nI. i\nJ. j\n"
            "Answer with the option letter from the given choices directly.", "Answer: B", "Answer: C",
        )
    ],
    "mmmu-pro-4": [
        Example(
            hub("standard (4 options)/test-00000-of-00001.parquet", [
                {**MMMU, "id": "test_Art_1", "subject": "Art", "options": "['x', 'y', 'z', 'w']"}]),
            "What is in [picture]?\nA. x\nB. y\nC. z\nD. w\nAnswer with the option letter from the given choices directly.",
            "B", "A",
        )
    ],
    "mmmu-pro-vision": [
        Example(
            hub("vision/test-00000-of-00001.parquet", [
                {"id": "test_Art_1", "image": SHOWN, "options": "['x', 'y']", "answer": "B", "subject": "Art"}]),
            "[picture]Answer with the option letter from the given choices directly. The last line of your response should be of "
            "the following format: 'Answer: $LETTER' (without quotes) where LETTER is one of options.", "Answer: B", "A",
        )
    ],
    "mmbench": [
        Example(
            hub("en/dev-00000-of-00001.parquet", [
                {"index": 3, "question": "What is it?", "hint": "Look.", **OPTIONS, "answer": "B", "category": "action",
                 "L2-category": "finegrained", "source": "s", "split": "dev", "image": SHOWN}]),
            "Hint: Look.\nQuestion: What is it?\nOptions:\nA. cat\nB. dog\nC. bird\n"
            "Please select the correct answer from the options above. \n", "It is a dog", "A or B", parsed="B",
        ),
        Example(
            tsv("MMBench_DEV_EN_V11.tsv", [
                {"index": 3, "question": "What is it?", "hint": "", "A": "cat", "B": "dog", "C": "", "D": "", "answer": "B",
                 "category": "action", "l2-category": "finegrained", "split": "dev", "image": base64.b64encode(png()).decode()},
                {"index": 1000003, "question": "What is it?", "A": "dog", "B": "cat", "answer": "A", "category": "action",
                 "l2-category": "finegrained", "split": "dev", "image": "3"},
            ]),
            "What is it? There are several options:\nA. cat\nB. dog\n" + LETTER, "B", "C", prompt="lmms-eval", items=2,
        ),
    ],
    "mmbench-cn": [
        Example(
            hub("cn/dev-00000-of-00001.parquet", [
                {"index": 3, "question": "这是什么?", "hint": "nan", **OPTIONS, "answer": "B", "category": "action",
                 "L2-category": "finegrained", "source": "s", "split": "dev", "image": SHOWN}]),
            "Question: 这是什么?\nOptions:\nA. cat\nB. dog\nC. bird\nPlease select the correct answer from the options above. \n",
            "B", "Z",
        )
    ],
    "mmstar": [
        Example(
            hub("data/val-00000-of-00001.parquet", [
                {"index": 0, "question": "Which?\nOptions: A: cat, B: dog", "image": SHOWN, "answer": "B", "category": "math",
                 "l2_category": "geometry", "meta_info": {"source": "x"}}]),
            "Which?\nOptions: A: cat, B: dog\nAnswer with the option's letter from the given choices directly", "B", "Answer: B",
        )
    ],
    "realworldqa": [
        Example(
            hub("data/test-00000-of-00001.parquet", [
                {"image": SHOWN, "question": "Left or right?\n\nA. left\nB. right\nPlease answer directly with only the letter.",
                 "answer": "A"}]),
            "Left or right?\n\nA. left\nB. right\nPlease answer directly with only the letter.", "A. left", "left", parsed="A",
        )
    ],
    "scienceqa": [
        Example(
            hub("ScienceQA-IMG/test-00000-of-00001.parquet", [
                {"image": SHOWN, "question": "Which?", "choices": ["cat", "dog"], "answer": 1, "hint": "A hint.",
                 "subject": "natural science", "grade": "grade2"}]),
            "Context: A hint.\nWhich?\nA. cat\nB. dog" + LETTER, "B. dog", "dog", parsed="B",
        )
    ],
    "ai2d": [
        Example(
            hub("data/test-00000-of-00001.parquet", [
                {"question": "Which?", "options": ["cat", "dog"], "answer": "1", "image": SHOWN}]),
            "Which?\nA. cat\nB. dog" + LETTER, "B", "cat and dog", parsed="B",
        )
    ],
    "mathvista": [
        Example(
            hub("data/testmini-00000-of-00001.parquet", [MATH]), "Hint: ...\nQuestion: How many? (Unit: cm)", "1.2", "about 1.2",
            parsed="1.2",
        ),
        Example(
            both(files({"testmini.json": {"1": {k: v for k, v in MATH.items() if k != "decoded_image"}}, "images/1.png": png()})),
            "Question: How many? (Unit: cm)\nHint: Please answer the question requiring a floating-point number with one decimal "
            "place and provide the final value, e.g., 1.2, 1.3, 1.4, at the end.\nSolution: ", 'The answer is "1.23".', "1.3",
            prompt="MathVista",
        ),
        Example(
            hub("data/testmini-00000-of-00001.parquet", [
                {**MATH, "choices": ["a", "none"], "question_type": "multi_choice", "answer_type": "text", "answer": "none"}]),
            "How many? (Unit: cm)\nA. a\nB. none\nAnswer with the option's letter from the given choices directly.",
            'The answer is "(b)".', "B", prompt="lmms-eval",
        ),
    ],
    "ocrbench": [
        Example(
            hub("data/test-00000-of-00001.parquet", [
                {"dataset": "IIIT5K", "question": "What is written?", "question_type": "Regular Text Recognition",
                 "answer": ["PRIVATE"], "image": SHOWN}]),
            "What is written?", "it says private.", "public",
        ),
        Example(
            files({
                "OCRBench.json": [{"dataset_name": "HME100k", "id": 1, "question": "What is written?", "answers": "x ^ 2",
                                   "type": "Handwritten Mathematical Expression Recognition", "image_path": "a.png"}],
                "a.png": png(),
            }),
            "What is written?", "x^2", "X^2",
        ),
    ],
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
    "tablevqa": [
        Example(
            hub("data/vwtq-00000-of-00001.parquet", [TABLE]), "Question: Which year?\nAnswer:", "may||2,004", "May", parsed=...,
        ),
        Example(
            tsv("tablevqa-bench.tsv", [
                {"index": 1, "image": base64.b64encode(png()).decode(), "question": "It rains.", "answer": "0",
                 "split": "vtabfact"}]),
            "Statement: It rains.\nAnswer:", "Answer: False", "True or False", parsed=False,
        ),
        Example(
            tsv("tablevqa-bench.tsv", [
                {"index": 1, "image": base64.b64encode(png()).decode(), "question": "How much?", "answer": "$3,852 million",
                 "split": "fintabnetqa"}]),
            "Question: How much?\nAnswer:", "3852", "38.52",
        ),
    ],
    "videomme": [
        Example(
            both(hub("videomme/test-00000-of-00001.parquet", [WATCHED]), files({"data/abc.mp4": b"x"})),
            "Select the best answer to the following multiple-choice question based on the video. Respond with only the letter "
            "(A, B, C, or D) of the correct option.\nHow many?\nA. One.\nB. Two.\nC. Three.\nD. Four.\nThe best answer is:",
            "C. Three", "Answer: C", parsed="C",
        ),
        Example(
            both(
                hub("videomme/test-00000-of-00001.parquet", [WATCHED]),
                files({"data/abc.mkv": b"x", "subtitle/abc.srt": "1\n00:00:01,000 --> 00:00:02,000\n"
                                                       '<font color="white" size=".72c">Hello there</font>\n'}),
            ),
            "This video's subtitles are listed below: \nHello there\nSelect the best answer", "C", "",
            prompt="Video-MME with subtitles",
        ),
    ],
    "longvideobench": [
        Example(
            both(
                hub("data/validation-00000-of-00001.parquet", [
                    {"id": "v_0", "video_path": "v.mp4", "question": "Who?", "option0": "he", "option1": "she", "option2": "N/A",
                     "option3": "N/A", "option4": "N/A", "correct_choice": 1, "subtitle_path": "v.json", "duration_group": 60,
                     "question_category": "S2E"}]),
                files({"videos/v.mp4": b"x"}),
            ),
            "Who?\nA. he\nB. she\nAnswer with the option's letter from the given choices directly.\n", "B. she", "A",
        )
    ],
    "mvbench": [
        Example(
            files({
                "json/action_sequence.json": [
                    {"video": "ZS9XR.mp4", "question": "What happened?", "candidates": ["ran", "sat"], "answer": "sat",
                     "start": 11.1, "end": 19.6}],
                "video/star/Charades_v1_480/ZS9XR.mp4": b"x",
            }),
            "Question: What happened?\nOptions:\n(A) ran\n(B) sat\nOnly give the best option.", "(B) sat", "Answer: B",
        )
    ],
}  # fmt: skip
