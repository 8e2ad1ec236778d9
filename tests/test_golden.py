"""The benchmarks' rules against the official code's own outputs, the ports' where numbers follow them, and the command."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chiasm.errors import UserError
from chiasm.evaluate.golden import __main__ as golden
from chiasm.evaluate.golden.case import RANDOM
from chiasm.evaluate.scorers import (
    anls,
    boxes,
    chartqa,
    jars,
    letters,
    mcq,
    mmmu,
    ocrbench,
    pope,
    ptb,
    video,
    vqa,
    vqa_text,
)

FILE = Path(__file__).parent / "data" / "golden" / "scorers.json"
"""A sample of cases with the outputs of the official code, as facts; each names its source."""

CASES: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text())
EXACT = pytest.mark.skipif(not jars.found(), reason=jars.ABSENT)


def same(one: Any, other: Any) -> bool:
    match one, other:
        case bool(), _:
            return one is other
        case float() | int(), float() | int():
            return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
        case dict(), dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(same, one, other))
    return one == other


def compare(name: str, without: frozenset[str] = frozenset()) -> None:
    """Every expected value of a metric's cases, but for what is named."""
    for case, found in zip(CASES[name], golden.METRICS[name](CASES[name]), strict=True):
        expected = {key: left_out(value, without) for key, value in case.items() if key.startswith("expected")}
        assert {key: value for key, value in expected.items() if not same(value, golden._plain(found[key]))} == {}, case


def left_out(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: left_out(one, names) for key, one in value.items() if key not in names}
    return value


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"ptb_tokenizer", "coco_caption_corpora"}))
def test_every_golden_value(name: str) -> None:
    compare(name)


def test_golden_captions_without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same tokens all but METEOR is the same, and on the sample the rules make the same tokens."""
    monkeypatch.setattr(jars, "found", lambda: False)
    compare("coco_caption_corpora", frozenset(("METEOR",)))
    compare("ptb_tokenizer")


@EXACT
def test_golden_tokens_by_the_program() -> None:
    compare("ptb_tokenizer")


@pytest.mark.slow
@EXACT
def test_golden_captions_with_meteor() -> None:
    compare("coco_caption_corpora")


def test_all_metrics_are_known_and_no_other() -> None:
    assert golden.METRICS.keys() == CASES.keys()


PORTS: dict[str, dict[str, Callable[[dict[str, Any]], Any]]] = {
    "anls": {
        "mmf_stvqa": lambda case: anls.anls(case["prediction"], case["answers"], reference="mmf ST-VQA"),
        "pix2struct": lambda case: anls.anls(case["prediction"], case["answers"], reference="pix2struct"),
    },
    "box_iou": {"vlmevalkit_iou": lambda case: boxes.iou_guarded(case["gt_xyxy"], case["pred_xyxy"])},
    "chartqa_relaxed": {
        "vlmevalkit": lambda case: chartqa.relaxed(case["prediction"], case["target"], "VLMEvalKit"),
        "qwen_vl_script": lambda case: chartqa.relaxed(case["prediction"], case["target"], "Qwen-VL"),
    },
    "longvideobench_extract": {"vlmevalkit": lambda case: video.longvideobench(case["response"], "VLMEvalKit") or ""},
    "mcq_extraction_vlmevalkit": {
        "lmms_eval_extract_mcq_answer": lambda case: mcq.extract(case["response"], tuple(case["options"])) or ""
    },
    "mmmu_parse_mc": {
        "lmms_eval": lambda case: mmmu.parse_choice(case["response"], mmmu.letters(case["options"]), "lmms-eval") or RANDOM
    },
    "mmstar": {"lmms_eval": lambda case: int(letters.mmstar(case["response"], case["answer"], "lmms-eval"))},
    "mvbench_check_ans": {"lmms_eval_mcq_acc": lambda case: int(video.mvbench(case["response"], case["gold"], "lmms-eval"))},
    "ocrbench": {
        "lmms_eval": lambda case: int(ocrbench.right(case["prediction"], case["answers"], case["dataset"], "lmms-eval"))
    },
    "pope_parse": {
        "vlmevalkit_extraction": lambda case: (pope.parse(case["answer"], "VLMEvalKit") or "Unknown").capitalize(),
    },
    "refcoco_parse": {
        "vlmevalkit_parsed": lambda case: list(boxes.parse_kit(case["prediction"]) or ()),
        "vlmevalkit_abs": lambda case: list(_pixels(case)),
        "vlmevalkit_iou": lambda case: boxes.iou_guarded(case["gt_xyxy_abs"], _pixels(case)),
        "lmms_grounding_boxes": lambda case: [list(box) for box in boxes.parse_grounding(case["prediction"])],
    },
    "scienceqa_llava": {
        "lmms_eval_correct": lambda case: float(
            letters.scienceqa_right(case["response"], case["answer_index"], len(case["choices"]), "lmms-eval")
        )
    },
    "textvqa_accuracy": {"lmms_eval_okvqa": lambda case: vqa.accuracy(case["prediction"], case["answers"], "lmms-eval OK-VQA")},
    "videomme_extract": {
        "vlmevalkit": lambda case: video.videomme(case["response"], "VLMEvalKit") or "",
        "lmms_eval": lambda case: video.videomme(case["response"], "lmms-eval") or "",
    },
    "vqa_accuracy": {
        "lmms_eval_vqav2": lambda case: vqa.accuracy(case["prediction"], case["answers"], "lmms-eval VQAv2"),
        "vlmevalkit_vqa_score": lambda case: vqa.accuracy(case["prediction"], case["answers"], "VLMEvalKit"),
    },
    "vqa_normalize": {"vlmevalkit": lambda case: vqa_text.normalize(case["input"], vqa_text.LOOKING_BEHIND)},
}
"""What the other implementations give, by the name that the sample gives it."""


def _pixels(case: dict[str, Any]) -> boxes.Four:
    box = boxes.parse_kit(case["prediction"])
    assert box is not None
    return boxes.pixels_kit(box, case["image_width"], case["image_height"])


@pytest.mark.parametrize(("name", "port"), [(name, port) for name, ports in PORTS.items() for port in ports])
def test_the_ports_where_published_numbers_follow_them(name: str, port: str) -> None:
    for case in CASES[name]:
        assert same(case[port], PORTS[name][port](case)), (case, PORTS[name][port](case))


def test_pope_in_lmms_eval() -> None:
    for case in CASES["pope_aggregate"]:
        found = pope.summary(case["answers"], case["labels"], "lmms-eval")
        expected = dict(case["lmms_eval"])
        assert expected.pop("yes_ratio_of_ground_truth") == found.yes_ratio
        assert all(same(value, {"accuracy": found.accuracy, "precision": found.precision, "recall": found.recall,
                                "f1": found.f1}[name]) for name, value in expected.items())  # fmt: skip
    for case in CASES["pope_parse"]:
        said = case["lmms_eval_normalised"]
        assert pope.parse(case["answer"], "lmms-eval") == (said if said in ("yes", "no") else None)


def test_the_rules_of_tokens_agree_with_the_program_on_plain_captions() -> None:
    texts = [text for case in CASES["coco_caption_corpora"] for several in case["references"].values() for text in several]
    exact = [text for case in CASES["coco_caption_corpora"] for several in case["tokenized_references"].values()
             for text in several]  # fmt: skip
    assert ptb.tokenize(texts, exact=False) == exact


def test_the_command_writes_what_it_computes(tmp_path: Path) -> None:
    few = {name: CASES[name][:2] for name in ("anls", "mmmu_open", "pope_parse")}
    (tmp_path / "in.json").write_text(json.dumps(few))
    assert golden.main([str(tmp_path / "in.json"), "--out", str(tmp_path / "out.json")]) == 0
    out = json.loads((tmp_path / "out.json").read_text())
    assert [case["expected"] for case in out["anls"]] == [case["expected"] for case in few["anls"]]


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"anls": [], "mmstarr": []}', "did you mean mmstar"), ("[]", "no lists"), ("{", "not a file of JSON")],
)  # fmt: skip
def test_the_command_refuses_what_it_does_not_know(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.json").write_text(text)
    assert golden.main([str(tmp_path / "in.json"), "--out", str(tmp_path / "out.json")]) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "out.json").exists()


def test_a_case_that_cannot_be_read_holds_back_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = {"prediction": "x", "answers": ["x"], "threshold": 0.5}
    (tmp_path / "in.json").write_text(json.dumps({"anls": [{"prediction": "x"}, whole, {**whole, "prediction": 5}]}))
    assert golden.main([str(tmp_path / "in.json"), "--out", str(tmp_path / "out.json")]) == 0
    found = json.loads((tmp_path / "out.json").read_text())["anls"]
    assert "'answers'" in found[0]["error"] and found[1] == {"expected": 1.0} and "error" in found[2]
    assert "anls, case 0: there is no field" in capsys.readouterr().err
    nine = {"textvqa_accuracy": [{"prediction": "x", "answers": ["x"] * 9}]}
    assert golden.compute(nine) == {"textvqa_accuracy": [{"expected": "ValueError"}]}


def test_runs_as_golden_cases() -> None:
    """The sample has none of these three."""
    ten = [{"answer": "cat", "answer_id": n} for n in range(10)]
    official = {
        "annotations": [{"question_id": 7, "question_type": "what", "answer_type": "other", "answers": ten}],
        "results": [{"question_id": 7, "answer": "cat"}],
    }
    row = {"question_type": "what", "answer_type": "other", "answers": ["cat"] * 10, "prediction": "cat"}
    for case in (official, {"items": [row]}):
        found = golden.compute({"vqa_accuracy_aggregate": [case]})["vqa_accuracy_aggregate"][0]["expected"]
        assert found == {"overall": 100.0, "perQuestionType": {"what": 100.0}, "perAnswerType": {"other": 100.0}}
    samples = [
        {"id": "validation_Art_1", "question_type": "multiple-choice", "answer": ["B", "C"], "parsed_pred": "C"},
        {"id": "validation_Art_2", "question_type": "open", "answer": "1,234", "parsed_pred": [1234.0]},
        {"id": "validation_Art_3", "question_type": "open", "answer": "cat", "response": "a dog"},
    ]
    (judged,) = golden.compute({"mmmu_evaluate": [{"samples": samples}]})["mmmu_evaluate"]
    assert judged["expected"] == {"acc": 2 / 3} and judged["expected_judge_dict"]["validation_Art_3"] == "Wrong"
    (named,) = golden.compute({"mmmu_evaluate": [{"samples": samples, "expected_acc": 1, "expected": {"judge": {}}}]})[
        "mmmu_evaluate"
    ]
    assert named == {"expected_acc": 2 / 3, "expected": {"judge": judged["expected_judge_dict"]}}
    (boxed,) = golden.compute({"refcoco_aggregate": [{"items": [{"bbox": [0, 0, 2, 2], "pred": [0, 0, 2, 1]}]}]})[
        "refcoco_aggregate"
    ]
    assert (boxed["expected"]["IoU"], boxed["expected"]["ACC@0.5"]) == (0.5, 1)


def test_runs_in_other_forms() -> None:
    """None answered, answers by question, boxes still in words."""
    (none,) = golden.compute({"mmmu_evaluate": [{"samples": []}]})["mmmu_evaluate"]
    assert none == {"expected": {"acc": 0}, "expected_judge_dict": {}}
    truth = {"question_id": 7, "question_type": "what", "answer_type": "other", "answers": ["cat"] * 10}
    case = {"annotations": [truth], "predictions": {"7": "cat"}, "expected_overall": 100.0}
    assert golden.compute({"vqa_accuracy_aggregate": [case]})["vqa_accuracy_aggregate"] == [{"expected_overall": 100.0}]
    said = {"gt_xyxy_normalised": [0.1, 0.2, 0.5, 0.6], "prediction": "at [0.1, 0.2, 0.5, 0.6]"}
    (boxed,) = golden.compute({"refcoco_aggregate": [{"results": [said, {**said, "prediction": "nowhere"}]}]})[
        "refcoco_aggregate"
    ]
    assert (boxed["expected"]["IoU"], boxed["expected"]["ACC@0.5"]) == (0.5, 0.5)
    assert "of rows" in golden.compute({"mmmu_evaluate": [{"acc": 1}]})["mmmu_evaluate"][0]["error"]


def test_division_by_zero_is_named(tmp_path: Path) -> None:
    assert golden.compute({"pope_aggregate": [{"answers": ["no"], "labels": ["no"]}]}) == {
        "pope_aggregate": [{"expected": "ZeroDivisionError"}]
    }
    with pytest.raises(UserError, match="did you mean anls"):
        golden.compute({"anl": []})
