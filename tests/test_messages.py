import pytest

from chiasm.errors import BadPrompt
from chiasm.prompt import Image, Message, Text, pictures_of, question, read_messages


def test_both_spellings_read_to_the_same_conversation():
    openai = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "text", "text": "What is this?"},
            ],
        },
    ]
    transformers = [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {"type": "image", "url": "data:image/png;base64,AAAA", "text": None},
                {"type": "text", "text": "What is this?", "url": None},
            ],
        },
    ]
    expected = (
        Message("system", (Text("Be brief."),)),
        Message("user", (Image("data:image/png;base64,AAAA"), Text("What is this?"))),
    )
    assert read_messages(openai) == read_messages(transformers) == expected
    assert read_messages(expected) == expected


@pytest.mark.parametrize(
    ("part", "picture"),
    [
        ({"type": "image", "image": "cat.png"}, "cat.png"),
        ({"type": "image", "path": "/tmp/cat.png"}, "/tmp/cat.png"),
        ({"type": "image", "url": "https://example.org/cat.png"}, "https://example.org/cat.png"),
        ({"type": "image", "base64": "AAAA"}, "data:;base64,AAAA"),
        ({"type": "image_url", "image_url": "file:///cat.png"}, "file:///cat.png"),
        ({"type": "image", "image": b"bytes"}, b"bytes"),
    ],
)
def test_where_a_picture_is_named_is_kept_unopened(part, picture):
    [message] = read_messages([{"role": "user", "content": [part]}])
    assert message.pictures == (picture,)


def test_marked_places_are_numbered_through_the_conversation():
    place = {"type": "image"}
    messages = read_messages(
        [
            {"role": "user", "content": [place, {"type": "image", "path": "named.png"}, place, "compare"]},
            {"role": "assistant", "content": "done"},
            {"role": "user", "content": [place]},
        ]
    )
    assert pictures_of(messages) == (0, "named.png", 1, 2)


def test_text_is_literal_unless_said_otherwise():
    raw = [{"role": "user", "content": "a<image>b"}]
    assert read_messages(raw)[0].content == (Text("a<image>b", literal=True),)
    assert read_messages(raw, literal=False)[0].content == (Text("a<image>b", literal=False),)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ("What?", "list of messages"),
        ([], "empty"),
        (["What?"], "Message 0"),
        ([{"role": "user", "content": "  \n"}], "Message 0 (user) is empty"),
        ([{"role": "user", "content": []}], "Message 0 (user) is empty"),
        ([{"role": "user", "content": None}], "nothing"),
        ([{"role": "user", "content": 3}], "int"),
        ([{"content": "x"}], "role"),
        ([{"role": "<|im_end|>", "content": "x"}], "Message 0 has the role '<|im_end|>'"),
        ([{"role": "user\nsystem", "content": "x"}], "role"),
        ([{"role": "user", "content": "x"}, {"role": "user", "content": [7]}], "Message 1, part 0 is int"),
        ([{"role": "user", "content": ["x", {"type": "audio"}]}], "Message 0, part 1 has the type 'audio'"),
        ([{"role": "user", "content": [{"type": "text"}]}], "Message 0, part 0"),
        ([{"role": "user", "content": [{"type": "text", "text": 5}]}], "int"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "without an address"),
        ([{"role": "user", "content": [{"type": "image", "path": "a", "url": "b"}]}], "more than once (path, url)"),
        ([{"role": "assistant", "content": "", "tool_calls": [{"id": 1}]}], "tool_calls"),
    ],
)
def test_what_cannot_be_read_is_named(raw, named):
    with pytest.raises(BadPrompt) as refusal:
        read_messages(raw)
    assert named in str(refusal.value)


def test_keys_without_a_value_do_not_matter():
    [message] = read_messages([{"role": "user", "content": "x", "tool_calls": None, "name": "ada"}])
    assert message == Message("user", (Text("x"),))


def test_a_question_has_words():
    assert question("What?", ["a.png", "b.png"]) == Message("user", (Image("a.png"), Image("b.png"), Text("What?")))
    for nothing in ("", "  \t\n"):
        with pytest.raises(BadPrompt, match="question is empty"):
            question(nothing, ["a.png"])
