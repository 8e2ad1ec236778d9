"""Conversations, templates and tokenizers that tests of chat share, and what transformers makes of them."""

from pathlib import Path

import pytest
from tiny_tokenizers import KINDS, NAMED

from chiasm.prompt import ChatTemplate, Tokenizer

TEMPLATES = {file.stem: file.read_text(encoding="utf-8") for file in (Path(__file__).parent / "data/templates").glob("*.jinja")}
STRINGS = ("chatml-default-system", "zephyr-trim")
PARTS = tuple(sorted(TEMPLATES.keys() - set(STRINGS)))
PICTURE = {"type": "image"}


def text(words):
    return {"type": "text", "text": words}


WITH_PICTURES = {
    "question": [{"role": "user", "content": [PICTURE, text("What is it?")]}],
    "picture last": [{"role": "user", "content": [text("What is it?"), PICTURE]}],
    "several pictures": [{"role": "user", "content": [PICTURE, text("Is "), PICTURE, text(" like the first?\n"), PICTURE]}],
    "turns": [
        {"role": "user", "content": [PICTURE, text("  What  is it? ")]},
        {"role": "assistant", "content": [text(' A <b>dog</b> & "cat"\n')]},
        {"role": "user", "content": [text("Sure? Ünïcode 😀 {{ 7 * 7 }} {% raw %}")]},
        {"role": "assistant", "content": [text("Yes")]},
    ],
    "system": [
        {"role": "system", "content": [text("Be brief.")]},
        {"role": "user", "content": [PICTURE, text("Where?")]},
    ],
}

PLAIN = {
    "question": [{"role": "user", "content": "What is it?"}],
    "turns": [
        {"role": "user", "content": " Hello \n"},
        {"role": "assistant", "content": "\n  Hi & <bye>  "},
        {"role": "user", "content": "Sure? 😀 {{ 7 * 7 }}"},
        {"role": "assistant", "content": "Yes"},
    ],
    "system": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}],
    "empty answer": [{"role": "user", "content": "Say nothing."}, {"role": "assistant", "content": ""}],
}


def tokenizer(kind="byte_level"):
    return Tokenizer(KINDS[kind](), NAMED)


def reference(kind="byte_level"):
    transformers = pytest.importorskip("transformers")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=KINDS[kind](), **NAMED)


def template(name):
    return ChatTemplate(TEMPLATES.get(name, name), name, NAMED)


def conversations():
    yield from ((name, key, WITH_PICTURES[key]) for name in PARTS for key in WITH_PICTURES)
    yield from ((name, key, PLAIN[key]) for name in (*STRINGS, "qwen2-vl") for key in PLAIN)
