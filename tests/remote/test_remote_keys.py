"""Keys go to the service that they are for, and nowhere else."""

import logging

import pytest
from chat_server import chat_server, fails, message, says
from services import KEY, at

import chiasm
from chiasm.errors import BadPrompt, RemoteFailure, UserError
from chiasm.remote.names import parse


def test_a_key_appears_nowhere(server, waits, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    server.script += [fails(500, f"Bearer {KEY} broke"), fails(401, f"Incorrect API key provided: {KEY}")]
    assistant = at(server, waits)
    with pytest.raises(RemoteFailure, match="CHIASM_API_KEY") as refused:
        assistant.ask("What is this?")
    server.script += [fails(400, f"no {KEY} and no sk-proj-abcdef*****wxyz")]
    with pytest.raises(BadPrompt) as bad:
        assistant.ask("What is this?")
    assistant.ask("What is this?")
    files = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    out = "".join(capfd.readouterr())
    for text in (str(refused.value), str(bad.value), caplog.text, out, files, repr(assistant), repr(vars(assistant))):
        assert KEY not in text
        assert "abcdef" not in text


def test_a_service_is_sent_its_own_key_only(server, waits, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai-123456")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-anthropic-123456")
    monkeypatch.delenv("CHIASM_API_KEY")
    at(server, waits).ask("What is this?")
    server.usual = message("A cat.")
    at(server, waits, "anthropic").ask("What is this?")
    assert not [heard for heard in server.heard if "sk-of" in str(heard.headers)]


def test_a_redirect_is_not_followed(server, waits):
    with chat_server(says("Thanks for the key")) as thief:
        server.script += [fails(307, "elsewhere", location=f"{thief.url}/v1/chat/completions")]
        with pytest.raises(RemoteFailure, match="307"):
            at(server, waits).ask("What is this?")
        assert thief.heard == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("openai:gpt-4o", "OPENAI_API_KEY"),
        ("anthropic:claude", "ANTHROPIC_API_KEY"),
        ("openai:m@http://example.org/v1", "plain http"),
        ("openai:m@https://me:secret@example.org/v1", "environment"),
        ("openai:m@https://example.org/v1?key=secret", "environment"),
        ("openai:", "names no model"),
        ("transformers:", "names no folder"),
        ("transformers:nowhere", "no such folder"),
    ],
)
def test_names_that_cannot_be_used_say_why(name, why):
    with pytest.raises(UserError, match=why) as refused:
        chiasm.load(name)
    assert "secret" not in str(refused.value)


def test_names_that_can_be_used_are_loaded(server):
    assert chiasm.load(f"openai:m@{server.url}/v1").ask("What is this?").text == "A cat."
    assert parse("llava-1.5:7b") is None
    assert parse("owner/name") is None
