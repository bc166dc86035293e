"""A client of one server's APIs: what is refused, and who does not answer, ends the command in its own way."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from app.cli.errors import NoServer, Refused

TIMEOUT_S = 60.0
SILENCE_MAX_S = 20.0  # of a stream that has a heartbeat every 5 s
MESSAGE_CHARACTERS_MAX = 2000

Json = dict[str, Any]


def path_of(*parts: str) -> str:
    """An address made of these parts, whatever characters they have.

    Raises Refused for a part that would lead elsewhere: clients and servers take `.` and `..` for steps in a path.
    """
    for part in parts:
        if part in {"", ".", ".."}:
            raise Refused(f'"{part}" cannot be an id')
    return "/".join(["", *(quote(part, safe="") for part in parts)])


class Api:
    """Calls with one token. Answers are what the server says; anything but a success raises Refused or NoServer."""

    def __init__(self, url: str, headers: Mapping[str, str], transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(auth=_with(headers), timeout=TIMEOUT_S, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **query: str | int) -> Any:
        """The answer's JSON."""
        return self._called("GET", path, params=query)

    def post(self, path: str, content: Json | None = None) -> Any:
        """The answer's JSON."""
        return self._called("POST", path, json=content) if content is not None else self._called("POST", path)

    def patch(self, path: str, content: Json) -> Any:
        """The answer's JSON."""
        return self._called("PATCH", path, json=content)

    def delete(self, path: str) -> Any:
        """The answer's JSON, None when it has none."""
        return self._called("DELETE", path)

    def push(self, path: str, body: bytes, headers: Mapping[str, str], **query: str) -> Any:
        """Send a body as it is."""
        return self._called("POST", path, content=body, headers=dict(headers), params=query)

    def send_event(self, path: str, body: bytes, headers: Mapping[str, str], **query: str) -> None:
        """As `push`, without the token: an event keeps its headers, and its address has a secret of its own."""
        self._called("POST", path, content=body, headers=dict(headers), params=query, auth=None)

    def here(self, url: str) -> str:
        """The path of an address in an answer: it may be written with another host than the one that we talk to."""
        parts = urlsplit(url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @contextmanager
    def lines(self, path: str) -> Iterator[Iterator[str]]:
        """The lines of an answer that goes on."""
        timeout = httpx.Timeout(TIMEOUT_S, read=SILENCE_MAX_S)
        try:
            with self._client.stream("GET", self.url + path, timeout=timeout) as answer:
                if not answer.is_success:
                    answer.read()
                    raise Refused(_message(answer))
                yield answer.iter_lines()
        except httpx.TransportError as error:
            raise self._nobody(error) from None

    def _called(self, method: str, path: str, **sent: Any) -> Any:
        try:
            answer = self._client.request(method, self.url + path, **sent)
        except httpx.InvalidURL as error:
            raise NoServer(f"{self.url} is no address of a server: {error}") from None
        except httpx.TransportError as error:
            raise self._nobody(error) from None
        if not answer.is_success:
            raise Refused(_message(answer))
        try:
            return answer.json() if answer.content else None
        except json.JSONDecodeError:
            raise NoServer(f"{self.url} answers, but not as Forebay does: is it the right address?") from None

    def _nobody(self, error: httpx.TransportError) -> NoServer:
        return NoServer(f"no server answers at {self.url} ({type(error).__name__}: {error}): is it running? See --url")


def _with(headers: Mapping[str, str]) -> Callable[[httpx.Request], httpx.Request]:
    def open_with(request: httpx.Request) -> httpx.Request:
        request.headers.update(headers)
        return request

    return open_with


def _message(answer: httpx.Response) -> str:
    """The server's own words, or what else it said."""
    try:
        said = answer.json()["message"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        said = f"the server answered {answer.status_code} {answer.reason_phrase}"
    wait = answer.headers.get("Retry-After")
    return str(said)[:MESSAGE_CHARACTERS_MAX] + (f" (try again in {wait} s)" if wait else "")
