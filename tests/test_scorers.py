"""The benchmarks' rules against the official code's own outputs, the ports' where numbers follow them, and what must hold."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chiasm.errors import MissingExtra, UserError
from chiasm.evaluate.golden import __main__ as golden
from chiasm.evaluate.scorers import (
    anls,
    boxes,
    captions,
    chair,
    chartqa,
    jars,
    letters,
    mathvista,
    mcq,
    mmbench,
    mmmu,
    ocrbench,
    pope,
    ptb,
    retrieval,
    singular,
    tablevqa,
    teds,
    transcription,
    video,
    vqa,
    vqa_text,
    zeroshot,
)
from chiasm.evaluate.scorers.distance import levenshtein

FILE = Path(__file__).parent / "data" / "golden" / "scorers.json"
"""A sample of cases with the outputs of the official code, as facts; each names its source."""

CASES: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text())
EXACT = pytest.mark.skipif(not jars.found(), reason="exact tokens and METEOR are Java programs of pycocoevalcap")
TEXT = st.text(max_size=30)

settings.register_profile("calm", deadline=None)
settings.load_profile("calm")


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
        "lmms_eval": lambda case: (
            mmmu.parse_choice(case["response"], mmmu.letters(case["options"]), "lmms-eval") or golden.answers.RANDOM
        )
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


# What METRICS of the field say in words, where the sample may be silent.


def test_vqa_is_raw_where_all_ten_agree() -> None:
    assert vqa.accuracy("Yes", ["yes"] * 10) == 0
    assert vqa.accuracy("Yes", ["yes"] * 9 + ["no"]) == 1
    assert vqa.accuracy("Yes", ["yes"] * 10, "lmms-eval VQAv2") == 1


@pytest.mark.parametrize(("agree", "share"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (9, 1)])
def test_vqa_counts_the_others(agree: int, share: float) -> None:
    answers = ["cat"] * agree + [f"dog {n}" for n in range(10 - agree)]
    assert same(share, vqa.accuracy("cat", answers))


@pytest.mark.parametrize(
    ("text", "plain"),
    [("red,white", "red white"), ("red, white", "red white"), ("1,000-x", "1000x"), ("12.5.", "12.5"), ("Im", "im"),
     ("somebody'd", "somebodyd"), ("a None of the eleven", "0 of eleven"), ("the", ""), ("x" + "." * 40, "x" + "." * 8)],
)  # fmt: skip
def test_vqa_text(text: str, plain: str) -> None:
    assert vqa_text.normalize(text) == plain


def test_vqa_percentages_round_halves_up() -> None:
    judged = [vqa.Judged(float(n == 0), "what", "other") for n in range(32)]
    assert vqa.summary(judged) == vqa.Summary(3.13, {"what": 3.13}, {"other": 3.13})


def test_textvqa_wants_ten_people() -> None:
    with pytest.raises(ValueError, match="9 answers"):
        vqa.accuracy("x", ["x"] * 9, "mmf TextVQA")
    assert vqa_text.evalai("men's one,two") == "men 's onetwo"


def test_anls_divides_by_the_raw_length() -> None:
    assert anls.anls("abxy", ["abcd"]) == 0.5
    assert anls.anls("abxyz", ["abcd"]) == 0
    assert anls.anls("     abxyz     ", ["abcd"]) > 0.5
    assert anls.anls("", [""]) == 1
    with pytest.raises(ZeroDivisionError):
        anls.anls("", [""], reference="pix2struct")


def test_chartqa_takes_years_for_numbers() -> None:
    assert chartqa.relaxed("1950", "2010") and chartqa.pro("1950", "2010", ["YES"]) == 0
    assert chartqa.relaxed("5%", "0.05") and not chartqa.relaxed("5%", "5") and not chartqa.relaxed("1,234", "1234")
    assert chartqa.relaxed("0", "0") and not chartqa.relaxed("0.0", "0")
    assert chartqa.relaxed(" 14 ", "14") and chartqa.relaxed("1_000", "1000") and chartqa.relaxed("１４", "14")
    assert chartqa.pro("['a', 'b']", "[a, b, c]", ["NO"]) == pytest.approx(2 / 3)


def test_nan_is_near_nothing() -> None:
    assert not chartqa.relaxed("nan", "nan")


@pytest.mark.parametrize("answer", ["", "NO", "Nope", "no!", "No\n", "There isn't", "I don't know", "I cannot see. No."])
def test_pope_hears_yes_in_all_else(answer: str) -> None:
    assert pope.parse(answer) == "yes"


def test_pope_divides_without_asking() -> None:
    with pytest.raises(ZeroDivisionError):
        pope.summary(["no"], ["no"])
    assert pope.summary(["no"], ["no"], "lmms-eval").f1 == 0


def test_mmmu_pro_looks_behind_answer() -> None:
    options = mmmu.letters([f"option {n}" for n in range(10)])
    assert mmmu.parse_choice("Answer: $LETTER", options, "MMMU-Pro") == "E"
    assert mmmu.parse_choice("Final Answer: **G**", options, "MMMU-Pro") == "G"
    assert mmmu.parse_choice("from the USA B", options, "MMMU-Pro") is not None
    assert mmmu.parse_choice("B. green pear", mmmu.letters(["red", "green pear"])) is None


def test_mmmu_by_subject_and_domain() -> None:
    found = mmmu.summary({"Art": [True, False], "Music": [True], "Math": [False]})
    expected = {"Overall-Art and Design": 0.667, "Art": 0.5, "Music": 1, "Overall-Science": 0, "Math": 0, "Overall": 0.5}
    assert found == expected
    assert mmmu.subject("validation_Art_Theory_12") == "Art_Theory"


def test_mcq_readers_part_ways() -> None:
    options = {"A": "teddy bear", "B": "rabbit", "C": "cat", "D": "dog"}
    assert mcq.infer("hotdog", options) == "D" and mcq.extract("hotdog", tuple(options)) is None
    assert mcq.infer("A or B", options) is None and mcq.extract("A or B", tuple(options)) == "A"
    assert mcq.infer("B because of a, b, c d", options) is None
    assert mcq.infer("1", {"A": "1", "B": "12"}) == "A" and mcq.infer("12", {"A": "1", "B": "12"}) is None
    assert mcq.infer("cat " * 20, options) is None


def test_a_circular_question_needs_every_turn() -> None:
    options = {"A": "cat", "B": "dog"}
    turns = [
        mmbench.Turn(7, options, "A", "A"), mmbench.Turn(7 + mmbench.TURN, options, "B", "B"),
        mmbench.Turn(8, options, "A", "A"), mmbench.Turn(8 + mmbench.TURN, options, "B", "A"),
    ]  # fmt: skip
    assert mmbench.circular(turns) == {7: True, 8: False}


def test_letters_at_fixed_places() -> None:
    assert letters.mmstar("CAT", "C") and not letters.mmstar("Answer: B", "B") and not letters.mmstar("", "B")
    assert letters.scienceqa("The answer is B!") == "B" and letters.scienceqa("The answer is B") is None
    assert letters.ai2d_right("B. x", "B") and letters.ai2d_right("(B)", "B") and not letters.ai2d_right("B\n", "B")
    assert video.videomme("Best answer: C") == "B" and video.videomme("Answer: B") == "A"
    assert all(video.mvbench(said, "(B) rabbit") for said in ("", "(", ")", "b."))


def test_mathvista_without_a_judge() -> None:
    assert mathvista.normalize("", ["long", "no"], "multi_choice", "text", None) == "no"
    assert mathvista.normalize("", ["long", "no"], "multi_choice", "text", None, ignore_empty=True) is None
    assert mathvista.normalize("1", [], "free_form", "float", 1) == "1.0"
    assert mathvista.normalize("1.45", [], "free_form", "float", 1.0) == "1.4"
    assert mathvista.normalize("inf", [], "free_form", "integer", None) is None


def test_boxes() -> None:
    assert boxes.iou([0, 0, 10, 10], [0, 0, 10, 5]) == 0.5
    with pytest.raises(ZeroDivisionError):
        boxes.iou([1, 1, 1, 1], [2, 2, 2, 2])
    assert boxes.parse_rec("[1 , 2, 3, 4]") is None and boxes.parse_rec("at [1,2, 3,4]") == (1, 2, 3, 4)
    assert boxes.parse_grounding('```json\n[{"bbox_2d": [1, 2, 3, 4]}, {"box": ["5", 6, 7, 8]}]\n```') == [
        (1, 2, 3, 4),
        (5, 6, 7, 8),
    ]
    assert boxes.pixels_kit((100, 900, 500, 200), 640, 480) == (64, 96, 320, 432)
    found = boxes.summary([[0, 0, 10, 10]] * 2, [[0, 0, 10, 10], [20, 20, 30, 30]])
    assert found == {"IoU": 0.5, **{f"ACC@{t}": 0.5 for t in (0.1, 0.3, 0.5, 0.7, 0.9)}, "Center_ACC": 0.5}


def test_tables_are_compared_by_what_they_say() -> None:
    assert tablevqa.denotation("2||May [1]", "may|2.0") and not tablevqa.denotation("2", "2|May")
    assert tablevqa.denotation("2004-XX-XX", "2004") and not tablevqa.denotation("2004-05-01", "2004-05-02")
    assert tablevqa.denotation("Café.", "cafe") and not tablevqa.denotation("nan", "1")
    assert tablevqa.fact("It is true.") is True and tablevqa.fact("true or false") is None
    assert tablevqa.amount("3852", "$3,852 million") and not tablevqa.amount("3852", "$3,852 million", exact=True)
    assert tablevqa.amount("34.2 %", "34.2%", exact=True) and not tablevqa.amount("34", "35 dollars")


def test_teds() -> None:
    table = "<table><tr><td>pq</td><td>c</td></tr><tr><td colspan='2'>d</td></tr></table>"
    assert teds.teds(table, table) == 1 and teds.teds("no table", table) == 0
    assert teds.teds(table.replace("pq", "px"), table) == pytest.approx(1 - 0.5 / 5)
    assert teds.teds(table.replace("pq", "px"), table, structure_only=True) == 1
    assert teds.teds(table.replace("colspan='2'", ""), table) == pytest.approx(1 - 1 / 5)
    assert teds.teds(table.replace("<td>c</td>", ""), table) == pytest.approx(1 - 1 / 5)
    assert teds.teds(table.replace("pq", "<b>pq</b>"), table) == pytest.approx(1 - 0.5 / 6)


def _table(rows: list[list[str]]) -> str:
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


CELLS = st.lists(st.lists(st.sampled_from(["", "a", "bc", "<b>d</b>"]), max_size=3), max_size=3)


@given(CELLS, CELLS)
def test_teds_does_not_mind_the_order(first: list[list[str]], second: list[list[str]]) -> None:
    one, other = (_table(rows) for rows in (first, second))
    assert teds.teds(one, other) <= 1 and same(teds.teds(one, other), teds.teds(other, one))
    assert teds.teds(one, one) == 1


def test_chair_sees_buses_and_no_bus() -> None:
    assert [chair.mentioned(text, chair.coco()).kinds for text in ("A bus.", "Two buses.")] == [[], ["bus"]]
    checked = [chair.check("A cat and a dog.", ["cat"], []), chair.check("A dog.", ["dog"], ["A puppy runs."])]
    assert chair.summary(checked) == {"CHAIRs": 0.5, "CHAIRi": 1 / 3, "Recall": 1}
    assert len(set(chair.coco().kinds.values())) == 80 and len(chair.DOUBLES) == 55
    with pytest.raises(ZeroDivisionError):
        chair.summary([chair.check("Nothing.", ["cat"], [])])


def test_equal_scores_are_ranked_by_id_backwards() -> None:
    assert retrieval.ranked({"d1": 1.0, "d10": 1.0, "d2": 1.0, "d3": 2.0}) == ["d3", "d2", "d10", "d1"]
    assert retrieval.ranked({"a": 0.5 + 1e-9, "b": 0.5}) == ["b", "a"]
    found = retrieval.beir({"q": {"d": 1}, "other": {"d": 1}}, {"q": {"q": 9.0, "d": 1.0}}, [1])
    assert found["ndcg"] == {"NDCG@1": 1.0} and found["mrr"] == {"MRR@1": 0.5}


def test_an_empty_reference_of_speech() -> None:
    assert transcription.errors([""], [""]).wer == 0
    assert transcription.errors(["one two three", "four"], ["one two", "four"]).wer == 0.25


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jiwer", None)
    with pytest.raises(MissingExtra, match=r"chiasm\[eval\]"):
        transcription.errors(["a"], ["a"])


def test_the_rules_of_tokens_agree_with_the_program_on_plain_captions() -> None:
    texts = [text for case in CASES["coco_caption_corpora"] for several in case["references"].values() for text in several]
    exact = [text for case in CASES["coco_caption_corpora"] for several in case["tokenized_references"].values()
             for text in several]  # fmt: skip
    assert ptb.tokenize(texts, exact=False) == exact


# What must hold of any text.


@given(TEXT, TEXT)
def test_distance_is_the_textbooks(first: str, second: str) -> None:
    row = list(range(len(second) + 1))
    for n, one in enumerate(first, 1):
        last, row = row, [n]
        for place, other in enumerate(second):
            row.append(min(last[place + 1] + 1, row[-1] + 1, last[place] + (one != other)))
    assert levenshtein(first, second) == row[-1] == levenshtein(second, first)


@given(TEXT, st.lists(TEXT, min_size=1, max_size=4))
def test_anls_is_a_share_and_more_answers_only_help(said: str, answers: list[str]) -> None:
    score = anls.anls(said, answers)
    assert score == 0 or 0.5 <= score <= 1
    assert anls.anls(said, [*answers, said]) == 1 >= anls.anls(said, [*answers, "x"]) >= score


@given(TEXT, st.lists(TEXT, min_size=10, max_size=10), st.randoms())
def test_vqa_does_not_mind_the_order_of_people(said: str, answers: list[str], random: Any) -> None:
    shuffled = random.sample(answers, len(answers))
    assert same(vqa.accuracy(said, answers), vqa.accuracy(said, shuffled))
    assert vqa.accuracy(said, answers) in [pytest.approx(share) for share in (0, 0.3, 0.6, 0.9, 1)]


@given(TEXT)
def test_what_is_normal_stays_so(text: str) -> None:
    once = vqa_text.words(text)
    assert vqa_text.words(once) == once or "none" in text.lower() or "'" in text


@given(st.text("ABCD abc().,:is answerthe", max_size=40))
def test_readers_give_a_letter_or_nothing(text: str) -> None:
    options = {"A": "teddy", "B": "rabbit", "C": "cat", "D": "dog"}
    allowed = {*options, None}
    assert mcq.extract(text, tuple(options)) in allowed and mcq.infer_mmbench(text, options) in {*allowed, "E"}
    assert mcq.infer(text, options) in {*allowed, mcq.REFUSED} and video.videomme(text) in allowed
    for reference in ("MMMU", "lmms-eval", "MMMU-Pro"):
        assert mmmu.parse_choice(text, options, reference) in allowed  # type: ignore[arg-type]


@given(TEXT)
def test_an_open_answer_holds_itself_unless_it_has_no_tail(text: str) -> None:
    parsed = mmmu.parse_open(text)
    assert parsed and len(set(map(str, parsed))) == len(parsed)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=8).map(" ".join)


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=2, max_size=5))
def test_captions_are_shares_and_their_own_reference_is_best(corpus: list[tuple[str, list[str]]]) -> None:
    said, true = [one for one, _ in corpus], [several for _, several in corpus]
    for scored in (*captions.bleu(said, true), captions.rouge_l(said, true)):
        assert all(-1e-9 <= one <= 1 + 1e-6 for one in scored.each)
    assert all(0 <= one <= 10 + 1e-9 for one in captions.cider(said, true).each)
    assert captions.rouge_l([several[0] for several in true], true).corpus == 1


@given(st.lists(st.floats(-5, 5), min_size=12, max_size=12), st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_top_k_grows_with_k(numbers: list[float], target: list[int]) -> None:
    logits, true = np.array(numbers).reshape(3, 4), np.array(target)
    shares = [zeroshot.top_k(logits, true, k) for k in (1, 2, 3, 4)]
    assert shares == sorted(shares) and shares[-1] == 1


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12))
def test_a_singular_ends_somewhere(word: str) -> None:
    assert singular.singular(word) or word == "s"


# The command.


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


def test_division_by_zero_is_named(tmp_path: Path) -> None:
    assert golden.compute({"pope_aggregate": [{"answers": ["no"], "labels": ["no"]}]}) == {
        "pope_aggregate": [{"expected": "ZeroDivisionError"}]
    }
    with pytest.raises(UserError, match="did you mean anls"):
        golden.compute({"anl": []})
