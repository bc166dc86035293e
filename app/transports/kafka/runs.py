"""What a `Reader` fetches, as runs."""

from faust.types import TP

from app.transports.kafka.reader import Reader
from app.transports.log import Record, Run

RECORD_OVERHEAD_BYTES = 70  # about what Kafka adds to a record


async def read_run(reader: Reader, tp: TP, offset: int, bytes_max: int) -> Run:
    """What is there from `offset` on, at least one record if any, an empty run at the end of the log."""
    position = offset
    while True:
        try:
            records, position, end = await reader.fetch(tp, position, bytes_max)
        except IndexError:  # it is trimmed, or beyond the end
            start, end = await reader.bounds(tp)
            if position >= start:
                return Run(tp, offset, offset, [])
            position = start
            continue
        if records:
            kept = _within(records, bytes_max)
            return Run(tp, offset, position if len(kept) == len(records) else kept[-1].offset + 1, kept)
        if position >= end:
            return Run(tp, offset, max(offset, position), [])


def _within(records: list[Record], bytes_max: int) -> list[Record]:
    """As many as fit, and at least one."""
    left = bytes_max
    for count, record in enumerate(records):
        left -= len(record.key or b"") + len(record.value or b"") + RECORD_OVERHEAD_BYTES
        if left < 0 and count:
            return records[:count]
    return records
