# ruff: noqa: E501
"""Benchmarks that want a word, a number or a line."""

import base64
import json

from benchmark_folders.writing import SHORT, SHOWN, Example, both, files, hub, png, tsv

PEOPLE = [{"answer": "red", "answer_confidence": "yes", "answer_id": n + 1} for n in range(9)] + [
    {"answer": "dark red", "answer_confidence": "maybe", "answer_id": 10}
]
MATH = {
    "pid": "1", "question": "How many?", "image": "images/1.png", "decoded_image": SHOWN, "choices": None, "unit": "cm",
    "precision": 1.0, "answer": "1.2", "question_type": "free_form", "answer_type": "float",
    "metadata": {"task": "figure question answering", "context": "bar chart", "grade": "not applicable"},
    "query": "Hint: ...\nQuestion: How many? (Unit: cm)",
}  # fmt: skip
TABLE = {"qa_id": "7", "question": "Which year?", "gt": "2,004|May", "image": SHOWN, "text_html_table": "<table></table>"}

ANSWERED: dict[str, list[Example]] = {
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
}  # fmt: skip
