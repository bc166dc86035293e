"""Batches of records as brokers send them, read by aiokafka but for one thing: text that is not UTF-8 stops nobody.

The broker takes the name of a header as it comes; aiokafka raises at one that is not UTF-8, again at each try, and
nothing behind it would ever be read.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.legacy_records import LegacyRecordBatch

_LENGTH = Struct(">8xi")  # behind the base offset
_MAGIC_AT = 16
_MAGIC_WITH_HEADERS = 2


class LenientRecords:
    """In place of aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def size_in_bytes(self) -> int:
        """Whole batches and a begun one."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether another batch is whole."""
        return self._end() is not None

    def next_batch(self) -> Any:
        """The next one, None at the end."""
        end = self._end()
        if end is None:
            return None
        data, self._at = self._data[self._at : end], end
        magic = data[_MAGIC_AT]
        return LenientBatch(data) if magic >= _MAGIC_WITH_HEADERS else LegacyRecordBatch(data, magic)

    def _end(self) -> int | None:
        if len(self._data) - self._at <= _MAGIC_AT:
            return None
        end: int = self._at + _LENGTH.size + _LENGTH.unpack_from(self._data, self._at)[0]
        return end if end <= len(self._data) else None


class LenientBatch:
    """aiokafka's, which is read once more where it raises."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._batch = DefaultRecordBatch(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            return iter(list(self._batch))
        except UnicodeDecodeError:
            return iter(list(_ReplacingBatch(self._data)))

    def __next__(self) -> Any:
        return next(self._batch)


class _ReplacingBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka is untyped
    _buffer: bytearray

    def __init__(self, data: memoryview) -> None:
        super().__init__(bytearray(data))

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _ReplacingBytes(self._buffer)


class _ReplacingBytes(bytearray):
    """What is cut out of it decodes whatever it is."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _ReplacingBytes(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, errors)


def read_leniently() -> None:
    """Let all consumers of this process read batches so."""
    fetcher.MemoryRecords = LenientRecords
