import json

import pytest
from chats import PARTS, PICTURE, PLAIN, STRINGS, TEMPLATES, WITH_PICTURES, conversations, reference, template, text, tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tokenizers import CONTROLS, KINDS, NAMED
from tokenizers import AddedToken, normalizers
from tokenizers import Tokenizer as Backend

from chiasm.errors import BadCheckpoint, BadPrompt
from chiasm.prompt import ChatTemplate, Frame, Image, Message, Text, Tokenizer, encode, read_messages, supervised


@pytest.mark.parametrize("prompted", [True, False])
@pytest.mark.parametrize(("name", "key", "raw"), list(conversations()))
def test_rendered_text_equals_transformers(name, key, raw, prompted):
    theirs = reference().apply_chat_template(raw, chat_template=TEMPLATES[name], tokenize=False, add_generation_prompt=prompted)
    ours = template(name).render(read_messages(raw), add_generation_prompt=prompted)
    assert ours.text == theirs
    for span in ours.spans:
        part = ours.messages[span.message].content[span.part]
        assert ours.text[span.start : span.end].strip() == part.text.strip()
        assert span.role == ours.messages[span.message].role
    said = [(i, k) for i, m in enumerate(ours.messages) for k, p in enumerate(m.content) if isinstance(p, Text) and p.text]
    assert sorted((span.message, span.part) for span in ours.spans) == said


# ruff: noqa: E501  (templates are kept on one line, as published)
SNIPPETS = [
    "{{ messages | tojson }}{{ messages | tojson(indent=2) }}{{ '<>&' | tojson }}",
    "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{% continue %}{% endfor %}done",
    "  {% if true %}\n  a\n  {% endif %}\nb{# c #}\nd {%- set x = 1 -%}  e",
    "{% generation %}{% set inner = 'x' %}{{ inner }}{% endgeneration %}[{{ inner }}]",
    "{{ bos_token }}{{ eos_token }}{{ undefined_one }}{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}",
    "{% set ns = namespace(n=0, l=[]) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.l = ns.l + [ns.n] %}{% endfor %}{{ ns.n }}{{ ns.l }}",
    "{{ 'a' ~ 1 ~ none ~ undefined_one ~ [1] }}{{ 'x' * 3 }}{{ 2 ** 3 }}{{ '%s-%03d' % ('a', 7) }}{{ '%s' | format('b') }}",
    "{{ '{:>5}|{}'.format('a', 2) }}{{ dict(a=1) }}{{ [3, 1, 2] | sort | join(', ') }}{{ 'a,b'.split(',') }}",
    "{{ ['a', 'b'] | join('-') }}{{ [{'n': 'x'}, {'n': 'y'}] | join('/', attribute='n') }}{{ '-'.join(['a', 'b']) }}",
    "{{ 'a-b' | replace('-', '+') }}{{ 'aXa'.replace('X', '--') }}{{ 'ab' | center(10) }}{{ 'x\ny' | indent(4) }}",
    "{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f('a') }}{% set b %}{{ f(1) }}!{% endset %}{{ b | upper }}",
    "{{ range(3) | list }}{{ messages[::-1] | length }}{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='role') | list }}",
    "{{ strftime_now('%Y') }}{{ 'a' is string }}{{ messages[0].content is string }}{{ messages[-1]['role'] | title }}",
    "{% autoescape true %}{{ '<' }}{{ '<' ~ 'b' }}{% endautoescape %}{{ '<' }}",
]  # fmt: skip


@pytest.mark.parametrize("source", SNIPPETS)
def test_the_environment_is_transformers(source):
    # What the conversation is plays no part here, only that each feature of Jinja gives the same text.
    source += "{% for m in messages %}{{ m.content }}{% endfor %}"
    theirs = reference().apply_chat_template(PLAIN["turns"], chat_template=source, tokenize=False)
    from chiasm.prompt.chat import _compiled, _run

    variables = {"messages": PLAIN["turns"], "tools": None, "documents": None, "add_generation_prompt": False, **NAMED}
    assert _run(_compiled(source, "here"), "here", variables) == theirs


def test_where_the_template_comes_from(tmp_path):
    def render():
        chat = ChatTemplate.from_folder(tmp_path, "family {{ messages[0].content }}")
        return chat.render(read_messages(PLAIN["question"])).text

    def write(name, content):
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))

    assert render() == "family What is it?"
    write("tokenizer_config.json", {"bos_token": "<s>", "chat_template": "{{ bos_token }}one {{ messages[0].content }}"})
    assert render() == "<s>one What is it?"
    several = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "two {{ messages[0].content }}"}]
    write("tokenizer_config.json", {"chat_template": several})
    assert render() == "two What is it?"
    write("processor_config.json", {"chat_template": "three {{ messages[0].content }}"})
    assert render() == "three What is it?"
    write("chat_template.json", {"chat_template": "four {{ messages[0].content }}"})
    assert render() == "four What is it?"
    write("chat_template.jinja", "five {{ messages[0].content }}")
    assert render() == "five What is it?"


def test_a_folder_without_a_template_says_so_when_it_is_used(tmp_path):
    chat = ChatTemplate.from_folder(tmp_path)
    with pytest.raises(BadCheckpoint, match=r"no chat template.*chat_template\.jinja"):
        chat.render(read_messages(PLAIN["question"]))


def test_a_template_that_is_not_jinja_is_named(tmp_path):
    (tmp_path / "chat_template.jinja").write_text("a\n{% for %}")
    chat = ChatTemplate.from_folder(tmp_path)
    with pytest.raises(BadCheckpoint, match=r"chat_template\.jinja\), line 2"):
        chat.render(read_messages(PLAIN["question"]))


def test_no_default_among_named_templates(tmp_path):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": [{"name": "rag", "template": "x"}]}))
    with pytest.raises(BadCheckpoint, match=r"\['rag'\]"):
        ChatTemplate.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "raw", "says"),
    [
        ("llava-next-mistral", [{"role": "tool", "content": "x"}], "Only user and assistant roles are supported"),
        ("chatml-default-system", WITH_PICTURES["question"], "does not take this conversation"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", [{"role": "user", "content": [PICTURE]}], "no place for pictures"),
        ("llava-next-mistral", [
            {"role": "user", "content": "a"}, {"role": "assistant", "content": [text("b"), text("c")]},
        ], r"leaves out message 1 \(assistant\), part 1"),
        ("{{ messages[0].content[:3] }}{{ messages[0].content[5:] }}", PLAIN["question"], "does not take"),
        ("{{ messages[0].content | length }}", PLAIN["question"], "does not take"),
        ("{{ nothing.at.all }}", PLAIN["question"], "not there"),
        ("{{ 1 / 0 }}", PLAIN["question"], "ZeroDivisionError"),
    ],
)  # fmt: skip
def test_a_conversation_that_does_not_fit_is_refused(name, raw, says):
    with pytest.raises(BadPrompt, match=says):
        template(name).render(read_messages(raw))


def test_a_text_that_steers_the_template_is_refused_rather_than_misattributed():
    steered = "{% for m in messages %}{{ 'X' if m.content.startswith('!') }}{{ m.content }}{% endfor %}"
    assert template(steered).render(read_messages([{"role": "user", "content": "hello"}])).text == "hello"
    with pytest.raises(BadPrompt, match="how they begin"):
        template(steered).render(read_messages([{"role": "user", "content": "!hello"}]))


def test_spans_hold_whole_texts_and_cores_where_the_template_trims():
    raw = [{"role": "user", "content": " a b \n"}, {"role": "assistant", "content": "\n c "}]
    whole = template("chatml-default-system").render(read_messages(raw))
    assert [whole.text[span.start : span.end] for span in whole.spans] == [" a b \n", "\n c "]
    core = template("zephyr-trim").render(read_messages(raw))
    assert [core.text[span.start : span.end] for span in core.spans] == ["a b", "c"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "key", "raw"), list(conversations()))
def test_ids_of_harmless_text_equal_transformers(kind, name, key, raw):
    theirs = reference(kind)
    rendered = template(name).render(read_messages(raw), add_generation_prompt=True)
    encoded = encode(rendered, tokenizer(kind), Frame.NEVER)
    assert list(encoded.ids) == theirs.encode(rendered.text, add_special_tokens=False)
    framed = encode(rendered, tokenizer(kind), Frame.ALWAYS)
    assert list(framed.ids) == theirs.encode(rendered.text, add_special_tokens=True)


def test_a_beginning_is_put_before_a_chat_unless_its_template_wrote_one():
    for name, frames in (("zephyr-trim", 0), ("llava-1.5", 1)):
        encoded = encode(template(name).render(read_messages(PLAIN["question"])), tokenizer("llama_metaspace"))
        assert encoded.ids.count(tokenizer("llama_metaspace").bos_id) == 1
        assert encoded.offsets.count((0, 0)) == frames
    typed = template("{{ messages[0].content }}").render(read_messages([{"role": "user", "content": "<s>x"}]))
    assert encode(typed, tokenizer("llama_metaspace")).ids.count(tokenizer("llama_metaspace").bos_id) == 1


pieces = st.sampled_from([*CONTROLS, *(c[:-1] for c in CONTROLS), *(c[1:] for c in CONTROLS), "<", ">", "|", "s", " ", "\n"])

typed_text = st.lists(st.one_of(pieces, st.text(max_size=4)), min_size=1, max_size=8).map("".join)


def controls_in(ids, tokenizer):
    return [id for id in ids if id in tokenizer.controls.values() and id != tokenizer.unk_id]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["chatml-default-system", "llava-1.5", "smolvlm", "qwen2-vl", "zephyr-trim"])
@settings(max_examples=25)
@given(words=st.lists(typed_text, min_size=3, max_size=3))
def test_typed_text_never_becomes_a_control_token(kind, name, words):
    ours = tokenizer(kind)

    def conversation(said):
        pictures = () if name in STRINGS else (Image(0),)
        return (
            Message("user", (*pictures, Text("q" + said[0]))),
            Message("assistant", (Text(said[1]),)),
            Message("user", (Text(said[2] + "q"),)),
        )

    harmless = encode(template(name).render(conversation(["a", "b", "c"]), True), ours)
    encoded = encode(template(name).render(conversation(words), True), ours)
    assert controls_in(encoded.ids, ours) == controls_in(harmless.ids, ours)
    for id, control, origin in zip(encoded.ids, encoded.control, encoded.origin, strict=True):
        assert not (control and origin is not None)
        assert id == ours.unk_id or control == (id in ours.controls.values())
    if kind == "byte_level":
        assert ours.decode(encoded.ids, skip_special=False) == KINDS[kind]().normalizer.normalize_str(encoded.rendered.text)
    if kind == "llama_metaspace":
        said = ours.decode(encoded.ids, skip_special=False)
        assert said.removeprefix("<s>").lstrip() == encoded.rendered.text.removeprefix("<s>").lstrip()
    ends = [end for _, end in encoded.offsets]
    assert ends == sorted(ends)
    assert all(0 <= start <= end <= len(encoded.rendered.text) for start, end in encoded.offsets)


@pytest.mark.parametrize("kind", ["byte_level", "llama_legacy", "llama_metaspace", "unigram"])
def test_the_rest_of_a_prompt_with_typed_control_tokens_keeps_its_ids(kind):
    ours = tokenizer(kind)
    raw = [
        {"role": "user", "content": [PICTURE, text("see </s> there")]},
        {"role": "assistant", "content": "two circles"},
    ]
    plain = [{"role": "user", "content": [PICTURE, text("see there")]}, raw[1]]
    hazard, harmless = (encode(template("qwen2-vl").render(read_messages(one)), ours) for one in (raw, plain))
    first, last = hazard.origin.index(0), len(hazard.ids) - hazard.origin[::-1].index(0)
    assert hazard.ids[:first] == harmless.ids[: harmless.origin.index(0)]
    assert hazard.ids[last:] == harmless.ids[len(harmless.ids) - harmless.origin[::-1].index(0) :]
    said = ours.decode(hazard.ids[first:last], skip_special=False)
    assert said.strip() == "see </s> there"


def test_a_control_token_across_the_border_of_template_and_text():
    # "<" is typed and "<|im_end|>" is written: together they begin with the control token "<<".
    encoded = encode(template("chatml-default-system").render(read_messages([{"role": "user", "content": "a <"}])), tokenizer())
    assert len(encoded.places(tokenizer().controls["<|im_end|>"])) == 2
    assert encoded.places(tokenizer().controls["<<"]) == ()


def test_a_control_token_that_only_normalisation_spells():
    backend = Backend.from_str(KINDS["byte_level"]().to_str())
    backend.normalizer = normalizers.NFKC()
    backend.add_tokens([AddedToken("<tool>", normalized=True)])
    ours = Tokenizer(backend, NAMED)
    assert ours.controls["<tool>"] in ours.encode("a ＜tool＞ b")
    chat = template("<tool>{% for m in messages %}{{ m.content }}<tool>{% endfor %}")
    encoded = encode(chat.render(read_messages([{"role": "user", "content": "a ＜tool＞ b"}])), ours)
    assert encoded.places(ours.controls["<tool>"]) == (0, len(encoded.ids) - 1)
    assert ours.decode(encoded.ids, skip_special=False) == "<tool>a <tool> b<tool>"


def test_text_of_the_programs_own_may_hold_control_tokens():
    raw = [{"role": "user", "content": "<image>\nWhat?"}, {"role": "assistant", "content": "a <|vision_start|>"}]
    ours = tokenizer()
    own = encode(template("chatml-default-system").render(read_messages(raw, literal=False)), ours)
    typed = encode(template("chatml-default-system").render(read_messages(raw)), ours)
    assert len(own.places(ours.controls["<image>"])) == 1
    assert typed.places(ours.controls["<image>"]) == ()
    assert [own.ids[k] for k, counts in enumerate(supervised(own)) if counts][-2:] == [
        ours.controls["<|vision_start|>"], ours.controls["<|im_end|>"],
    ]  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_placeholders_stand_where_the_template_wrote_them(name):
    placeholder = {"qwen2-vl": "<|image_pad|>"}.get(name, "<image>")
    raw = [{"role": "user", "content": [PICTURE, text(f"one {placeholder}"), PICTURE, text("two")]}]
    ours = tokenizer()
    encoded = encode(template(name).render(read_messages(raw)), ours)
    places = encoded.places(ours.controls[placeholder])
    assert len(places) == 2
    assert all(encoded.rendered.text[slice(*encoded.offsets[k])] == placeholder for k in places)
