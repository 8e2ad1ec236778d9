"""A service on this machine, and surroundings without anybody's keys."""

import pytest
from chat_server import chat_server, says
from services import KEY, Waits


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("CHIASM_API_KEY", KEY)
    monkeypatch.setenv("CHIASM_HOME", str(tmp_path / "home"))


@pytest.fixture
def server():
    with chat_server(says("A ", "cat.")) as running:
        yield running


@pytest.fixture
def waits():
    return Waits()
