import logging

import pytest

from agents.refused_records import SAY_EVERY_S, RefusedRecords
from app.model.refusal import SAID, Refusal, Refused

WHERE = {"topic": "events", "partition": 3}


def test_each_is_counted_and_one_of_each_reason_is_named_now_and_then(caplog: pytest.LogCaptureFixture):
    now_s = 1.0
    records = RefusedRecords(lambda: now_s)
    with caplog.at_level(logging.ERROR):
        records.say([Refused(offset, Refusal.TOMBSTONE, "r") for offset in range(5)], WHERE)
        records.say([Refused(5, Refusal.UNREADABLE)], WHERE)
        now_s += SAY_EVERY_S
        records.say([Refused(6, Refusal.TOMBSTONE, "r")], WHERE)
    assert records.counts == {Refusal.TOMBSTONE: 6, Refusal.UNREADABLE: 1}
    assert [record.getMessage() for record in caplog.records] == [
        "the message at offset 0 of partition 3 is without a value; it is passed over, as were 0 before that",
        (
            "the message at offset 5 of partition 3 is no pack of events, and names no receiver; it is passed over, "
            "as were 0 before that"
        ),
        "the message at offset 6 of partition 3 is without a value; it is passed over, as were 4 before that",
    ]


def test_every_reason_can_be_said():
    assert set(SAID) == set(Refusal)
