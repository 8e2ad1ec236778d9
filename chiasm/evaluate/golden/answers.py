"""Metrics of one answer at a time."""

from __future__ import annotations

from typing import Any

from chiasm.evaluate.golden.case import RANDOM, Case, Metric, Values, each, value
from chiasm.evaluate.scorers import (
    anls,
    boxes,
    chair,
    chartqa,
    letters,
    mathvista,
    mcq,
    mmmu,
    ocrbench,
    pope,
    singular,
    video,
    vqa,
    vqa_text,
)


def _ai2d(case: Case) -> Values:
    response = case["response"]
    right = {letter: float(letters.ai2d_right(response, letter)) for letter in letters.FOUR}
    return {"expected_filtered": letters.ai2d(response), "expected_exact_match": right}


def _box_iou(case: Case) -> Values:
    gold, box = case["gt_xyxy"], case["pred_xyxy"]
    cover = boxes.iou(gold, box)
    return {
        "expected_iou": cover,
        "expected_acc": {str(least): cover >= least for least in boxes.THRESHOLDS},
        "expected_center_acc": boxes.centred(gold, box),
    }


def _chair(case: Case) -> Values:
    checked = chair.check(case["caption"], case["segmentation_objects"], case["reference_captions"])
    false = checked.hallucinated
    expected = {
        "gt_objects": sorted(checked.true),
        "generated_objects": checked.mentioned.kinds,
        "hallucinated": [[word, kind] for word, kind, _ in false],
        "hallucination_idxs": [place for _, _, place in false],
        "words": list(checked.mentioned.words),
        "CHAIRs": int(bool(false)),
        "CHAIRi": checked.chair_i,
        "Recall": checked.recall,
    }
    return {"expected": expected}


def _mathvista_extract(case: Case) -> Values:
    kinds = (case["question_type"], case["answer_type"], case["choices"] or [])
    return {"expected_extraction_without_judge": mathvista.extract(case["response"], *kinds, case["quick_extract"]) or ""}


def _mathvista_normalize(case: Case) -> Any:
    return mathvista.normalize(
        case["extraction"], case["choices"] or [], case["question_type"], case["answer_type"], case["precision"],
        case["ignore_empty_extractions"],
    )  # fmt: skip


def _mcq_kit(case: Case) -> Values:
    options = case["options"]
    letter = mcq.infer_letter(str(case["response"]), options)
    return {"expected": mcq.infer(str(case["response"]), options), "expected_option_only": letter}


def _mmmu_choice(reference: mmmu.Reference) -> Metric:
    def parse(case: Case) -> str:
        response = case["response"] if isinstance(case["response"], str) else ""
        return mmmu.parse_choice(response, mmmu.letters(case["options"]), reference) or RANDOM

    return value(parse)


def _mmmu_open(case: Case) -> Values:
    parsed = mmmu.parse_open(case["response"])
    ordered = sorted(parsed, key=lambda one: (isinstance(one, str), str(one)))
    return {"expected_parsed_set": ordered, "expected_correct": mmmu.right_open(parsed, case["gold"])}


def _refcoco_parse(case: Case) -> Values:
    box = boxes.parse_rec(case["prediction"]) or boxes.EMPTY
    return {"expected_box_lmms_rec": list(box), "expected_iou_lmms_rec": boxes.iou(case["gt_xyxy_normalised"], box)}


def _refcoco_qwen(case: Case) -> Values:
    cover = boxes.iou_qwen(case["prediction"], case["gt_xyxy_abs"], case["image_width"], case["image_height"])
    return {"expected_iou": cover, "expected_correct": int(cover >= 0.5)}


def _scienceqa(case: Case) -> Values:
    letter, choices = letters.scienceqa(case["response"]), len(case["choices"])
    index = letters.scienceqa_index(letter, choices)
    correct = int(letters.scienceqa_right(case["response"], case["answer_index"], choices))
    return {"expected_parsed": letter or "FAILED", "expected_index": index, "expected_correct": correct}


def _vqa(case: Case) -> Values:
    share = vqa.accuracy(case["prediction"], case["answers"])
    return {"expected": share, "expected_percent": vqa.percent(share)}


def _vqa_normalize(case: Case) -> Values:
    return {"expected": vqa_text.normalize(case["input"]), "expected_mmf_evalai": vqa_text.evalai(case["input"])}


METRICS: dict[str, Metric] = {
    "ai2d_filter": each(_ai2d),
    "anls": value(lambda case: anls.anls(case["prediction"], case["answers"], case["threshold"])),
    "box_iou": each(_box_iou),
    "chair": each(_chair),
    "chartqa_relaxed": value(lambda case: chartqa.relaxed(case["prediction"], case["target"])),
    "chartqapro_relaxed": value(
        lambda case: chartqa.pro(case["prediction"], case["target"], case["year_flags"], case["always_use_exact_match"])
    ),
    "longvideobench_extract": value(lambda case: video.longvideobench(case["response"]) or RANDOM),
    "mathvista_extract": each(_mathvista_extract),
    "mathvista_normalize": value(_mathvista_normalize),
    "mathvista_safe_equal": value(lambda case: mathvista.equal(case["prediction"], case["answer"])),
    "mcq_extraction_lmms_eval": value(lambda case: mcq.extract(case["response"], case["choices"] or mcq.LETTERS) or ""),
    "mcq_extraction_vlmevalkit": each(_mcq_kit),
    "mmbench_lmms_can_infer": value(lambda case: mcq.infer_mmbench(case["response"], case["options"])),
    "mmmu_extract_numbers": value(lambda case: mmmu.numbers(case["input"])),
    "mmmu_normalize_str": value(lambda case: mmmu.normalize(case["input"])),
    "mmmu_open": each(_mmmu_open),
    "mmmu_parse_mc": _mmmu_choice("MMMU"),
    "mmmu_pro_parse_mc": _mmmu_choice("MMMU-Pro"),
    "mmstar": value(lambda case: int(letters.mmstar(case["response"], case["answer"]))),
    "mvbench_check_ans": value(lambda case: video.mvbench(case["response"], case["gold"])),
    "ocrbench": value(lambda case: int(ocrbench.right(case["prediction"], case["answers"], case["dataset"]))),
    "pattern_singularize": value(lambda case: singular.singular(case["input"])),
    "pope_parse": value(lambda case: pope.parse(case["answer"])),
    "realworldqa": value(lambda case: float(letters.realworldqa(case["response"], case["answer"]))),
    "refcoco_parse": each(_refcoco_parse),
    "refcoco_qwen_vl": each(_refcoco_qwen),
    "scienceqa_llava": each(_scienceqa),
    "textvqa_accuracy": value(lambda case: vqa.accuracy(case["prediction"], case["answers"], "mmf TextVQA")),
    "videomme_extract": value(lambda case: video.videomme(case["response"]) or ""),
    "vqa_accuracy": each(_vqa),
    "vqa_normalize": each(_vqa_normalize),
}
