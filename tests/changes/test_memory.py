"""Whatever comes, and however much of it: what is held at one time is bounded."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest
from reading import ARRAYS, CSV, EVENTS, RAW_JSON, a_field, a_relation

from app.changes.format import Format, Kind, Lines, RawMode, UpdateFormat
from app.changes.reader import ChangeReader

CHUNK_BYTES = 131_072
STREAM_BYTES = 1_300_000
HELD_BYTES_MAX = 900_000  # a thousand errors, and what is unfinished but not too large
PEAK_BYTES_MAX = 6_000_000  # the objects of one piece
RELATION = a_relation(a_field("i", "BIGINT", nullable=False), a_field("s", "VARCHAR"), a_field("n", "DECIMAL"))
SINGLE = Format(Kind.JSON, update_format=UpdateFormat.RAW, lines=Lines.SINGLE)
WEIGHTED = Format(Kind.JSON, update_format=UpdateFormat.WEIGHTED)


def rows(**spoilt: object) -> Iterator[bytes]:
    for number in range(STREAM_BYTES):
        yield json.dumps({"i": number, "s": "a text of some length", "n": 5, **spoilt}).encode()


def chunks(units: Iterator[bytes], between: bytes) -> Iterator[bytes]:
    """The units, one behind the other, in chunks that end anywhere."""
    told = 0
    rest = b""
    for unit in units:
        rest += unit + between
        if len(rest) >= CHUNK_BYTES:
            yield rest[:CHUNK_BYTES]
            told, rest = told + CHUNK_BYTES, rest[CHUNK_BYTES:]
            if told >= STREAM_BYTES:
                return


def events() -> Iterator[bytes]:
    return (b'{"insert":' + row + b"}" for row in rows())


def arrays() -> Iterator[bytes]:
    some = events()
    while True:
        yield b"[" + b",".join(next(some) for _ in range(1000)) + b"]"


def weighted() -> Iterator[bytes]:
    return (b'{"weight":20,"data":' + row + b"}" for row in rows())


def records() -> Iterator[bytes]:
    return (b'%d,"a text of some length",5' % number for number in range(STREAM_BYTES))


STREAMS: list[tuple[Format, Callable[[], Iterator[bytes]], bytes]] = [
    (RAW_JSON, rows, b"\n"),
    (EVENTS, events, b""),
    (SINGLE, rows, b"\n"),
    (ARRAYS, arrays, b"\n"),
    (WEIGHTED, weighted, b"\n"),
    (CSV, records, b"\n"),
    (RAW_JSON, lambda: rows(i="x"), b"\n"),  # errors, all of them
    (RAW_JSON, lambda: repeat(b"]" * 20), b" "),
    (RAW_JSON, lambda: chain([b'{"s":"'], repeat(b"x" * 999)), b""),  # one value without an end
    (CSV, lambda: chain([b'"'], repeat(b"x" * 999)), b"\n"),
    (Format(Kind.RAW, mode=RawMode.LINES, column_name="s"), rows, b"\n"),
]


@pytest.mark.parametrize("number", range(len(STREAMS)))
def test_a_long_stream_takes_no_more_memory_than_a_short_one(number: int) -> None:
    format_, units, between = STREAMS[number]
    relation = a_relation(a_field("s", "VARCHAR")) if format_.kind is Kind.RAW else RELATION
    reader = ChangeReader(relation, format_)
    tracemalloc.start()
    try:
        for chunk in chunks(units(), between):
            for piece in reader.cut(chunk):
                reader.feed(piece)
        held_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes - reader.kept_bytes < HELD_BYTES_MAX
    assert peak_bytes - reader.kept_bytes < PEAK_BYTES_MAX
