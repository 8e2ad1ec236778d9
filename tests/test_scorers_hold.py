"""The benchmarks' rules in what must hold of any text."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chiasm.evaluate.scorers import (
    anls,
    captions,
    chair,
    mcq,
    mmmu,
    ptb,
    singular,
    video,
    vqa,
    vqa_text,
    zeroshot,
)
from chiasm.evaluate.scorers.distance import levenshtein
from chiasm.evaluate.scorers.grams import Corpus

TEXT = st.text(max_size=30)


@given(TEXT, TEXT)
def test_distance_is_the_textbooks(first: str, second: str) -> None:
    row = list(range(len(second) + 1))
    for n, one in enumerate(first, 1):
        last, row = row, [n]
        for place, other in enumerate(second):
            row.append(min(last[place + 1] + 1, row[-1] + 1, last[place] + (one != other)))
    assert levenshtein(first, second) == row[-1] == levenshtein(second, first)


PIECES = st.sampled_from(
    [
        *"abcns.,'’-/&_!?()[]\"@#£½ \n\t0189",
        "no. 4",
        "n't",
        "can't",
        "'tis",
        "u.s.",
        "mr.",
        "http://a.b",
        "1,000",
        "...",
        "--",
        "the ",
    ]
)
PLAIN = st.lists(st.sampled_from(["a", "cat", "cannot", "gonna", "wanna", "buses", "i", "on"]), min_size=1, max_size=6)


@given(st.one_of(TEXT, st.lists(PIECES, max_size=14).map("".join)))
def test_tokens_between_spaces_are_those_of_the_whole(text: str) -> None:
    whole = ptb._read.__wrapped__(text.replace("\n", " ").lower().translate(ptb._SPELT))
    assert ptb.tokens(text) == list(whole)


@given(PLAIN, st.sampled_from(["", "."]))
def test_plain_captions_fall_apart_as_nltk_has_them(words: list[str], end: str) -> None:
    caption = " ".join(words) + end
    sentences, words_of = chair._nltk()
    assert chair.tokens(caption) == [one for part in sentences.tokenize(caption) for one in words_of.tokenize(part)]


@given(TEXT, st.lists(TEXT, min_size=1, max_size=4))
def test_anls_is_a_share_and_more_answers_only_help(said: str, answers: list[str]) -> None:
    score = anls.anls(said, answers)
    assert score == 0 or 0.5 <= score <= 1
    assert anls.anls(said, [*answers, said]) == 1 >= anls.anls(said, [*answers, "x"]) >= score


@given(TEXT, st.lists(TEXT, min_size=10, max_size=10), st.randoms())
def test_vqa_does_not_mind_the_order_of_people(said: str, answers: list[str], random: Any) -> None:
    shuffled = random.sample(answers, len(answers))
    assert vqa.accuracy(said, answers) == pytest.approx(vqa.accuracy(said, shuffled))
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
        assert mmmu.parse_choice(text, options, reference) in allowed


@given(TEXT)
def test_an_open_answer_holds_itself_unless_it_has_no_tail(text: str) -> None:
    parsed = mmmu.parse_open(text)
    assert parsed and len(set(map(str, parsed))) == len(parsed)


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=8).map(" ".join)


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=2, max_size=5))
def test_captions_are_shares_and_their_own_reference_is_best(corpus: list[tuple[str, list[str]]]) -> None:
    said, true = [one for one, _ in corpus], [several for _, several in corpus]
    whole = Corpus(said, true)
    for scored in (*captions.bleu(whole), captions.rouge_l(whole)):
        assert all(-1e-9 <= one <= 1 + 1e-6 for one in scored.each)
    assert all(0 <= one <= 10 + 1e-9 for one in captions.cider(whole).each)
    assert captions.rouge_l(Corpus([several[0] for several in true], true)).corpus == 1


@given(st.lists(st.floats(-5, 5), min_size=12, max_size=12), st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_top_k_grows_with_k(numbers: list[float], target: list[int]) -> None:
    logits, true = np.array(numbers).reshape(3, 4), np.array(target)
    shares = [zeroshot.top_k(logits, true, k) for k in (1, 2, 3, 4)]
    assert shares == sorted(shares) and shares[-1] == 1


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12))
def test_a_singular_ends_somewhere(word: str) -> None:
    assert singular.singular(word) or word == "s"


# The command.
