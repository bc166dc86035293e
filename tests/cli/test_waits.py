"""Commands that wait for what a tail tells, and a server that leaves something out."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.cli.api import Api
from app.cli.connection import Session
from app.cli.dead_letters import _replay_all
from app.cli.errors import Refused
from app.cli.exports import _flush_and_wait
from app.cli.output import Output

Line = dict[str, Any]
SKIPPED = {"type": "skipped", "message": "the ledger counts them"}
FLUSHED = {"type": "flush", "exportId": "orders", "at": "a member that came later"}
LOADED = {"exportId": "orders", "routed": 3, "loaded": 2, "deadLettered": 1}


class Lines(httpx.SyncByteStream):
    """Goes on until its lines are over, and then says nothing: a command that wants more fails."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            yield json.dumps(line).encode() + b"\n"
        raise httpx.ReadTimeout("nobody tells anything more")


class TellingServer:
    """Tells `listening`, and then these lines; remembers what it is asked to do."""

    def __init__(self, tell: Callable[[], Iterator[Line]]) -> None:
        self._tell = tell
        self.asked: list[str] = []

    def session(self) -> Session:
        return Session(Api("http://server", {}, httpx.MockTransport(self._answer)), Output(as_json=True))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.asked.append(request.url.path.rpartition("/")[2])
            return httpx.Response(202, json={"exportId": "orders", "deadLetters": 2})
        if request.url.path.endswith("/tail"):
            return httpx.Response(200, stream=Lines(self._lines()))
        return httpx.Response(200, json={"exports": [LOADED]})

    def _lines(self) -> Iterator[Line]:
        yield {"type": "listening"}
        yield from self._tell()


def test_a_flush_whose_end_may_have_been_left_out_is_asked_for_again():
    def tell() -> Iterator[Line]:
        yield {"type": "flush", "exportId": "another"}
        yield SKIPPED
        if server.asked == ["flush", "flush"]:
            yield FLUSHED

    server = TellingServer(tell)
    answer = _flush_and_wait(server.session(), "shop", "/v1/receivers/shop/exports/orders/flush", 60)
    assert answer["exportId"] == "orders"
    assert server.asked == ["flush", "flush"]


def test_a_replay_ends_when_fates_are_left_out_and_says_what_is_known():
    fate = {"exportId": "orders", "fate": "mapped"}
    server = TellingServer(lambda: iter([{"type": "fate", "again": True, "exports": [fate]}, SKIPPED]))
    with pytest.raises(Refused, match="2 come again; the fate of 1 is known, 1 fit now: the ledger counts them"):
        _replay_all(server.session(), "shop", "orders", 60)
    assert server.asked == ["replay"]
