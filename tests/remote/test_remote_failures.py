"""Every way in which a service may fail, and what is waited for."""

import email.utils

import pytest
from chat_server import cut, events, fails, plain, says, slow
from services import at

from chiasm.errors import BadPicture, BadPrompt, RemoteFailure
from chiasm.remote.assistant import RemoteAssistant
from chiasm.remote.failures import Retries, retry_after
from chiasm.remote.names import parse


def test_a_rate_limit_is_waited_for_as_long_as_it_asks(server, waits):
    server.script += [fails(429, "slow down", retry_after="7")]
    assert at(server, waits).ask("What is this?").text == "A cat."
    assert waits == [7.0]


def test_a_wait_of_hours_is_not_waited_for(server, waits):
    server.script += [fails(429, "come tomorrow", retry_after="86400")]
    with pytest.raises(RemoteFailure, match="asks to wait 86400 s"):
        at(server, waits).ask("What is this?")
    assert waits == []


def test_retry_after_may_be_a_date():
    assert retry_after({"retry-after": email.utils.formatdate(1030.0, usegmt=True)}, now=lambda: 1000.0) == 30.0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None


def test_a_spent_quota_is_not_tried_again(server, waits):
    server.script += [fails(429, "you have no credit", "insufficient_quota")]
    with pytest.raises(RemoteFailure, match="no credit"):
        at(server, waits).ask("What is this?")
    assert waits == []


@pytest.mark.parametrize(
    "trouble",
    [
        fails(500, "oh"),
        fails(503, "busy"),
        cut(),
        cut("A "),
        plain("data: {broken\n\n"),
        plain("data: [1, 2]\n\n"),
        plain(events({"error": {"message": "lost a worker"}})),
        plain("<html>gateway</html>", "text/html"),
    ],
)
def test_what_passes_is_tried_again_ever_later(server, waits, trouble):
    server.script += [trouble, trouble]
    stream = at(server, waits).stream("What is this?")
    assert "".join(stream) == stream.answer.text == "A cat."
    assert len(waits) == 2
    assert 0.75 <= waits[0] <= 1.0 and 1.5 <= waits[1] <= 2.0


def test_what_does_not_pass_ends_in_one_sentence(server, waits):
    server.usual = fails(500, "oh")
    with pytest.raises(RemoteFailure, match=r"failed 3 times: status 500: .*oh"):
        at(server, waits).ask("What is this?")


def test_a_cut_stream_that_goes_on_otherwise_is_not_glued_together(server, waits):
    server.script += [cut("The ")]
    with pytest.raises(RemoteFailure, match="something else"):
        at(server, waits).ask("What is this?")


def test_a_slow_service_is_not_waited_for_for_ever(server, waits):
    server.script += [slow(1.0)]
    assert at(server, waits, timeout=0.3).ask("What is this?").text == "A cat."
    assert len(waits) == 1


def test_a_service_that_is_not_there_is_named(waits):
    endpoint = parse("openai:m@http://127.0.0.1:9/v1")
    with pytest.raises(RemoteFailure, match=r"127\.0\.0\.1:9.*connection failed"):
        RemoteAssistant(endpoint, retries=Retries(tries=2, sleep=waits.append)).ask("What is this?")


def test_a_filter_and_a_bad_picture_are_the_requests_own_fault(server, waits):
    server.script += [says("No", reason="content_filter")]
    with pytest.raises(BadPrompt, match="filter"):
        at(server, waits).ask("What is this?")
    with pytest.raises(BadPicture, match="no such file"):
        at(server, waits).ask("What is this?", "nowhere.png")
