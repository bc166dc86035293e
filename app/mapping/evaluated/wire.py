"""What a worker and its template processes say to each other: frames of a length and msgpack."""

import os
from typing import BinaryIO

import msgspec

from app.model.column import Template
from app.model.event import Event

LENGTH_BYTES = 4
NO_PLACE = -1  # nobody knows which template it was


class Limits(msgspec.Struct, frozen=True):
    """What a template may use."""

    event_deadline_s: float
    event_free_s: float
    turn_max_s: float
    memory_bytes_max: int
    result_bytes_max: int
    programs_max: int


class Request(msgspec.Struct, frozen=True, array_like=True):
    """Evaluate the templates for each event. Without events: only say whether the programs can run.

    `left_s`: so much time may be wasted on the way; see `Done`. `deadline_s`: so much time an event has.
    """

    templates: tuple[Template, ...]
    events: tuple[Event, ...] = ()
    left_s: float = 0.0
    deadline_s: float = 0.0


class _Addressed(msgspec.Struct, frozen=True, array_like=True):
    """A request, as far as one must know it to hand it on."""

    templates: tuple[Template, ...]


class Values(msgspec.Struct, frozen=True, array_like=True, tag="values"):
    """The values of the event at `index`."""

    index: int
    values: tuple[str, ...]


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """Why the event at `index` has no values. `is_late`: its time was over. `place`: of the template that has none."""

    index: int
    reason: str
    is_late: bool = False
    place: int = NO_PLACE


class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """The end of an answer. Events that were not mentioned fail with `reason`; without one, their turn did not come.

    `wasted_s` is the processor time above `event_free_s` that events took, each by itself.
    """

    wasted_s: float = 0.0
    reason: str = ""
    is_lost: bool = False  # there is no answer: the process died


Answer = Values | Failed | Done

_encoder = msgspec.msgpack.Encoder()
_request_decoder = msgspec.msgpack.Decoder(Request)
_addressed_decoder = msgspec.msgpack.Decoder(_Addressed)
_answer_decoder: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Values | Failed | Done)


def encode_frame(message: Request | Answer) -> bytes:
    """Length and message."""
    content = _encoder.encode(message)
    return len(content).to_bytes(LENGTH_BYTES) + content


def decode_request(content: bytes) -> Request:
    """Undo `encode_frame`, without the length."""
    return _request_decoder.decode(content)


def decode_templates(content: bytes) -> tuple[Template, ...]:
    """Whose request it is."""
    return _addressed_decoder.decode(content).templates


class AnswerReader:
    """Takes answers out of what came through a pipe, however it was cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, content: bytes) -> list[Answer]:
        """Give the answers that are complete now. Raises msgspec.DecodeError."""
        content, answers, at = self._rest + content, [], 0
        view = memoryview(content)
        while (begin := at + LENGTH_BYTES) <= len(content):
            end = begin + int.from_bytes(view[at:begin])
            if end > len(content):
                break
            answers.append(_answer_decoder.decode(view[begin:end]))
            at = end
        self._rest = content[at:]
        return answers


def read_frame(stream: BinaryIO) -> bytes | None:
    """Read the next message, undecoded; None at the end."""
    length = stream.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    content = stream.read(int.from_bytes(length))
    return content if len(content) == int.from_bytes(length) else None


def write_frame(descriptor: int, content: bytes) -> None:
    """Pass a message on that was read with `read_frame`."""
    write_all(descriptor, len(content).to_bytes(LENGTH_BYTES) + content)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write to a pipe, as often as it takes."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
