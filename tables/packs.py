"""The messages of the log of events, read as packs: ours, and those that other programs produce (docs/kafka.md).

A message with a header `receiver` is one event of that receiver: the value is its body, the other headers are those of
a request. Who the receiver is, the definitions say.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from app import clock
from app.mapping.keys import keyed_by_path
from app.mapping.records import HEADERS_BYTES_MAX, RecordHeaders, arrival_us, headers_bytes, key_in, request_headers
from app.model.event import PACK_HEADER, Event, HeaderPairs, Pack, decode_pack
from app.model.receiver import Receiver
from app.model.refusal import Refusal, Refused
from app.transports.log import Record
from tables.receivers import Receivers

RECEIVER_HEADER = "receiver"
PROJECT_DIGITS_MAX = 18
HEADS_MAX, HEAD_BYTES_MAX = 256, 4096  # kept of a reader, and each of them


class Reading(NamedTuple):
    """Packs with their offsets, in order, and what is none."""

    packs: list[tuple[int, Pack]]
    refused: list[Refused]

    @property
    def has_unknown(self) -> bool:
        """Whether a receiver is unknown; it may have been made by a change that is not read yet."""
        return any(one.why is Refusal.UNKNOWN_RECEIVER for one in self.refused)


class Head(NamedTuple):
    """What the headers of a native message say. A producer's messages share a few."""

    receiver: bytes
    pairs: HeaderPairs
    key: str
    bytes: int


class PackReader:
    """Reads by the definitions as they stand."""

    def __init__(self, receivers: Receivers, *, body_bytes_max: int, now_us: Callable[[], int] = clock.now_us) -> None:
        self._receivers = receivers
        self._body_bytes_max = body_bytes_max
        self._now_us = now_us
        self._named: dict[bytes, Receiver] = {}
        self._revision = -1
        self._heads: dict[RecordHeaders, Head | None] = {}

    def read(self, records: Iterable[Record]) -> Reading:
        """Each record becomes a pack or is refused."""
        if self._receivers.revision != self._revision:
            self._revision = self._receivers.revision
            self._named.clear()
        now_us = self._now_us()
        packs: list[tuple[int, Pack]] = []
        refused: list[Refused] = []
        for record in records:
            head = self._head(record.headers)
            read = _pack(record) if head is None else self._native(record, head, now_us)
            if isinstance(read, Pack):
                packs.append((record.offset, read))
            else:
                refused.append(read)
        return Reading(packs, refused)

    def _head(self, headers: RecordHeaders) -> Head | None:
        """None if the message is one of ours, or names no receiver."""
        try:
            return self._heads[headers]
        except KeyError:
            head = _read_head(headers)
        if head is None or head.bytes <= HEAD_BYTES_MAX:
            if len(self._heads) >= HEADS_MAX:
                self._heads.clear()
            self._heads[headers] = head
        return head

    def _native(self, record: Record, head: Head, now_us: int) -> Pack | Refused:
        receiver = self._named.get(head.receiver) or self._known(head.receiver)
        if receiver is None:
            return Refused(record.offset, Refusal.UNKNOWN_RECEIVER)
        body = record.value
        if body is None:
            return Refused(record.offset, Refusal.TOMBSTONE, receiver.uid)
        if len(body) > self._body_bytes_max or head.bytes > HEADERS_BYTES_MAX:
            return Refused(record.offset, Refusal.TOO_LARGE, receiver.uid)
        event = Event(receiver.uid, arrival_us(record.timestamp_ms, now_us), "", head.pairs, body, "", head.key)
        if receiver.deduplication is not None and not head.key:
            event = keyed_by_path(event, receiver.deduplication.path)
        return Pack(0, (event,))

    def _known(self, name: bytes) -> Receiver | None:
        """By `project/receiver`."""
        project, _, receiver_id = name.decode("utf-8", "replace").partition("/")
        if not (project.isascii() and project.isdigit() and len(project) <= PROJECT_DIGITS_MAX):
            return None
        receiver = self._receivers.receiver(int(project), receiver_id)
        if receiver is not None:
            self._named[name] = receiver
        return receiver


def _read_head(headers: RecordHeaders) -> Head | None:
    for name, value in headers:
        if name == PACK_HEADER:
            return None
        if name == RECEIVER_HEADER:
            pairs = request_headers(headers, without=RECEIVER_HEADER)
            return Head(value or b"", pairs, key_in(pairs), headers_bytes(headers))
    return None


def _pack(record: Record) -> Pack | Refused:
    try:
        return decode_pack(record.value or b"")
    except (msgspec.MsgspecError, ValueError):  # invalid UTF-8 is a ValueError
        return Refused(record.offset, Refusal.UNREADABLE)
