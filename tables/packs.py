"""The messages of the log of events, read as packs: ours, and those that other programs produce (docs/kafka.md).

A message with a header `receiver` is one event of that receiver: the value is its body, the other headers are those of
a request. Who the receiver is, the definitions say.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from app import clock
from app.mapping.records import (
    HEADERS_BYTES_MAX,
    JSON,
    RecordHeaders,
    arrival_us,
    headers_bytes,
    request_headers,
    with_key,
)
from app.model.event import PACK_HEADER, Event, Pack, decode_pack
from app.model.receiver import Receiver
from app.model.refusal import Refusal, Refused
from app.transports.log import Record
from tables.receivers import Receivers

RECEIVER_HEADER = "receiver"
PROJECT_DIGITS_MAX = 18


class Reading(NamedTuple):
    """Packs with their offsets, in order, and what is none."""

    packs: list[tuple[int, Pack]]
    refused: list[Refused]

    @property
    def has_unknown(self) -> bool:
        """Whether a receiver is unknown; it may have been made by a change that is not read yet."""
        return any(one.why is Refusal.UNKNOWN_RECEIVER for one in self.refused)


class PackReader:
    """Reads by the definitions as they stand."""

    def __init__(self, receivers: Receivers, *, body_bytes_max: int, now_us: Callable[[], int] = clock.now_us) -> None:
        self._receivers = receivers
        self._body_bytes_max = body_bytes_max
        self._now_us = now_us
        self._named: dict[bytes, Receiver] = {}
        self._revision = -1

    def read(self, records: Iterable[Record]) -> Reading:
        """Each record becomes a pack or is refused."""
        if self._receivers.revision != self._revision:
            self._revision = self._receivers.revision
            self._named.clear()
        now_us = self._now_us()
        packs: list[tuple[int, Pack]] = []
        refused: list[Refused] = []
        for record in records:
            name = _receiver_in(record.headers)
            read = _pack(record) if name is None else self._native(record, name, now_us)
            if isinstance(read, Pack):
                packs.append((record.offset, read))
            else:
                refused.append(read)
        return Reading(packs, refused)

    def _native(self, record: Record, name: bytes, now_us: int) -> Pack | Refused:
        receiver = self._named.get(name) or self._known(name)
        if receiver is None:
            return Refused(record.offset, Refusal.UNKNOWN_RECEIVER)
        body, headers = record.value, record.headers
        if body is None:
            return Refused(record.offset, Refusal.TOMBSTONE, receiver.uid)
        few = len(headers) == 1  # the receiver, and nothing else
        if len(body) > self._body_bytes_max or (not few and headers_bytes(headers) > HEADERS_BYTES_MAX):
            return Refused(record.offset, Refusal.TOO_LARGE, receiver.uid)
        pairs = JSON if few else request_headers(headers, without=RECEIVER_HEADER)
        event = Event(receiver.uid, arrival_us(record.timestamp_ms, now_us), "", pairs, body)
        return Pack(0, (with_key(event, receiver),))

    def _known(self, name: bytes) -> Receiver | None:
        """By `project/receiver`."""
        project, _, receiver_id = name.decode("utf-8", "replace").partition("/")
        if not (project.isascii() and project.isdigit() and len(project) <= PROJECT_DIGITS_MAX):
            return None
        receiver = self._receivers.receiver(int(project), receiver_id)
        if receiver is not None:
            self._named[name] = receiver
        return receiver


def _receiver_in(headers: RecordHeaders) -> bytes | None:
    """The receiver's name; None if the message is one of ours, or names none."""
    for name, value in headers:
        if name == PACK_HEADER:
            return None
        if name == RECEIVER_HEADER:
            return value or b""
    return None


def _pack(record: Record) -> Pack | Refused:
    try:
        return decode_pack(record.value or b"")
    except (msgspec.MsgspecError, ValueError):  # invalid UTF-8 is a ValueError
        return Refused(record.offset, Refusal.UNREADABLE)
