"""An event: one thing that a client pushed, as it arrived."""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, NamedTuple

import msgspec

from app.model.bound_topic import Copy

OVERHEAD_BYTES = 64
PACK_HEADER = "forebay"  # of every message of ours

ARRIVAL_MAX_US = 253_402_300_799_000_000  # the last second of the year 9999: no later one can be written down

Arrival = Annotated[int, msgspec.Meta(ge=0, le=ARRIVAL_MAX_US)]
HeaderPairs = tuple[tuple[str, str], ...]


class Replay(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a dead letter's event brings when it comes again: the id that it had, and when it was asked to come."""

    event_id: str
    asked_us: Arrival


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one request, or one element of a batch, brought.

    `receiver` is the receiver's uid. `arrival_us` was stamped at the door and never changes. `headers` are in the
    order they came, names as sent. `only_export` is the uid of the single export the event is for (a replayed
    dead letter), else empty. `key` is empty, or names the event within its receiver: of two events with one key that
    arrive within 24 hours, the first in the log counts and the second is a repeat. `replay` is None when the event
    comes for the first time.
    """

    receiver: str
    arrival_us: Arrival
    ip: str
    headers: HeaderPairs
    body: bytes
    only_export: str = ""
    key: str = ""
    replay: Replay | None = None

    @property
    def entered_us(self) -> int:
        """Since when it has been on its way: the arrival, unless it comes again."""
        return self.arrival_us if self.replay is None else self.replay.asked_us

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory and in the log."""
        return (
            len(self.body)
            + len(self.key)
            + OVERHEAD_BYTES
            + sum(len(name) + len(value) for name, value in self.headers)
        )


class Pack(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The events of one log message, accepted under one revision of the definitions.

    `flush` makes it a flush marker: the uids of the exports whose rows of all that stands before it are to be loaded
    soon, whatever their conditions say. With `copies` the events are records of a bound topic: one copy says of which
    stretch, and they count only if it does. Beginnings come together, without events.
    """

    revision: int
    events: tuple[Event, ...]
    flush: tuple[str, ...] = ()
    copies: tuple[Copy, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Pack)


def encode_pack(
    revision: int, events: Iterable[Event], flush: Iterable[str] = (), copies: Iterable[Copy] = ()
) -> bytes:
    """The value of one log message."""
    return _encoder.encode(Pack(revision, tuple(events), tuple(flush), tuple(copies)))


def decode_pack(value: bytes) -> Pack:
    """Undo `encode_pack`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(value)


class Position(NamedTuple):
    """Where an event stands in the log, for ever: life of the log, partition, offset of its message, index in it."""

    log_id: str
    partition: int
    offset: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a position

    def __str__(self) -> str:
        return f"{self.log_id}/{self.partition}/{self.offset}/{self.index}"


INDEX_BITS = 20  # a pack has fewer events


@lru_cache(maxsize=1024)
def _partition_hash(log_id: str, partition: int) -> int:
    return int.from_bytes(blake2b(f"{log_id}/{partition}".encode(), digest_size=8).digest())


@lru_cache(maxsize=256)  # the events of a request arrived together
def _id_beginning(arrival_us: int) -> str:
    milliseconds, fraction_us = divmod(arrival_us, 1000)
    text = f"{milliseconds & 0xFFFF_FFFF_FFFF:012x}"
    return f"{text[:8]}-{text[8:]}-7{fraction_us * 4096 // 1000:03x}"


class EventIds:
    """The ids of the events of one message: unique, the same each time the message is read, sortable by arrival.

    UUIDs of version 7 (RFC 9562): milliseconds, then the fraction in 12 bits, then a hash of the partition plus the
    event's place in it.
    """

    def __init__(self, log_id: str, partition: int, offset: int) -> None:
        self._base = _partition_hash(log_id, partition) + (offset << INDEX_BITS)

    def of(self, arrival_us: int, index: int) -> str:
        """The id of the event at `index`."""
        tail = (self._base + index) & 0x3FFF_FFFF_FFFF_FFFF
        text = f"{0x2 << 62 | tail:016x}"
        return f"{_id_beginning(arrival_us)}-{text[:4]}-{text[4:]}"
