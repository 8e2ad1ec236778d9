"""Pages: every token gets its word's box as the reference's tokenizers give it, and no word becomes a control token."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from invariants.asking import seen
from shrink import shrunk

from chiasm.assistant import Done, Request
from chiasm.errors import BadPrompt
from chiasm.geometry import Size
from chiasm.local import LocalAssistant
from chiasm.model import EncodePage, assemble
from chiasm.place import Box, Grid, fractions, raster, thousandths
from chiasm.prompt.chat import ChatTemplate
from chiasm.prompt.messages import Image, Message, Text, read_messages
from chiasm.prompt.pages import Page, words_of
from chiasm.prompt.plan import Plan
from chiasm.prompt.planner import Planner
from chiasm.prompt.tokenizer import Tokenizer
from chiasm.reference.make import redraw
from chiasm.reference.parts import library
from chiasm.registry import families
from chiasm.spec import EncodePage as EncodePageSpec
from chiasm.spec import Seq2Seq

WORDS = ("Total", "due:", "$42.50", "Tot")
BOXES: tuple[tuple[float, float, float, float], ...] = ((10, 5, 60, 17), (64, 5, 99, 17), (140, 33, 199, 61), (0, 0, 200, 80))
SIZE = Size(200, 80)


def page(words: tuple[str, ...] = WORDS) -> Page:
    boxes = tuple(Box(x0, y0, x1, y1) for x0, y0, x1, y1 in (BOXES[number % 4] for number in range(len(words))))
    return Page(words, boxes, SIZE)


def layoutlm(name: str) -> EncodePageSpec:
    spec = families()[name].model
    assert isinstance(spec, EncodePageSpec)
    return spec


@pytest.fixture
def roberta(tmp_path: Path) -> Any:
    """The third edition's tokenizer over single letters, and two that are joined."""
    letters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u0120", *map(chr, range(33, 127)), "To", "To" + "t", "\u0120Tot"]
    vocab = {letter: number for number, letter in enumerate(letters)}
    merges = [("T", "o"), ("To", "t"), ("\u0120", "Tot")]
    made = library().LayoutLMv3Tokenizer(vocab=vocab, merges=merges)
    made.save_pretrained(tmp_path)
    return made


@pytest.fixture
def unigram(tmp_path: Path) -> Any:
    letters = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("\u2581", -2.0),
        *((chr(n), -3.0) for n in range(33, 127)),
        ("\u2581Tot", -4.0),
    ]
    made = library().UdopTokenizer(vocab=letters)
    made.save_pretrained(tmp_path)
    return made


def asked(question: str) -> Message:
    """One turn about the page, as a user writes it."""
    shown = {"type": "image", "words": list(WORDS), "boxes": [list(box) for box in BOXES]}
    (message,) = read_messages([{"role": "user", "content": [shown, {"type": "text", "text": question}]}])
    return message


def planner(folder: Path, spec: Any) -> Planner:
    return Planner(spec, Tokenizer.from_folder(folder), ChatTemplate("", "a page"))


THOUSANDTHS = [[int(1000 * edge / side) for edge, side in zip(box, (200, 80, 200, 80), strict=True)] for box in BOXES]


@pytest.mark.parametrize("question", ["", "What is due?"])
def test_ids_and_boxes_are_layoutlmv3s(roberta: Any, tmp_path: Path, question: str) -> None:
    words = words_of(layoutlm("layoutlmv3"), Tokenizer.from_folder(tmp_path), [page()], [question] if question else [])
    streams = (question, list(WORDS)) if question else (list(WORDS),)
    wanted = roberta(*streams, boxes=THOUSANDTHS)
    assert words.ids_BT[0].tolist() == wanted["input_ids"]
    assert words.boxes_BT4[0].tolist() == wanted["bbox"]
    assert not words.kinds_BT.any() and words.valid_BT.all()


@pytest.mark.parametrize("question", ["", "What is due?"])
def test_ids_and_boxes_are_udops(unigram: Any, tmp_path: Path, question: str) -> None:
    spec = families()["udop"].model
    assert isinstance(spec, Seq2Seq)
    plan = planner(tmp_path, spec).plan([[asked(question)]], [SIZE])
    streams = (question, list(WORDS)) if question else (list(WORDS),)
    wanted = unigram(*streams, boxes=THOUSANDTHS)
    (row,) = plan.rows
    assert row.ids_T.tolist() == wanted["input_ids"] and row.boxes_T4 is not None
    # The reference counts whole thousandths, where the page's own fractions are kept here.
    np.testing.assert_allclose(row.boxes_T4, np.array(wanted["bbox"]) / 1000, atol=1e-3)
    assert plan.visual_tokens() == [14 * 14]


def test_rows_of_unequal_length_are_padded_on_the_right(roberta: Any, tmp_path: Path) -> None:
    words = words_of(layoutlm("layoutlm"), Tokenizer.from_folder(tmp_path), [page(), page(WORDS[:1])])
    short = int(words.valid_BT[1].sum())
    assert words.ids_BT[1, short:].unique().tolist() == [1] and not words.boxes_BT4[1, short:].any()
    # LayoutLM's closing token lies at the page's last corner.
    assert words.boxes_BT4[1, short - 1].tolist() == [1000] * 4 and words.boxes_BT4[1, 0].tolist() == [0] * 4


def test_no_word_becomes_a_control_token(roberta: Any, tmp_path: Path) -> None:
    words = words_of(layoutlm("layoutlmv3"), Tokenizer.from_folder(tmp_path), [page(("</s>", "<mask>"))])
    assert words.ids_BT[0].tolist().count(2) == 1 and 4 not in words.ids_BT[0].tolist()
    assert len(words.ids_BT[0]) > 8


def test_words_and_their_page_go_through_the_model(roberta: Any, tmp_path: Path) -> None:
    spec = shrunk(layoutlm("layoutlmv3"))
    assert isinstance(spec, EncodePageSpec) and spec.sight is not None
    model = assemble(spec).eval()
    assert isinstance(model, EncodePage)
    words = words_of(spec, Tokenizer.from_folder(tmp_path), [page(), page(WORDS[:2])])
    pictures = [np.zeros((80, 200, 3), np.uint8)] * 2
    with torch.inference_mode():
        states = model(words, seen(spec.sight, pictures))
    assert states.shape == (2, words.ids_BT.shape[1] + 17, 32)
    with pytest.raises(BadPrompt, match="1 pictures for 2 rows of words"):
        model(words, seen(spec.sight, pictures[:1]))


def test_places_on_the_page_are_read_from_the_grid() -> None:
    laid = raster([Grid(0, 1, 2, 3, Box(0, 0, 30, 20))])
    assert thousandths(laid)[[0, 1, 5]].tolist() == [[0, 0, 333, 500], [333, 0, 666, 500], [666, 500, 1000, 1000]]
    np.testing.assert_allclose(fractions(laid)[5], [2 / 3, 0.5, 1, 1], rtol=1e-6)


def test_mistakes_are_one_sentence(roberta: Any, tmp_path: Path) -> None:
    with pytest.raises(BadPrompt, match="4 words and 1 boxes"):
        Page(WORDS, (Box(0, 0, 1, 1),), SIZE)
    with pytest.raises(BadPrompt, match=r"'due:' has the box 64, 5, 201, 17, which does not lie on its page of 200 x 80"):
        Page(("due:",), (Box(64, 5, 201, 17),), SIZE)
    udop, llava = families()["udop"].model, families()["llava-1.5"].model
    with pytest.raises(BadPrompt, match="no use for boxes"):
        Plan.from_ids(llava, [[5]], boxes=[[(0.0, 0.0, 1.0, 1.0)]])  # type: ignore[arg-type]
    with pytest.raises(BadPrompt, match=r"row 0 has the box \[0.0, 0.0, 2.0, 1.0\]"):
        Plan.from_ids(udop, [[5]], boxes=[[(0.0, 0.0, 2.0, 1.0)]])  # type: ignore[arg-type]
    with pytest.raises(BadPrompt, match="no use for the words of a page"):
        planner(tmp_path, llava).plan([[asked("Who?")]], [SIZE])
    spec = shrunk(layoutlm("layoutlm"))
    assert isinstance(spec, EncodePageSpec)
    model = assemble(spec).eval()
    assert isinstance(model, EncodePage)
    words = words_of(spec, Tokenizer.from_folder(tmp_path), [page()])
    words.boxes_BT4[0, 0, 2] = 1024
    with pytest.raises(BadPrompt, match="beyond its page"):
        model(words)


def test_a_page_is_asked_and_answered(unigram: Any, tmp_path: Path) -> None:
    """From a request to text, and from a conversation to what is trained on."""
    spec = shrunk(families()["udop"].model)
    assert isinstance(spec, Seq2Seq)
    model = assemble(spec).eval()
    redraw(model, 0)
    assistant = LocalAssistant("udop", model, planner(tmp_path, spec))
    message = asked("Question answering. What is due?")
    whole = message.content[0]
    assert isinstance(whole, Image)
    shown = Message("user", (replace(whole, picture=np.zeros((80, 200, 3), np.uint8)), *message.content[1:]))
    *_, done = assistant.generate([Request((shown,), max_tokens=3)])
    assert isinstance(done, Done) and done.answer.usage.generated_tokens == 3
    plan = planner(tmp_path, spec).plan([[message, Message("assistant", (Text("$42"),))]], [SIZE], answer=False)
    target = plan.rows[0].target
    assert target is not None and target.supervise_T.tolist() == [False, *[True] * (len(target) - 1)]
    with pytest.raises(BadPrompt, match="reads one page at a time"):
        planner(tmp_path, spec).plan([[Message("user", (Text("What?"),))]], [])
    with pytest.raises(BadPrompt, match="as many 'boxes'"):
        read_messages([{"role": "user", "content": [{"type": "image", "words": ["a"], "boxes": [[1, 2, 3]]}]}])
