import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.change import AddToken, Change, decode_change, encode_change
from app.model.conditions import Conditions
from app.model.cut import ChainEnd, Cut, ExportCounts, Life, ReceiverCounts, Totals, decode_cut, encode_cut
from app.model.dead_letter import (
    DeadLetter,
    decode_dead_letter,
    decode_dead_letters,
    encode_dead_letter,
    encode_dead_letters,
)
from app.model.draft import ExportChange
from app.model.event import EventIds, Position
from app.model.file import File, FileRecord, FlushReason, decode_file, encode_file
from app.model.mapping import TableId, parse_table_id
from app.model.receiver import Deduplication
from app.model.slice import Slice, SliceRecord, decode_slice, encode_slice
from app.model.staged import StagedFile
from app.model.times import iso_ms
from tests.fakes import a_mapping, a_receiver, an_event, an_export

INT64 = 2**63 - 1
st.register_type_strategy(int, st.integers(-INT64, INT64))
st.register_type_strategy(float, st.floats(0, 1e9))
st.register_type_strategy(str, st.text(st.characters(exclude_categories=["Cs"]), max_size=12))


# codecs of the logs

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
figures = st.integers(0, INT64)
receiver_counts = st.dictionaries(names, st.builds(ReceiverCounts, figures, figures, figures), max_size=3)
export_counts = st.dictionaries(names, st.builds(ExportCounts, figures, figures), max_size=3)
lives = st.builds(Life, names, figures, st.none() | names, st.none() | figures)
chains = st.builds(ChainEnd, names, names, figures, figures)
staged = st.builds(StagedFile, names, figures, figures)
cuts = st.builds(
    Cut,
    life=names,
    begin=figures,
    end=figures,
    revision=figures,
    cut_us=figures,
    slices=st.lists(st.from_type(Slice), max_size=2).map(tuple),
    dead_letters=st.none() | staged,
    receivers=receiver_counts,
    exports=export_counts,
    arrival_last_us=figures,
    checkpoint=st.none()
    | st.builds(
        Totals,
        lives=st.lists(lives, max_size=2).map(tuple),
        chains=st.lists(chains, max_size=2).map(tuple),
        receivers=receiver_counts,
        exports=export_counts,
        arrival_last_us=figures,
    ),
)


@given(lives | cuts)
def test_a_record_of_the_log_of_cuts_comes_back(record):
    assert decode_cut(encode_cut(record)) == record


@given(st.from_type(SliceRecord))
def test_a_record_of_the_log_of_slices_comes_back(record):
    assert decode_slice(encode_slice(record)) == record


@given(st.from_type(FileRecord))
def test_a_record_of_the_log_of_files_comes_back(record):
    assert decode_file(encode_file(record)) == record


@given(st.from_type(Change))
def test_a_change_comes_back(change):
    assert decode_change(encode_change(change)) == change


@pytest.mark.parametrize("decode", [decode_cut, decode_slice, decode_file, decode_change])
@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"null", b'{"type":"unknown"}', b"\xff"])
def test_what_is_no_record_is_said_to_be_none(decode, value):
    with pytest.raises(msgspec.MsgspecError):
        decode(value)


def test_a_change_says_its_kind_in_words():
    assert encode_change(AddToken(1, "hash")) == b'{"type":"add-token","project_id":1,"sha256":"hash"}'


def test_a_token_of_the_time_before_ids_is_read():
    assert decode_change(b'{"type":"add-token","project_id":1,"sha256":"hash"}') == AddToken(1, "hash")


def test_dead_letters_come_back_alone_and_together():
    letters = [DeadLetter("x", "log", 1, 22, index, "because", an_event(str(index))) for index in range(3)]
    assert [decode_dead_letter(encode_dead_letter(letter)) for letter in letters] == letters
    assert decode_dead_letters(encode_dead_letters(letters)) == letters
    assert letters[2].position == Position("log", 1, 22, 2)
    assert letters[2].key == "x/log/1/22/2"


def test_a_dead_letters_event_comes_again_as_it_was_for_its_export_only():
    event = an_event("1", arrival_us=7, key="h:once")
    letter = DeadLetter("x", "log", 1, 22, 2, "because", event)
    again = letter.again(asked_us=99)
    assert (again.receiver, again.arrival_us, again.ip, again.headers, again.body) == tuple(
        getattr(event, name) for name in ("receiver", "arrival_us", "ip", "headers", "body")
    )
    assert (again.only_export, again.key) == ("x", "r:x/log/1/22/2")
    assert (again.entered_us, event.entered_us) == (99, 7)
    assert letter.event_id == EventIds("log", 1, 22).of(7, 2)
    died_again = DeadLetter("x", "log", 0, 30, 0, "because", again)
    assert died_again.event_id == letter.event_id
    assert died_again.again(100).key != again.key
    assert decode_dead_letter(encode_dead_letter(died_again)) == died_again


# sums


def test_counts_are_added_figure_by_figure():
    assert ReceiverCounts(1, 2, 3).plus(ReceiverCounts(10, 20, 30)) == ReceiverCounts(11, 22, 33)
    assert ExportCounts(1, 2).plus(ExportCounts(10, 20)) == ExportCounts(11, 22)


def test_a_file_is_as_large_as_its_slices_together():
    parts = [Slice("x", 1, "log", 0, None, 0, 1, StagedFile(str(n), 10 * n, 0), n, 2 * n, 0, 0, 0) for n in range(1, 4)]
    file = File("id", "x", "r", a_mapping(), 1, tuple(parts), 0, 0, FlushReason.COUNT)
    assert (file.rows, file.bytes, file.events) == (6, 60, 12)


def test_a_cut_without_anything_is_short():
    assert len(encode_cut(Cut("life", 0, 1, 0, 0))) < 80


# tables


@pytest.mark.parametrize("text", ["in.c-shop.orders", "out.bucket.table", "sys.c-b.t-1_2"])
def test_a_table_id_comes_back(text):
    assert str(parse_table_id(text)) == text


def test_a_table_id_has_three_parts():
    table = parse_table_id("in.c-shop.orders")
    assert table == TableId("in", "c-shop", "orders")
    assert table.schema == "in.c-shop"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "table ID cannot be empty"),
        ("a", 'invalid table ID "a": unexpected number of fragments'),
        ("in.c-shop", 'invalid table ID "in.c-shop": unexpected number of fragments'),
        ("in.c-shop.a.b", 'invalid table ID "in.c-shop.a.b": unexpected number of fragments'),
        ("into.c-shop.t", 'invalid bucket ID "into.c-shop": unexpected stage "into"'),
        ("in..t", 'invalid bucket ID "in.": bucket ID cannot be empty'),
        ("in.c-.t", 'invalid bucket ID "in.c-": bucket ID cannot be empty'),
        ("in.c-shop.", 'invalid table ID "in.c-shop.": table ID cannot be empty'),
    ],
)
def test_what_is_no_table_id_is_refused_with_the_apis_words(text, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_table_id(text)


def test_the_primary_key_is_in_table_order():
    column = a_mapping().columns[0]
    columns = tuple(type(column)(name, column.type, primary_key=name in "bc") for name in "cab")
    mapping = msgspec.structs.replace(a_mapping(), columns=columns)
    assert mapping.primary_key == ("c", "b")
    assert mapping.column_names == ("c", "a", "b")
    assert a_receiver("r", an_export("x"), an_export("y", mapping=mapping)).keyed
    assert not a_receiver("r", an_export("x")).keyed


def test_a_receiver_whose_events_name_themselves_is_keyed():
    assert a_receiver("r", deduplication=Deduplication("id")).keyed


def test_a_receiver_finds_its_exports_by_id():
    receiver = a_receiver("r", an_export("x"), an_export("y"))
    assert receiver.export("y") == an_export("y")
    assert receiver.export("z") is None


def test_a_change_of_conditions_keeps_what_it_does_not_name():
    before = Conditions(1, 2, 3.0)
    assert ExportChange().conditions_after(before) == before
    assert ExportChange(count=9).conditions_after(before) == Conditions(9, 2, 3.0)
    assert ExportChange(size_bytes=9, time_s=8.0).conditions_after(before) == Conditions(1, 9, 8.0)


# times


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (999, "1970-01-01T00:00:00.000Z"),
        (1_672_531_200_123_999, "2023-01-01T00:00:00.123Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_cut_to_milliseconds(us, text):
    assert iso_ms(us) == text


@given(st.integers(0, 253_402_300_799_999_999), st.integers(0, 253_402_300_799_999_999))
def test_times_are_sorted_as_they_are_written(one, another):
    assert (iso_ms(one) < iso_ms(another)) == (one // 1000 < another // 1000)
