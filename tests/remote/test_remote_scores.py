"""Given answers are scored where a service tells log-probabilities of a prompt."""

import json

import pytest
from chat_server import fails, plain
from services import at

from chiasm.assistant import Request
from chiasm.errors import RemoteFailure, Unsupported
from chiasm.prompt.messages import question


def test_given_answers_are_scored_where_the_server_tells_a_prompts_log_probabilities(server, waits):
    def told(handler, body):
        words = " ".join(part["content"] for part in body["messages"]).split()
        if not body["add_generation_prompt"] and not body["continue_final_message"]:
            words += ["<end>", "\n"]
        places = [None, *({word: {"logprob": -float(len(word)), "rank": 1}} for word in words)]
        choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "x"}}
        whole = {
            "id": "c",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [choice],
            "prompt_logprobs": places,
        }
        plain(json.dumps(whole), "application/json")(handler, body)

    server.usual = told
    asked = Request((question("Cat or dog?"),))
    assert at(server, waits).capabilities == {"generate", "score"}
    scores = at(server, waits).score(asked, ["a cat", "hound"], "beginning")
    assert [(score.option, score.logprob, score.tokens) for score in scores] == [("a cat", -4.0, 2), ("hound", -5.0, 1)]
    # Of what the template writes after an answer the first token is its end.
    scores = at(server, waits).score(asked, ["a cat", "hound"])
    assert [(score.logprob, score.tokens) for score in scores] == [(-9.0, 3), (-10.0, 2)]
    heard = len(server.heard)
    assert at(server, waits).score(asked, ["a cat", "hound"]) == scores
    assert at(server, waits).capabilities == {"generate", "score"} and len(server.heard) == heard
    server.usual = fails(400, "unknown field prompt_logprobs")
    with pytest.raises(Unsupported):
        at(server, waits).score(asked, ["cat"])
    assert at(server, waits).capabilities == {"generate"}
    with pytest.raises(Unsupported):
        at(server, waits, "anthropic").score(asked, ["cat"])


@pytest.mark.parametrize("status", [400, 422])
def test_whether_it_scores_is_asked_once(server, waits, status):
    server.usual = fails(status, "unknown field")
    assistant = at(server, waits)
    assert assistant.capabilities == at(server, waits).capabilities == assistant.capabilities == {"generate"}
    assert len(server.heard) == 1


def test_a_service_that_fails_is_not_taken_for_one_that_cannot_score(server, waits):
    server.usual = fails(500, "oh")
    with pytest.raises(RemoteFailure, match="failed 3 times"):
        assert at(server, waits).capabilities
    server.usual = fails(400, "unknown field")
    assert at(server, waits).capabilities == {"generate"}


def test_a_server_that_passes_over_the_question_does_not_score(server, waits):
    """As llama.cpp and Ollama do with fields that they do not know."""
    choice = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "x"}}
    whole = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    server.usual = plain(json.dumps(whole), "application/json")
    assert at(server, waits).capabilities == {"generate"}


def test_services_that_never_score_are_not_asked(server, waits):
    assert at(server, waits, "anthropic").capabilities == {"generate"}
    assert server.heard == []
