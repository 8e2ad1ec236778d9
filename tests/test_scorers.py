"""The benchmarks' rules in what METRICS of the field say in words, where the official outputs may be silent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.errors import MissingExtra, UserError
from chiasm.evaluate.scorers import (
    anls,
    boxes,
    chair,
    chartqa,
    jars,
    letters,
    mathvista,
    mcq,
    mmbench,
    mmmu,
    pope,
    ptb,
    retrieval,
    tablevqa,
    teds,
    transcription,
    video,
    vqa,
    vqa_text,
)


def test_vqa_is_raw_where_all_ten_agree() -> None:
    assert vqa.accuracy("Yes", ["yes"] * 10) == 0
    assert vqa.accuracy("Yes", ["yes"] * 9 + ["no"]) == 1
    assert vqa.accuracy("Yes", ["yes"] * 10, "lmms-eval VQAv2") == 1


@pytest.mark.parametrize(("agree", "share"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (9, 1)])
def test_vqa_counts_the_others(agree: int, share: float) -> None:
    answers = ["cat"] * agree + [f"dog {n}" for n in range(10 - agree)]
    assert vqa.accuracy("cat", answers) == pytest.approx(share)


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
    assert teds.teds(one, other) <= 1 and teds.teds(one, other) == pytest.approx(teds.teds(other, one))
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


def test_exact_captions_without_java_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "which", lambda program: None)
    assert not jars.found()
    with pytest.raises(UserError, match=r"Java.*chiasm\[captions\]"):
        ptb.tokenize(["a cat"], exact=True)
