"""Metrics of a whole set: corpora, runs, rankings, turns of one question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from chiasm.evaluate.golden.case import Case, Metric, Values, each, one_of, rows_of, under_its_names
from chiasm.evaluate.scorers import (
    boxes,
    captions,
    detection,
    jars,
    mmbench,
    mmmu,
    pope,
    ptb,
    retrieval,
    transcription,
    video,
    vqa,
    zeroshot,
)
from chiasm.evaluate.scorers.grams import Corpus


def _captions(cases: Sequence[Case]) -> list[Values]:
    """METEOR only where its program is."""
    corpora = [_tokenized(case) for case in cases]
    meteor = jars.meteor(corpora) if jars.found() else []
    out = []
    for place, (case, corpus) in enumerate(zip(cases, corpora, strict=True)):
        bleu = captions.bleu(corpus)
        scored = {"ROUGE_L": captions.rouge_l(corpus), "CIDEr": captions.cider(corpus)}
        if meteor:
            scored["METEOR"] = meteor[place]
        whole = {f"Bleu_{n}": one.corpus for n, one in enumerate(bleu, 1)} | {name: one.corpus for name, one in scored.items()}
        images = {
            id: {"Bleu": [one.each[n] for one in bleu]} | {name: one.each[n] for name, one in scored.items()}
            for n, id in enumerate(case["references"])
        }
        out.append({"expected": whole, "expected_per_image": images})
    return out


def _tokenized(case: Case) -> Corpus:
    """The tokens that come with a case, else by the exact program where it is; texts as they are for `tokenized: false`."""
    ids, said, true = list(case["references"]), case["candidates"], case["references"]
    if case.get("tokenized_references") and case.get("tokenized_candidates"):
        said, true = case["tokenized_candidates"], case["tokenized_references"]
    elif case.get("tokenized", True):
        lines = iter(ptb.tokenize([text for id in ids for text in (said[id], *true[id])], exact=jars.found()))
        said, true = {}, {}
        for id in ids:
            said[id], true[id] = next(lines), [next(lines) for _ in case["references"][id]]
    return Corpus([said[id] for id in ids], [true[id] for id in ids])


def _tokens(cases: Sequence[Case]) -> list[Values]:
    return [{"expected": line} for line in ptb.tokenize([case["input"] for case in cases], exact=jars.found())]


def _detection(case: Case) -> Values:
    truth = {name: case[name] for name in ("images", "categories", "annotations")}
    return {"expected": detection.coco_map(truth, case["detections"])}


def _circular(case: Case) -> Values:
    turns = [
        mmbench.Turn(
            row["index"], {x: row[x] for x in mmbench.OPTIONS if _there(row.get(x))}, row["answer"], str(row["prediction"])
        )
        for row in case["rows"]
    ]
    hits = [int(mmbench.vanilla(turn)) for turn in turns]
    return {"expected_circular_hit": int(all(mmbench.circular(turns).values())), "expected_vanilla_hits": hits}


def _there(option: Any) -> bool:
    return option is not None and not (isinstance(option, float) and math.isnan(option))


def _mmmu_evaluate(case: Case) -> Values:
    """Rows with what was parsed, or with a response and options to parse."""
    right = {row["id"]: _mmmu_right(row) for row in rows_of(case)}
    judged = {id: "Correct" if one else "Wrong" for id, one in right.items()}
    share = sum(right.values()) / len(right) if right else 0
    known: Values = {"acc": share, "accuracy": share, "metric": {"acc": share}, "metric_dict": {"acc": share}}
    known |= {"judge_dict": judged, "judge": judged}
    return under_its_names(case, known, {"expected": {"acc": share}, "expected_judge_dict": judged})


def _mmmu_right(row: Case) -> bool:
    gold = row["answer"]
    if row["question_type"] == "multiple-choice":
        parsed = (
            row["parsed_pred"] if "parsed_pred" in row else mmmu.parse_choice(row["response"], mmmu.letters(row["options"]))
        )
        return mmmu.right_choice(parsed, gold)
    return mmmu.right_open(row["parsed_pred"] if "parsed_pred" in row else mmmu.parse_open(row["response"]), gold)


def _pope(case: Case) -> Values:
    found = asdict(pope.summary(case["answers"], case["labels"]))
    return {"expected": {name.upper() if len(name) == 2 and name != "f1" else name: one for name, one in found.items()}}


def _refcoco(case: Case) -> Values:
    rows = rows_of(case)
    golds = [one_of(row, "bbox", "gt_xyxy", "gt_bbox", "gt", "gt_xyxy_normalised") for row in rows]
    said = [one_of(row, "pred", "pred_xyxy", "pred_bbox", "prediction") for row in rows]
    found = boxes.summary(golds, [boxes.parse_rec(one) or boxes.EMPTY if isinstance(one, str) else one for one in said])
    return under_its_names(case, found, {"expected": found})


def _image_text(case: Case) -> Values:
    found = retrieval.image_text(np.array(case["scores_i2t"]), case["txt2img"])
    text, image = sum(found.text) / 3, sum(found.image) / 3
    named = {f"{kind}_r{k}": one for kind, of in asdict(found).items() for k, one in zip((1, 5, 10), of, strict=True)}
    out = {name.replace("text", "txt").replace("image", "img"): one for name, one in named.items()}
    return {"expected": out | {"txt_r_mean": text, "img_r_mean": image, "r_mean": (text + image) / 2}}


_TREC = ("map", "recip_rank", "recall", "ndcg")


def _trec(case: Case) -> Values:
    qrels, results, cuts = case["qrels"], case["results"], case["k_values"]
    each = {
        query: {name: one for name, one in measures.items() if name.startswith(_TREC) and not name.startswith("map_")}
        for query, measures in retrieval.per_query(qrels, results, cuts).items()
    }
    return {"expected": retrieval.beir(qrels, results, cuts), "expected_per_query_trec_eval": each}


def _videomme(case: Case) -> Values:
    items = [item for item in case["items"] if not item["missing"]]
    watched = [
        video.Watched(item["duration_category"], question["response"], question["answer"])
        for item in items
        for question in item["questions"]
    ]
    return {"expected_overall_percent": video.videomme_summary(watched, ("short", "medium", "long"))}


def _vqa_summary(case: Case) -> Values:
    """Rows with everything, or the official pair of annotations and results."""
    apart = "annotations" in case
    given = one_of(case, "results", "predictions") if apart else {}
    said = given if isinstance(given, dict) else {row["question_id"]: row["answer"] for row in given}
    judged, each_one = [], {}
    for place, row in enumerate(case["annotations"] if apart else rows_of(case)):
        id = row.get("question_id", place)
        answers = [one["answer"] if isinstance(one, dict) else one for one in row["answers"]]
        reply = next((said[name] for name in (id, str(id)) if name in said), None)
        share = vqa.accuracy(one_of(row, "prediction", "response") if reply is None else reply, answers)
        judged.append(vqa.Judged(share, row["question_type"], row["answer_type"]))
        each_one[str(id)] = vqa.percent(share)
    found = vqa.summary(judged)
    kinds = {"perQuestionType": found.by_question_type, "perAnswerType": found.by_answer_type}
    known = {"overall": found.overall, "accuracy": found.overall, "evalQA": each_one, "perQuestion": each_one, **kinds}
    known |= {"per_question_type": found.by_question_type, "per_answer_type": found.by_answer_type}
    return under_its_names(case, known, {"expected": {"overall": found.overall, **kinds}})


def _errors(case: Case) -> Values:
    found = asdict(transcription.errors([case["reference"]], [case["hypothesis"]]))
    return {f"expected_{name}": rate for name, rate in found.items()}


def _classifier(case: Case) -> Values:
    features = np.array(case["raw_text_features"], float)
    classes = features.reshape(len(case["classnames"]), len(case["templates"]), -1)
    return {"expected_classifier_dim_by_class": zeroshot.classifier(classes).T.tolist()}


def _top_k(case: Case) -> Values:
    logits, target = np.array(case["logits"], float), np.array(case["target"])
    return {"expected": {f"top{k}": zeroshot.top_k(logits, target, k) for k in (1, 5)}}


METRICS: dict[str, Metric] = {
    "coco_caption_corpora": _captions,
    "coco_detection_map": each(_detection),
    "mmbench_circular": each(_circular),
    "mmmu_evaluate": each(_mmmu_evaluate),
    "pope_aggregate": each(_pope),
    "ptb_tokenizer": _tokens,
    "refcoco_aggregate": each(_refcoco),
    "retrieval_image_text": each(_image_text),
    "retrieval_trec": each(_trec),
    "videomme_aggregate": each(_videomme),
    "vqa_accuracy_aggregate": each(_vqa_summary),
    "wer_cer": each(_errors),
    "zeroshot_ensemble": each(_classifier),
    "zeroshot_topk": each(_top_k),
}
