import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from app.transports.kafka.records import LenientRecords

NAME = "name-of-a-header"


def batch(*headers, compression=0) -> bytes:
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, 0, 1 << 20)
    for offset, pairs in enumerate(headers):
        builder.append(offset, 1000 + offset, b"key", b"value", list(pairs))
    return bytes(builder.build())


def read(data: bytes):
    records, found = LenientRecords(data), []
    while records.has_next():
        one = records.next_batch()
        assert one.next_offset
        found += [(record.offset, record.timestamp, record.value, tuple(record.headers)) for record in one]
    assert records.next_batch() is None
    return found


@pytest.mark.parametrize("compression", [0, 1, 2, 3, 4], ids=["none", "gzip", "snappy", "lz4", "zstd"])
def test_batches_of_all_kinds_are_read(compression):
    data = batch([("a", b"1")], [], compression=compression) + batch([], compression=compression)
    assert read(data) == [(0, 1000, b"value", (("a", b"1"),)), (1, 1001, b"value", ()), (0, 1000, b"value", ())]


def test_a_begun_batch_waits():
    data = batch([])
    for length in range(len(data)):
        assert read(data[:length]) == []
        assert len(read(data + data[:length])) == 1


def test_a_header_whose_name_is_not_utf_8_holds_up_nobody():
    data = batch([("a", b"1")], [(NAME, b"\xff"), ("b", None)], []).replace(NAME.encode(), b"\xff" * len(NAME))
    assert read(data) == [
        (0, 1000, b"value", (("a", b"1"),)),
        (1, 1001, b"value", (("\ufffd" * len(NAME), b"\xff"), ("b", None))),
        (2, 1002, b"value", ()),
    ]
