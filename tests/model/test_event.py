from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.event import Event, EventIds, Pack, Position, Replay, decode_pack, encode_pack

NOW_US = 1_700_000_000_000_000
texts = st.text(max_size=20)
events = st.builds(
    Event,
    receiver=texts,
    arrival_us=st.integers(0, 2**53),
    ip=texts,
    headers=st.lists(st.tuples(texts, texts), max_size=4).map(tuple),
    body=st.binary(max_size=200),
    only_export=texts,
    key=texts,
    replay=st.none() | st.builds(Replay, texts, st.integers(0, 2**53)),
)


@given(st.integers(0, 2**53), st.lists(events, max_size=5), st.lists(texts, max_size=3))
def test_a_pack_comes_back_as_it_went_in(revision, packed, flush):
    pack = decode_pack(encode_pack(revision, packed, flush))
    assert (pack.revision, pack.events, pack.flush) == (revision, tuple(packed), tuple(flush))


def test_a_pack_of_before_there_were_flush_markers_is_read():
    assert decode_pack(msgspec.msgpack.encode((3, ()))) == Pack(3, ())


def test_a_pack_of_before_there_were_keys_and_replays_is_read():
    old = msgspec.msgpack.encode([7, [["r", 5, "ip", [["a", "b"]], b"body", ""]]])
    assert decode_pack(old) == Pack(7, (Event("r", 5, "ip", (("a", "b"),), b"body"),))


@given(st.binary(max_size=100))
def test_what_is_no_pack_is_said_to_be_none(value):
    try:
        pack = decode_pack(value)
    except msgspec.MsgspecError:
        return
    assert decode_pack(encode_pack(pack.revision, pack.events)) == pack


def test_a_message_of_nothing_is_no_pack():
    with pytest.raises(msgspec.DecodeError):
        decode_pack(b"")


def test_an_event_before_only_export_was_known_is_still_read():
    short = msgspec.msgpack.encode([3, [["r", 1, "::1", [], b"x"]]])
    assert decode_pack(short).events == (Event("r", 1, "::1", (), b"x"),)


def test_ids_are_the_same_each_time_the_message_is_read():
    assert EventIds("log", 1, 5).of(NOW_US, 2) == EventIds("log", 1, 5).of(NOW_US, 2)


@given(st.text(max_size=20), st.integers(0, 255), st.integers(0, 2**62), st.integers(0, 2**50), st.integers(0, 10**6))
def test_ids_are_uuids_of_version_7_with_the_time_of_arrival(log_id, partition, offset, arrival_us, index):
    uuid = UUID(EventIds(log_id, partition, offset).of(arrival_us, index))
    assert (uuid.version, uuid.variant) == (7, "specified in RFC 4122")
    assert uuid.int >> 80 == arrival_us // 1000 & 0xFFFF_FFFF_FFFF


def test_ids_are_unique_over_messages_partitions_lives_and_places():
    ids = [
        EventIds(log_id, partition, offset).of(NOW_US, index)
        for log_id in ("a", "b")
        for partition in range(4)
        for offset in range(500)
        for index in range(10)
    ]
    assert len(set(ids)) == len(ids)


@given(st.integers(0, 2**50), st.integers(0, 2**50), st.integers(0, 9), st.integers(0, 9))
def test_ids_are_sorted_by_arrival_to_the_microsecond(first_us, second_us, offset, another):
    first, second = EventIds("log", 0, offset).of(first_us, 0), EventIds("log", 0, another).of(second_us, 0)
    if first_us < second_us:
        assert first < second


def test_a_position_is_written_as_a_path():
    assert str(Position("log", 1, 22, 3)) == "log/1/22/3"
