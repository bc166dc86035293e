import pytest
from msgspec.structs import replace

from app.mapping.records import HEADERS_BYTES_MAX
from app.model.bound_topic import Copy
from app.model.event import ARRIVAL_MAX_US, PACK_HEADER, Event, Pack, Replay, encode_pack
from app.model.receiver import Deduplication
from app.model.refusal import Refusal, Refused
from app.transports.log import Record
from tables.packs import PackReader
from tables.receivers import Receivers
from tests.fakes import PROJECT, a_receiver, an_event

NOW_US = 1_700_000_000_000_000
NOW_MS = NOW_US // 1000
JSON = ("Content-Type", "application/json")
NAME = b"1/shop"
NOBODY = [
    *(b"1/other", b"2/shop", b"shop", b"", None, b"/shop", b"x/shop", b"-1/shop", b"1_/shop", b"1/shop/", b"1" * 30),
    *(b"\xff/shop", b"\xff", "\u0661/shop".encode()),
]


@pytest.fixture
def receivers():
    receivers = Receivers()
    receivers._put(a_receiver("uid-1", id="shop"))
    receivers._put(a_receiver("uid-2", id="keyed", deduplication=Deduplication("order.id")))
    return receivers


@pytest.fixture
def reader(receivers):
    return PackReader(receivers, body_bytes_max=100, now_us=lambda: NOW_US)


def native(value=b"{}", *headers, receiver=NAME, timestamp_ms=NOW_MS):
    return Record(7, timestamp_ms, None, value, (("receiver", receiver), *headers))


def event_of(reader, record) -> Event:
    ((_, pack),) = reader.read([record]).packs
    (event,) = pack.events
    return event


def test_a_message_with_a_receivers_name_is_its_event(reader):
    record = native(b'{"a": 1}', ("X-One", b"1"), ("Content-Type", b"text/plain"), timestamp_ms=NOW_MS - 5)
    headers = (("X-One", "1"), ("Content-Type", "text/plain"))
    assert event_of(reader, record) == Event("uid-1", NOW_US - 5000, "", headers, b'{"a": 1}')


def test_what_names_no_content_type_is_json(reader):
    assert event_of(reader, native()).headers == (JSON,)
    assert event_of(reader, native(b"{}", ("a", b"b"))).headers == (("a", "b"), JSON)


def test_our_own_packs_are_read_whatever_else_they_say(reader):
    value = encode_pack(3, [an_event("1")])
    for headers in ((), (("forebay", b"1"),), (("forebay", b"1"), ("receiver", NAME))):
        assert reader.read([Record(7, 0, None, value, headers)]) == ([(7, Pack(3, (an_event("1"),)))], [])


@pytest.mark.parametrize(
    ("record", "refused"),
    [
        (Record(7, 0, None, b"\xc1"), Refused(7, Refusal.UNREADABLE)),
        (Record(7, 0, None, b"{}", (("forebay", b"1"),)), Refused(7, Refusal.UNREADABLE)),
        (Record(7, 0, None, None), Refused(7, Refusal.UNREADABLE)),
        *((native(receiver=name), Refused(7, Refusal.UNKNOWN_RECEIVER)) for name in NOBODY),
        (native(None), Refused(7, Refusal.TOMBSTONE, "uid-1")),
        (native(b"x" * 101), Refused(7, Refusal.TOO_LARGE, "uid-1")),
        (native(b"x" * 100), None),
        (native(b"", ("a", b"x" * HEADERS_BYTES_MAX)), Refused(7, Refusal.TOO_LARGE, "uid-1")),
        (native(b"x" * 101, receiver=b"1/other"), Refused(7, Refusal.UNKNOWN_RECEIVER)),
    ],
)
def test_what_becomes_no_event_is_refused_with_the_reason_and_the_rest_is_read(reader, record, refused):
    reading = reader.read([record, native(b"next")._replace(offset=8)])
    assert reading.refused == ([refused] if refused else [])
    assert [offset for offset, _ in reading.packs] == ([8] if refused else [7, 8])
    assert reading.has_unknown == bool(refused and refused.why is Refusal.UNKNOWN_RECEIVER)


@pytest.mark.parametrize(
    ("timestamp_ms", "arrival_us"),
    [(NOW_MS, NOW_US), (NOW_MS + 1, NOW_US), (1 << 62, NOW_US), (0, 0), (-1, NOW_US), (-(1 << 62), NOW_US)],
)
def test_no_arrival_is_in_the_future_or_before_time_began(reader, timestamp_ms, arrival_us):
    assert event_of(reader, native(timestamp_ms=timestamp_ms)).arrival_us == arrival_us


def test_headers_that_are_no_utf_8_are_kept_as_at_the_door(reader):
    assert event_of(reader, native(b"", ("a", b"\xff"), ("b", None))).headers == (("a", "\ufffd"), ("b", ""), JSON)


def test_keys_come_from_where_they_come_from_at_the_door(reader):
    def key(record):
        return event_of(reader, record).key

    assert key(native(b'{"order": {"id": 5}}')) == ""
    assert key(native(b'{"order": {"id": 5}}', receiver=b"1/keyed")) == "p:5"
    assert key(native(b"no JSON", receiver=b"1/keyed")) == ""
    assert key(native(b'{"order": {"id": 5}}', ("idempotency-key", b"k"), receiver=b"1/keyed")) == "h:k"
    assert key(native(b"{}", ("Idempotency-Key", b"k"))) == "h:k"
    assert key(native(b"{}", ("Idempotency-Key", b""))) == ""
    long_keys = {key(native(b"{}", ("Idempotency-Key", b"k" * 256 + last))) for last in (b"1", b"2")}
    assert len(long_keys) == 2
    assert max(map(len, long_keys)) < 40


def test_a_name_means_what_the_definitions_say_now(receivers, reader):
    assert event_of(reader, native()).receiver == "uid-1"
    receivers._delete_receiver("uid-1")
    receivers.revision += 1
    assert reader.read([native()]).refused == [Refused(7, Refusal.UNKNOWN_RECEIVER)]
    receivers._put(a_receiver("uid-3", id="shop", project_id=PROJECT))
    receivers.revision += 1
    assert event_of(reader, native()).receiver == "uid-3"


def forged(*events: Event, copies: tuple[Copy, ...] = ()) -> Record:
    return Record(7, NOW_MS, None, encode_pack(0, events, (), copies), ((PACK_HEADER, b"1"),))


@pytest.mark.parametrize(
    "record",
    [
        *(forged(replace(an_event("1", "r"), arrival_us=time_us)) for time_us in (-1, ARRIVAL_MAX_US + 1, 2**63)),
        forged(replace(an_event("1", "r"), replay=Replay("id", 2**62))),
        *(
            forged(copies=(Copy("r", "t", *numbers),))
            for numbers in ((-1, 0, 0, 1), (0, 2**63, 0, 1), (0, 0, 0, 2**53))
        ),
        forged(copies=(Copy("r", "t", 0, 0, 0, 1, lost=2**64 - 1),)),
        Record(7, NOW_MS, None, b"\x91" * 100_000, ((PACK_HEADER, b"1"),)),
        Record(7, NOW_MS, None, b"\x94\x00\xdd\xff\xff\xff\xff", ((PACK_HEADER, b"1"),)),
        Record(7, NOW_MS, None, None, ((PACK_HEADER, b"1"),)),
    ],
)
def test_a_message_that_only_says_that_it_is_ours_is_refused(reader, record):
    assert reader.read([record]) == ([], [Refused(7, Refusal.UNREADABLE)])


def test_the_last_arrival_that_there_can_be_is_taken(reader):
    record = forged(replace(an_event("1", "r"), arrival_us=ARRIVAL_MAX_US))
    assert event_of(reader, record).arrival_us == ARRIVAL_MAX_US
