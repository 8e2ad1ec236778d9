"""Services that pass over what they are sent, against a real server on this machine: what answers show, what asking twice
shows, and what stays unverified."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply, chat_server, chunk, events, fails, message, plain, says, usage
from test_judge import surroundings
from test_runs import table

from chiasm.cli import main
from chiasm.generate.sampling import Sampling
from chiasm.remote.assistant import RemoteAssistant
from chiasm.remote.departures import ended, settled
from chiasm.remote.failures import Retries
from chiasm.remote.names import Endpoint, parse
from chiasm.remote.standing import ways

__all__ = ["surroundings", "table"]

EVERYTHING = ("temperature", "seed", "top_p", "top_k", "min_p", "stop", "max_tokens")


def server_that_honours(known: Collection[str]) -> Reply:
    """Draws words by chance, unless a field that it knows leaves nothing to that; counts where it is told to."""
    drawn = itertools.count()

    def reply(handler: Any, body: dict[str, Any]) -> None:
        told = {name: value for name, value in body.items() if name in known}
        fixed = told.get("temperature") == 0 or told.get("top_k") == 1 or told.get("min_p") == 1 or told.get("top_p", 1) < 0.01
        drawing = "" if fixed else str(told["seed"] if "seed" in told else next(drawn))
        odd = f"a frog of {hashlib.sha256(drawing.encode()).hexdigest()[:8]}"
        words = "1 2 3 4 5 6 7 8 9" if "Count" in json.dumps(body["messages"]) else odd
        pieces = re.findall(r"\S+ ?", words)
        if "max_tokens" in told:
            pieces = pieces[: told["max_tokens"]]
        text = ended("".join(pieces), told.get("stop", ()))
        plain(events(chunk(text), chunk(reason="stop"), usage(9, len(pieces)), "[DONE]"))(handler, body)

    return reply


def at(server: ChatServer, api: str = "openai") -> RemoteAssistant:
    endpoint = parse(f"{api}:m@{server.url}{'/v1' if api == 'openai' else ''}")
    assert isinstance(endpoint, Endpoint)
    return RemoteAssistant(endpoint, retries=Retries(tries=2, sleep=lambda _: None))


@pytest.fixture
def server() -> Any:
    with chat_server(says("one END", " two")) as running:
        yield running


# --- what an answer shows ---------------------------------------------------------------------------------------------


def test_a_stop_string_ends_an_answer_even_where_the_service_writes_on(
    server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    model = at(server)
    for _ in range(2):
        answer = model.ask("Count.", stop=["END"])
        assert (answer.text, answer.finish_reason) == ("one ", "stop") and answer.served["passed over"] == "stop"
    # The second was kept, and it is said once.
    assert len(server.heard) == 1 and caplog.text.count("passed over it: answers are cut here") == 1
    assert at(server).ask("Count.").text == "one END two"


def test_a_stop_string_that_comes_in_pieces_is_never_shown(server: ChatServer) -> None:
    server.usual = says("one E", "N", "D two", " END")
    stream = at(server).stream("Count.", stop=["END"])
    assert "".join(stream) == "one " == stream.answer.text
    server.usual = says("one E", "N", "ough")
    stream = at(server).stream("Enough?", stop=["END"])
    assert list(stream) == ["one ", "ENough"] and stream.answer.text == "one ENough"
    assert "passed over" not in stream.answer.served


@pytest.mark.parametrize(("text", "shown"), [("ab", "ab"), ("abX", "ab"), ("abXY", "ab"), ("abXYc", "ab"), ("abXZ", "abXZ")])
def test_what_may_begin_a_stop_string_waits(text: str, shown: str) -> None:
    assert settled(text, ["XY"]) == shown
    assert ended(text, ["XY"]) == ("ab" if "XY" in text else text)


def test_more_tokens_than_allowed_are_told(server: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    server.usual = says(*"abcdef")
    answer = at(server).ask("What?", max_tokens=4)
    assert answer.text == "abcdef" and answer.served["passed over"] == "max_tokens"
    assert "longer than was asked for" in caplog.text
    # Some services count the token that ends an answer.
    assert "passed over" not in at(server).ask("What?", max_tokens=5).served


def test_anthropics_answers_are_looked_at_too(server: ChatServer) -> None:
    server.usual = message("one END two", "three", "four")
    answer = at(server, "anthropic").ask("Count.", stop=["END"], max_tokens=1)
    assert answer.text == "one " and answer.served["passed over"] == "stop, max_tokens"


# --- what asking twice shows --------------------------------------------------------------------------------------------


def test_a_server_that_knows_everything_honours_everything(server: ChatServer) -> None:
    server.usual = server_that_honours(EVERYTHING)
    found = at(server).examine()
    assert {name: found[name] for name in EVERYTHING} == dict.fromkeys(EVERYTHING, "honoured")
    assert found["repetition_penalty"] == found["min_new_tokens"] == "not verified"
    assert len(server.heard) == 14


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_field_that_is_passed_over_is_found(name: str, server: ChatServer) -> None:
    server.usual = server_that_honours([one for one in EVERYTHING if one != name])
    found = at(server).examine()
    assert [one for one in EVERYTHING if found[one] == "not honoured"] == [name]


def test_a_server_that_always_says_the_same_tells_nothing_of_drawing(server: ChatServer) -> None:
    found = at(server).examine()
    assert {found[name] for name in ("temperature", "seed", "top_p", "top_k", "min_p")} == {"unclear"}


def test_a_field_that_is_refused_is_told_apart(server: ChatServer) -> None:
    honours = server_that_honours(EVERYTHING)
    server.usual = lambda handler, body: fails(400, "top_k?")(handler, body) if "top_k" in body else honours(handler, body)
    found = at(server).examine()
    assert found["top_k"] == "refused" and found["min_p"] == "honoured"


def test_fields_that_others_added_go_beside_the_api_and_never_to_its_maker() -> None:
    own, other = (parse(name) for name in ("openai:m", "openai:m@http://127.0.0.1:9/v1"))
    assert isinstance(own, Endpoint) and isinstance(other, Endpoint)
    assert set(ways(own)) == {"max_tokens", "stop", "temperature", "top_p", "seed"} and set(ways(own).values()) == {"plainly"}
    beyond = {name for name, way in ways(other).items() if way == "beyond the API"}
    assert beyond == {"top_k", "min_p", "repetition_penalty", "min_new_tokens"}
    theirs = parse("anthropic:m")
    assert isinstance(theirs, Endpoint) and ways(theirs)["top_k"] == "plainly" and "seed" not in ways(theirs)


def test_what_was_found_is_kept_and_said_of_a_request(server: ChatServer) -> None:
    drawing = Sampling(temperature=0.7, top_k=5, min_p=0.1, seed=3, repetition_penalty=1.1)
    before = at(server).fields.sent(drawing, ["END"])
    assert before == {
        "max_tokens": "sent plainly, checked in each answer", "stop": "sent plainly, checked in each answer",
        "temperature": "sent plainly, not verified", "seed": "sent plainly, not verified",
        "top_k": "sent beyond the API, not verified", "min_p": "sent beyond the API, not verified",
        "repetition_penalty": "sent beyond the API, not verified",
    }  # fmt: skip
    server.usual = server_that_honours([one for one in EVERYTHING if one != "top_k"])
    at(server).examine()
    after = at(server).fields.sent(drawing)
    assert after["top_k"] == "sent beyond the API, not honoured" and after["seed"] == "sent plainly, honoured"
    assert after["repetition_penalty"] == before["repetition_penalty"] and "stop" not in after
    assert set(at(server).fields.sent(Sampling())) == {"max_tokens", "temperature"}


# --- the commands -------------------------------------------------------------------------------------------------------


def test_env_examines_a_service(server: ChatServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.usual = server_that_honours([one for one in EVERYTHING if one not in ("seed", "min_p")])
    name = f"openai:m@{server.url}/v1"
    assert main(["env", name]) == 0
    said = capsys.readouterr().out
    assert re.search(r"seed +sent plainly, not honoured", said) and re.search(r"min_p +sent beyond the API, not honoured", said)
    assert re.search(r"repetition_penalty +sent beyond the API, not verified", said)
    assert main(["env", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fields"]["top_k"] == "sent beyond the API, honoured"
    assert main(["env", "default"]) == 2
    told = capsys.readouterr().err
    assert "no service's model" in told and "Traceback" not in told


def test_a_run_says_what_was_sent_and_what_was_passed_over(
    server: ChatServer, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = plain(events(chunk("red"), chunk(reason="stop"), usage(3, 999), "[DONE]"))
    server.usual = lambda handler, body: (whole if body.get("stream") else fails(400, "no"))(handler, body)
    words = ["eval", f"openai:m@{server.url}/v1", "--data", str(table), "--output", str(tmp_path / "runs"), "--no-ablations"]
    assert main([*words, "--temperature", "0.5"]) == 0
    assert "was sent max_tokens and passed over it, in 6 answers" in capsys.readouterr().out
    (manifest,) = (tmp_path / "runs").rglob("manifest.json")
    said = json.loads(manifest.read_text())
    assert said["sent"] == {
        "max_tokens": "sent plainly, checked in each answer", "temperature": "sent plainly, not verified",
        "seed": "sent plainly, not verified",
    }  # fmt: skip
    assert said["served"] == [{"model": "m", "passed over": "max_tokens", "answers": 6}]
    # That a service was examined since is no other run.
    asked = len(server.heard)
    at(server).examine()
    assert main([*words, "--temperature", "0.5"]) == 0 and len(server.heard) == asked + 14
    assert json.loads(manifest.read_text())["sent"]["max_tokens"] == "sent plainly, not honoured"
