"""What a worker and its template processes say to each other: frames of a length and msgpack."""

import os
from typing import BinaryIO

import msgspec

from app.model.column import Template
from app.model.event import Event

LENGTH_BYTES = 4


class Limits(msgspec.Struct, frozen=True):
    """What a template may use."""

    event_deadline_s: float
    memory_bytes_max: int
    result_bytes_max: int
    deadline_hits_free: int
    evaluate_max_s: float
    programs_max: int


class Request(msgspec.Struct, frozen=True, array_like=True):
    """Evaluate the templates for each event. Without events: only say whether the programs can run.

    `left_s`: so much time is left, as earlier events of the call ran into their deadlines; None: take your time.
    """

    templates: tuple[Template, ...]
    events: tuple[Event, ...] = ()
    left_s: float | None = None


class Values(msgspec.Struct, frozen=True, array_like=True, tag="values"):
    """The values of the event at `index`."""

    index: int
    values: tuple[str, ...]


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """Why the event at `index` has no values."""

    index: int
    reason: str


class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """The end of an answer. `reason` is that of all events that were not mentioned."""

    deadline_hits: int = 0
    reason: str = ""


Answer = Values | Failed | Done

_encoder = msgspec.msgpack.Encoder()
_request_decoder = msgspec.msgpack.Decoder(Request)
_answer_decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Values | Failed | Done)


def encode_frame(message: Request | Answer) -> bytes:
    """Length and message."""
    content = _encoder.encode(message)
    return len(content).to_bytes(LENGTH_BYTES) + content


def decode_request(content: bytes) -> Request:
    """Undo `encode_frame`, without the length."""
    return _request_decoder.decode(content)


def decode_answer(content: bytes) -> Answer:
    """Undo `encode_frame`, without the length."""
    return _answer_decoder.decode(content)


def read_frame(stream: BinaryIO) -> bytes | None:
    """Read the next message, undecoded; None at the end."""
    length = stream.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    content = stream.read(int.from_bytes(length))
    return content if len(content) == int.from_bytes(length) else None


def write_all(descriptor: int, content: bytes) -> None:
    """Write to a pipe, as often as it takes."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
