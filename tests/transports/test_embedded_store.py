"""The file: what it refuses to open, what a failed transaction leaves, and a model that it must equal."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import LogCorrupt, LogFailed, LogFull, SettingInvalid
from app.transports.embedded.housekeeping import Housekeeper
from app.transports.embedded.store import (
    FILE_NAME,
    SCHEMA_VERSION,
    Batch,
    Limits,
    Partition,
    Reader,
    Store,
    Sync,
    TopicOptions,
)
from app.transports.log import NewRecord

ALL = Limits(1 << 30, 1 << 30)
PLAIN = TopicOptions()


def write(store: Store, *records: NewRecord, timestamp_ms: int = 0) -> list[int]:
    """What the writer does: write, then advance the ends."""
    written = store.write([Batch(timestamp_ms, records)], {}, {})
    for partition, added in written.records.items():
        partition.next = added[-1].offset + 1
    return written.offsets[0]


def record(value: bytes | None, key: bytes | None = None, partition: int = 0) -> NewRecord:
    return NewRecord("t", partition, key, value)


def values(store: Store, partition: Partition) -> list[tuple[int, bytes | None]]:
    reader = Reader(store.path)
    try:
        found = reader.read(partition, partition.first, ALL)
    finally:
        reader.close()
    return [(one.offset, one.value) for one in found]


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    with Store(tmp_path, Sync.OFF) as store:
        store.create_topic("t", 2, PLAIN)
        yield store


def test_full_sync_waits_for_the_disk(tmp_path):
    for sync, level in ((Sync.OFF, 0), (Sync.NORMAL, 1), (Sync.FULL, 2)):
        with Store(tmp_path, sync) as store:
            assert store.connection.execute("PRAGMA synchronous").fetchone() == (level,)
            assert store.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_topic_that_is_there_stays(store):
    write(store, record(b"a"))
    assert store.create_topic("t", 2, PLAIN) is store.topics["t"]
    assert store.partitions["t", 0].next == 1


def test_the_number_of_partitions_is_fixed(store):
    with pytest.raises(SettingInvalid, match=r"topic 't' has 2 partitions in .*, and 3 were asked for"):
        store.create_topic("t", 3, PLAIN)


def test_how_a_topic_is_kept_may_change(tmp_path):
    with Store(tmp_path) as store:
        store.create_topic("t", 1, PLAIN)
        store.create_topic("t", 1, TopicOptions(compacting=True, retention_ms=5))
    with Store(tmp_path) as store:
        assert store.topics["t"].options == TopicOptions(compacting=True, retention_ms=5)


def test_a_dropped_topic_leaves_nothing(store):
    store.create_topic("gone", 1, PLAIN)
    partition = store.partitions["gone", 0]
    store.write([Batch(0, [NewRecord("gone", 0, None, b"x")])], {("app", partition): 1}, {})
    partition.next = 1
    store.drop_topic("gone")
    assert set(store.topics) == {"t"}
    assert store.committed == {}
    assert store.connection.execute("SELECT count(*) FROM record").fetchone() == (0,)
    assert store.create_topic("gone", 2, PLAIN).partitions[0].next == 0


def test_a_newer_schema_is_refused(tmp_path):
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(LogCorrupt, match=f"schema version {SCHEMA_VERSION + 1}, this Forebay reads up to"):
        Store(tmp_path)


def test_a_file_of_something_else_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("CREATE TABLE precious (a)")
    connection.close()
    with pytest.raises(LogCorrupt, match="is not a log of Forebay"):
        Store(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"not a database" * 1000)
    with pytest.raises(LogCorrupt, match="is damaged"):
        Store(tmp_path)


def test_damage_in_the_middle_is_noticed_when_it_is_read(tmp_path):
    with Store(tmp_path) as store:
        store.create_topic("t", 1, PLAIN)
        for _ in range(50):
            write(store, *(record(b"x" * 100) for _ in range(100)))
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096 * 8] = b"\xff" * 4096 * 8
    path.write_bytes(content)
    with pytest.raises(LogCorrupt, match="is damaged"), Store(tmp_path) as store:
        values(store, store.partitions["t", 0])


def test_records_above_a_partitions_end_are_damage(tmp_path):
    with Store(tmp_path) as store:
        store.create_topic("t", 1, PLAIN)
        write(store, record(b"a"), record(b"b"))
        store.connection.execute("UPDATE partition SET next = 1")
    with pytest.raises(LogCorrupt, match="t/0 has records above its end"):
        Store(tmp_path)


def test_a_full_disk_takes_nothing_and_gives_no_offset_away(store):
    write(store, record(b"a"))
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LogFull, match="no room for the log"):
        write(store, record(b"x" * 100_000))
    store.connection.execute("PRAGMA max_page_count = 1000000")
    assert write(store, record(b"b")) == [1]
    assert values(store, store.partitions["t", 0]) == [(0, b"a"), (1, b"b")]


def test_a_file_that_cannot_be_written_takes_nothing(store):
    store.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(LogFailed, match="failed: attempt to write a readonly database"):
        write(store, record(b"x"))
    store.connection.execute("PRAGMA query_only = OFF")
    assert write(store, record(b"b")) == [0]


def test_a_copy_taken_after_a_crash_opens(tmp_path):
    """As a kill leaves it: file and write-ahead log, nothing closed."""
    with Store(tmp_path / ".", Sync.FULL) as store:
        store.create_topic("t", 1, PLAIN)
        write(store, record(b"a"))
        copy = tmp_path / "copy"
        copy.mkdir()
        for path in tmp_path.glob("log.sqlite*"):
            shutil.copy(path, copy)
    with Store(copy) as store:
        assert values(store, store.partitions["t", 0]) == [(0, b"a")]


def test_trimmed_room_is_used_again(store):
    partition = store.partitions["t", 0]
    write(store, *(record(b"x" * 10_000) for _ in range(500)))
    full = store.used_bytes
    store.write((), {}, {partition: 500})
    Housekeeper(store).whole_round()
    assert store.used_bytes < full / 10
    pages = store.connection.execute("PRAGMA page_count").fetchone()
    write(store, *(record(b"y" * 10_000) for _ in range(400)))
    assert store.connection.execute("PRAGMA page_count").fetchone() == pages


def test_to_trim_costs_little_at_once(store):
    partition = store.partitions["t", 0]
    write(store, *(record(b"x") for _ in range(5_000)))
    store.write((), {}, {partition: 5_000})
    assert partition.first == 5_000
    assert store.connection.execute("SELECT count(*) FROM record").fetchone() == (5_000,)
    house = Housekeeper(store)
    house.step()
    assert store.connection.execute("SELECT count(*) FROM record").fetchone() == (4_000,)
    assert house.wait_s() == 0


KEYS = st.sampled_from([b"a", b"b", b"c", None])
STEPS = st.one_of(
    st.tuples(
        st.just("write"),
        st.lists(st.tuples(st.integers(0, 1), KEYS, st.binary(max_size=4) | st.none()), max_size=6),
    ),
    st.tuples(st.just("trim"), st.tuples(st.integers(0, 1), st.integers(0, 30))),
    st.tuples(st.just("commit"), st.tuples(st.integers(0, 1), st.integers(0, 30))),
    st.tuples(st.just("reopen"), st.none()),
    st.tuples(st.just("tidy"), st.none()),
    st.tuples(st.just("fail"), st.none()),
)


class Model:
    """Two partitions as plain lists."""

    def __init__(self) -> None:
        self.first = [0, 0]
        self.records: list[list[tuple[int, bytes | None]]] = [[], []]
        self.next = [0, 0]
        self.committed: dict[int, int] = {}

    def write(self, records) -> list[int]:
        given = []
        for partition, _, value in records:
            given.append(self.next[partition])
            self.records[partition].append((self.next[partition], value))
            self.next[partition] += 1
        return given

    def trim(self, partition: int, offset: int) -> None:
        self.first[partition] = max(self.first[partition], min(offset, self.next[partition]))

    def kept(self, partition: int) -> list[tuple[int, bytes | None]]:
        return [one for one in self.records[partition] if one[0] >= self.first[partition]]


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=25))
def test_whatever_is_done_it_holds_what_the_model_holds(tmp_path_factory, steps):
    directory = tmp_path_factory.mktemp("log")
    store = Store(directory, Sync.OFF)
    store.create_topic("t", 2, PLAIN)
    model = Model()
    for what, how in steps:
        store = act(store, model, directory, what, how)
        for number in (0, 1):
            partition = store.partitions["t", number]
            assert (partition.first, partition.next) == (model.first[number], model.next[number])
            assert values(store, partition) == model.kept(number)
        assert {part.number: offset for (_, part), offset in store.committed.items()} == model.committed
    store.close()


def act(store: Store, model: Model, directory: Path, what: str, how) -> Store:
    match what:
        case "write":
            given = write(store, *(record(value, key, number) for number, key, value in how))
            assert given == model.write(how)
        case "trim":
            store.write((), {}, {store.partitions["t", how[0]]: how[1]})
            model.trim(*how)
        case "commit":
            store.write((), {("app", store.partitions["t", how[0]]): how[1]}, {})
            model.committed[how[0]] = how[1]
        case "tidy":
            Housekeeper(store).whole_round()
        case "fail":
            store.connection.execute("PRAGMA query_only = ON")
            with pytest.raises(LogFailed):
                write(store, record(b"lost"))
            store.connection.execute("PRAGMA query_only = OFF")
        case "reopen":
            store.close()
            store = Store(directory, Sync.OFF)
    return store


@settings(max_examples=40)
@given(st.lists(st.tuples(KEYS, st.integers(0, 3) | st.none()), max_size=60), st.integers(1, 40))
def test_compaction_keeps_what_a_reader_from_the_beginning_ends_with(tmp_path_factory, writes, every):
    with Store(tmp_path_factory.mktemp("log"), Sync.OFF) as store:
        store.create_topic("t", 1, TopicOptions(compacting=True))
        partition = store.partitions["t", 0]
        house = EagerHousekeeper(store, now_ms=lambda: 1 << 50)
        table: dict[bytes, bytes] = {}
        for index, (key, number) in enumerate(writes):
            value = None if number is None else b"%d" % number
            write(store, record(value, key))
            if key is not None:
                table.pop(key, None)
                if value is not None:
                    table[key] = value
            if index % every == 0:
                house.whole_round()
        house.whole_round()
        assert replay(store, partition) == table
        left = Reader(store.path)
        found = left.read(partition, 0, ALL)
        left.close()
        keys = [one.key for one in found if one.key is not None]
        assert len(keys) == len(set(keys)), "one record a key"
        assert not writes or found[-1].offset == partition.next - 1, "the last record stays"
        assert all(one.value is not None for one in found[:-1] if one.key is not None), "no old tombstone"


class EagerHousekeeper(Housekeeper):
    """Compacts whatever there is."""

    def _is_dirty(self, partition: Partition) -> bool:
        return partition.next > 0


def replay(store: Store, partition: Partition) -> dict[bytes, bytes]:
    reader = Reader(store.path)
    table: dict[bytes, bytes] = {}
    for one in reader.read(partition, 0, ALL):
        if one.key is not None:
            table.pop(one.key, None)
            if one.value is not None:
                table[one.key] = one.value
    reader.close()
    return table


HOUR_MS = 3600 * 1000


def test_a_changelog_shrinks_to_its_keys(store):
    store.create_topic("log", 1, TopicOptions(compacting=True))
    partition = store.partitions["log", 0]
    for number in range(3_000):
        write(store, NewRecord("log", 0, b"%d" % (number % 7), b"%d" % number))
    house = Housekeeper(store)
    house.whole_round()
    assert values(store, partition) == [(number, b"%d" % number) for number in range(2_993, 3_000)]
    assert (partition.first, partition.next, partition.compacted) == (0, 3_000, 3_000)


def test_a_tombstone_stays_for_a_day(store):
    store.create_topic("log", 1, TopicOptions(compacting=True))
    now_ms = 0
    house = Housekeeper(store, now_ms=lambda: now_ms)
    for number in range(1_000):
        write(store, NewRecord("log", 0, b"k", b"%d" % number))
    write(store, NewRecord("log", 0, b"k", None), NewRecord("log", 0, b"other", b"1"))
    partition = store.partitions["log", 0]
    house.whole_round()
    assert values(store, partition) == [(1_000, None), (1_001, b"1")]
    now_ms = 25 * HOUR_MS
    house.whole_round()
    assert values(store, partition) == [(1_001, b"1")]


def test_old_records_go_when_every_consumer_has_dealt_with_them(store):
    store.create_topic("old", 1, TopicOptions(retention_ms=HOUR_MS))
    partition = store.partitions["old", 0]
    for hour in range(5):
        write(store, NewRecord("old", 0, None, b"%d" % hour), timestamp_ms=hour * HOUR_MS)
    house = Housekeeper(store, now_ms=lambda: 10 * HOUR_MS)
    store.write((), {("one", partition): 3, ("two", partition): 2}, {})
    house.whole_round()
    assert partition.first == 2
    store.write((), {("two", partition): 5}, {})
    house.whole_round()
    assert partition.first == 3
    store.write((), {("one", partition): 5}, {})
    house.whole_round()
    assert values(store, partition) == [(4, b"4")], "the last record stays"


def test_young_records_stay(store):
    store.create_topic("old", 1, TopicOptions(retention_ms=HOUR_MS))
    for hour in range(5):
        write(store, NewRecord("old", 0, None, b"%d" % hour), timestamp_ms=hour * HOUR_MS)
    Housekeeper(store, now_ms=lambda: 3 * HOUR_MS).whole_round()
    assert store.partitions["old", 0].first == 2


def test_a_topic_without_retention_keeps_everything(store):
    write(store, record(b"a"), record(b"b"))
    Housekeeper(store, now_ms=lambda: 1 << 50).whole_round()
    assert len(values(store, store.partitions["t", 0])) == 2


def test_housekeeping_that_fails_waits_and_harms_nobody(store, caplog):
    write(store, *(record(b"x") for _ in range(10)))
    store.write((), {}, {store.partitions["t", 0]: 10})
    house = Housekeeper(store)
    store.connection.execute("PRAGMA query_only = ON")
    house.step()
    assert "housekeeping waits" in caplog.text
    assert house.wait_s() > 30
    store.connection.execute("PRAGMA query_only = OFF")
    assert write(store, record(b"y")) == [10]
