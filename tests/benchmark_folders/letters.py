# ruff: noqa: E501
"""Benchmarks that want one of several options."""

import base64

from benchmark_folders.writing import LETTER, SHORT, SHOWN, Example, hub, png, tsv

OPTIONS = {"A": "cat", "B": "dog", "C": "bird", "D": "nan"}
MMMU = {
    "id": "validation_Art_Theory_1", "question": "What is in <image 1>?", "options": "['a cat', 'a <image 2>']", "answer": "B",
    "question_type": "multiple-choice", "image_1": SHOWN, "image_2": SHOWN, "subfield": "x",
}  # fmt: skip

CHOSEN: dict[str, list[Example]] = {
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
}  # fmt: skip
