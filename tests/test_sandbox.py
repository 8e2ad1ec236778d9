"""Templates of strangers: what would not end is stopped, what reaches for Python is refused."""

import time

import pytest
from chats import PLAIN, template

from chiasm.errors import BadCheckpoint, BadPrompt
from chiasm.prompt import read_messages

# ruff: noqa: E501  (templates are kept on one line, as published)
ENDLESS = {
    "loops in loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a range beyond all": "{% for a in range(10**9) %}x{% endfor %}",
    "recursion": "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
    "a tree of calls": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "repetition": "{{ 'a' * 10**10 }}",
    "a list repeated": "{{ [0] * 10**9 }}",
    "powers": "{{ 10 ** (9 ** (9 ** 9)) }}",
    "doubling with +": "{% set n = namespace(x='aa') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
    "doubling with ~": "{% set n = namespace(x='aa') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "doubling by blocks": "{% set n = namespace(x='aa') %}{% for i in range(60) %}{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
    "nested lists": "{% set n = namespace(x=['a']) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
    "nested lists as JSON": "{% set n = namespace(x=['a']) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}",
    "padding": "{{ 'a' | center(10**9) }}",
    "padding by method": "{{ 'a'.ljust(10**9) }}",
    "a wide format": "{{ '%999999999d' % 1 }}",
    "a wide format by filter": "{{ '%999999999d' | format(1) }}",
    "a wide format by method": "{{ '{:999999999}'.format(1) }}",
    "a format of formats": "{{ '{:{}}'.format(1, 10**9) }}",
    "replace": "{% set a = 'a' * 10**6 %}{{ a | replace('a', a) }}",
    "replace by method": "{% set a = 'a' * 10**6 %}{{ a.replace('a', a) }}",
    "join": "{{ (['a' * 10**6] * 1000) | join }}",
    "join by method": "{% set a = 'a' * 10**6 %}{{ a.join(a) }}",
    "much output": "{% for a in range(9000) %}{{ 'a' * 9000 }}{% endfor %}",
    "sums of sums": "{% set l = range(9999) | list %}{% for i in range(99999) %}{{ l | sum }}{% endfor %}",
    "Latin": "{{ lipsum(n=99999) }}",
    "indentation": "{{ ('a\n' * 10**5) | indent(9999) }}",
    "translation": "{{ ('a' * 10**6).translate({97: 'b' * 1000}) }}",
}  # fmt: skip


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS.keys())
def test_a_template_that_would_not_end_is_stopped(source):
    import resource

    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises((BadPrompt, BadCheckpoint), match=r"was stopped|too much work|Range too big|OverflowError"):
        template(source + "{{ messages[0].content }}").render(read_messages(PLAIN["question"]))
    assert time.process_time() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ namespace(__class__=1) }}",
        "{% set n = namespace() %}{% set n.__x = 1 %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
    ],
)
def test_a_template_stays_in_its_sandbox(source):
    with pytest.raises(BadPrompt):
        template(source + "{{ messages[0].content }}").render(read_messages(PLAIN["question"]))


def test_long_conversations_are_no_offence():
    raw = [{"role": ("user", "assistant")[k % 2], "content": f"turn {k} " + "word " * 400} for k in range(400)]
    source = (
        "{% for m in messages[::-1] %}{% set i = (messages | length - 1) - loop.index0 %}"
        "{{ i ~ m.role ~ ': ' ~ (m.content | trim) ~ '\n' }}{% endfor %}"
    )
    assert len(template(source).render(read_messages(raw)).spans) == 400


def test_the_callers_own_tracer_is_put_back():
    import sys

    def tracer(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        template("qwen2-vl").render(read_messages(PLAIN["question"]))
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
