"""One endpoint behind its official client, whose failures are told in our words, without the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chiasm.remote.failures import Passing, failure
from chiasm.remote.keys import key_of, without
from chiasm.remote.names import Endpoint


class Service:
    """One client for many threads. `make` is its class in `library`; `says` is what the service sends, in a word; `code` finds
    the service's own name of a failure."""

    def __init__(
        self,
        library: Any,
        make: Callable[..., Any],
        endpoint: Endpoint,
        timeout: float,
        says: str,
        code: Callable[[Any], str | None] = lambda error: None,
    ) -> None:
        self._library, self._endpoint, self._key, self._says, self._code = library, endpoint, key_of(endpoint), says, code
        # A redirect could carry the key to another server; tries are counted by us, who also know cut streams.
        plain = library.DefaultHttpxClient(follow_redirects=False)
        self._client = make(api_key=self._key, base_url=endpoint.url, timeout=timeout, max_retries=0, http_client=plain)

    @contextmanager
    def asked(self) -> Iterator[Any]:
        """The client. Raises `Passing` for what may be gone in a moment, else what stays wrong, however often it is tried."""
        try:
            yield self._client
        except self._library.APIError as e:
            raise self._meant(e) from None
        except (ValueError, AttributeError, TypeError):
            raise Passing(f"what it sent is not JSON of a {self._says}") from None

    def _meant(self, error: Any) -> Exception:
        said = without(error.message, self._key)
        match error:
            case self._library.APIStatusError():
                return failure(self._endpoint, error.status_code, said, error.response.headers, self._code(error))
            case self._library.APITimeoutError():
                return Passing("it did not answer in time")
            case self._library.APIConnectionError():
                return Passing("the connection failed")
            case _:
                return Passing(said)
