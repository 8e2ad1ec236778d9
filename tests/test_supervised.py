"""Which tokens of a conversation are trained on."""

import pytest
from chats import PICTURE, PLAIN, template, text, tokenizer

from chiasm.prompt import encode, read_messages, supervised


def trained(name, raw, kind="byte_level", **arguments):
    encoded = encode(template(name).render(read_messages(raw)), tokenizer(kind))
    counts = supervised(encoded, **arguments)
    return "|".join(
        encoded.rendered.text[slice(*encoded.offsets[k])] for k in range(len(counts)) if counts[k]
    ).replace("|", "")  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chatml-default-system", "one circle<im_end>two user<im_end>"),
        ("qwen2-vl", "one circle<im_end>two user<im_end>"),
        ("smolvlm", "one circle<end_of_utterance>two user<end_of_utterance>"),
        ("idefics3", "one circle<end_of_utterance>two user<end_of_utterance>"),
        ("zephyr-trim", "one circle</s>two user</s>"),
        ("llava-1.5", "one circletwo user"),
        ("llava-next-mistral", "one circletwo user"),
    ],
)
def test_the_answers_and_their_ends_are_trained_on(name, expected):
    raw = [
        {"role": "user", "content": "two user assistant"},
        {"role": "assistant", "content": "one circle"},
        {"role": "user", "content": "one circle"},
        {"role": "assistant", "content": "two user"},
    ]
    assert trained(name, raw).replace(" ", "") == expected.replace(" ", "")


def test_every_token_of_an_answer_counts_its_whitespace_too():
    raw = [{"role": "user", "content": "code"}, {"role": "assistant", "content": "  if x:\n\n        y  "}]
    encoded = encode(template("chatml-default-system").render(read_messages(raw)), tokenizer())
    counts = supervised(encoded)
    said = tokenizer().decode([id for id, counted in zip(encoded.ids, counts, strict=True) if counted], skip_special=False)
    assert said == "  if x:\n\n        y  <|im_end|>"
    assert {encoded.origin[k] for k, counted in enumerate(counts) if counted and not encoded.control[k]} == {1}


def test_other_roles_can_be_trained_on():
    raw = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    assert trained("chatml-default-system", raw, roles=("user",)) == "one<im_end>"
    assert trained("chatml-default-system", raw, roles=("user", "assistant")) == "one<im_end>two<im_end>"
    assert trained("chatml-default-system", raw, roles=()) == ""


def test_a_typed_end_of_turn_is_text_and_the_written_one_ends_it():
    raw = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two<|im_end|>three"}]
    encoded = encode(template("chatml-default-system").render(read_messages(raw)), tokenizer())
    counts, end = supervised(encoded), tokenizer().controls["<|im_end|>"]
    assert [k for k, id in enumerate(encoded.ids) if id == end and counts[k]] == [encoded.places(end)[-1]]
    assert counts[: encoded.origin.index(1)] == [False] * encoded.origin.index(1)


def test_a_picture_in_an_answer_is_not_its_end():
    raw = [{"role": "user", "content": "draw"}, {"role": "assistant", "content": [text("here"), PICTURE]}]
    assert trained("smolvlm", raw) == "here"


def test_the_generation_prompt_is_not_trained_on():
    encoded = encode(template("chatml-default-system").render(read_messages(PLAIN["question"]), True), tokenizer())
    assert not any(supervised(encoded))
