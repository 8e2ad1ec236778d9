"""A model behind a service on this machine, for tests of remote models."""

import numpy as np
from chat_server import ChatServer

from chiasm.remote.assistant import RemoteAssistant
from chiasm.remote.failures import Retries
from chiasm.remote.names import Endpoint, parse

KEY = "sk-very-secret-0123456789"
PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


class Waits(list):
    """Seconds that were to be slept."""


def at(server: ChatServer, waits: Waits, api="openai", **settings) -> RemoteAssistant:
    url = f"{server.url}/v1" if api == "openai" else server.url
    endpoint = parse(f"{api}:m@{url}")
    assert isinstance(endpoint, Endpoint)
    return RemoteAssistant(endpoint, retries=Retries(tries=3, sleep=waits.append), **settings)
