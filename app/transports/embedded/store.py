"""The SQLite file of an embedded log: its schema, its transactions, its errors. No thread and no event loop.

One file holds records, the bounds of partitions and committed offsets, so that any of them change together or not at
all. A record's row id is its partition's id and its offset side by side: a partition is one stretch of the table,
read and deleted by range, and written at its end.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

import msgspec

from app.errors import LogCorrupt, LogFailed, LogFull, SettingInvalid
from app.transports.log import Headers, NewRecord, Record

FILE_NAME = "log.sqlite"
SCHEMA_VERSION = 1
APPLICATION_ID = 0x464F5245  # "FORE"
OFFSET_BITS = 44  # leaves 19 bits for the partition's id: half a million partitions of 17 million million records
WAL_PAGES_MAX = 4_000  # then the pages go into the file

_SCHEMA = """
CREATE TABLE topic (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, compacting INTEGER NOT NULL, retention_ms INTEGER
) STRICT;
CREATE TABLE partition (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, number INTEGER NOT NULL,
    first INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0, compacted INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, number)
) STRICT;
CREATE TABLE record (id INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, key BLOB, headers BLOB, value BLOB) STRICT;
CREATE TABLE committed (
    consumer TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, PRIMARY KEY (consumer, partition)
) STRICT, WITHOUT ROWID;
"""

_encode_headers = msgspec.msgpack.Encoder().encode
_decode_headers = lru_cache(1024)(msgspec.msgpack.Decoder(Headers).decode)  # few differ


class Sync(StrEnum):
    """What an acknowledged record survives."""

    FULL = "full"  # the loss of power: each commit waits for the disk
    NORMAL = "normal"  # the death of the process; the loss of power may take the last seconds
    OFF = "off"  # the death of the process; the loss of power may damage the file


class TopicOptions(NamedTuple):
    """How a topic is kept. Without compaction and retention: until somebody deletes."""

    compacting: bool = False
    retention_ms: int | None = None


@dataclass(slots=True, eq=False)
class Partition:
    """One partition's bounds: `first` is retained, `next` will be given. Only the writer changes them."""

    id: int
    topic: str
    number: int
    first: int = 0
    next: int = 0
    compacted: int = 0

    @property
    def base(self) -> int:
        """The row id that offset 0 has or would have."""
        return self.id << OFFSET_BITS


@dataclass(slots=True, eq=False)
class Topic:
    """A topic and its partitions, by number."""

    id: int
    name: str
    options: TopicOptions
    partitions: list[Partition] = field(default_factory=list)


class Batch(NamedTuple):
    """Records that were appended together."""

    timestamp_ms: int
    records: Sequence[NewRecord]


class Written(NamedTuple):
    """What a transaction wrote: the offsets of each batch, and the records of each partition."""

    offsets: list[list[int]]
    records: dict[Partition, list[Record]]


class Limits(NamedTuple):
    """How much one read may bring; at least one record comes if there is any."""

    bytes_max: int
    records_max: int


Marks = Mapping[tuple[str, Partition], int]


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file's name."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise LogFull(f"no room for the log {path}: {error}") from error
        if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise LogCorrupt(f"the log {path} is damaged ({error}): restore it from a backup") from error
        raise LogFailed(f"the log {path} failed: {error}") from error


class Store:
    """The file, open for writing. One thread at a time may call; what a failed call began is undone."""

    def __init__(self, directory: Path, sync: Sync = Sync.FULL) -> None:
        self.path = directory / FILE_NAME
        self.topics: dict[str, Topic] = {}
        self.partitions: dict[tuple[str, int], Partition] = {}
        self.committed: dict[tuple[str, Partition], int] = {}
        self.used_bytes = 0
        with translated(self.path):
            self.connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            with translated(self.path):
                self._prepare(sync)
                self._load()
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        """Close the file; idempotent."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable at the end (as far as the file's `Sync` goes)."""
        with translated(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                self._undo()
                raise
            self._measure()

    def create_topic(self, name: str, partitions: int, options: TopicOptions) -> Topic:
        """Make a topic, or return the one that is there.

        Raises SettingInvalid if that has another number of partitions: positions in it would no longer mean the same.
        """
        topic = self.topics.get(name)
        if topic is None:
            topic = self._insert_topic(name, partitions, options)
        elif len(topic.partitions) != partitions:
            raise SettingInvalid(
                f"topic {name!r} has {len(topic.partitions)} partitions in {self.path}, and {partitions} were asked "
                f"for: the number is fixed for the life of a log"
            )
        elif topic.options != options:
            self._change_options(topic, options)
        return topic

    def ensure_topic(self, name: str, partitions: int) -> Topic:
        """Make a topic that somebody uses without declaring it, or return the one that is there, as it is."""
        return self.topics.get(name) or self._insert_topic(name, partitions, TopicOptions())

    def drop_topic(self, name: str) -> None:
        """Forget a topic with its records and committed offsets."""
        topic = self.topics[name]
        ids = [(partition.id,) for partition in topic.partitions]
        with self.transaction() as connection:
            for partition in topic.partitions:
                span = (partition.base, partition.base + partition.next)
                connection.execute("DELETE FROM record WHERE id >= ? AND id < ?", span)
            connection.executemany("DELETE FROM committed WHERE partition = ?", ids)
            connection.executemany("DELETE FROM partition WHERE id = ?", ids)
            connection.execute("DELETE FROM topic WHERE id = ?", (topic.id,))
        del self.topics[name]
        for partition in topic.partitions:
            del self.partitions[name, partition.number]
        self.committed = {mark: offset for mark, offset in self.committed.items() if mark[1] not in topic.partitions}

    def write(self, batches: Iterable[Batch], commits: Marks, trims: Mapping[Partition, int]) -> Written:
        """Append records, set committed offsets and raise first offsets, in one transaction.

        The partitions' bounds are advanced only after it: a failed one gives no offset away.
        """
        rows: list[tuple[int, int, bytes | None, bytes | None, bytes | None]] = []
        written = self._place(batches, rows)
        trims = {part: min(offset, part.next) for part, offset in trims.items() if offset > part.first}
        with self.transaction() as connection:
            connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?)", rows)
            connection.executemany(
                "UPDATE partition SET next = ? WHERE id = ?",
                [(records[-1].offset + 1, partition.id) for partition, records in written.records.items()],
            )
            connection.executemany(
                "INSERT INTO committed VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET offset = excluded.offset",
                [(consumer, partition.id, offset) for (consumer, partition), offset in commits.items()],
            )
            connection.executemany(
                "UPDATE partition SET first = ? WHERE id = ?", [(first, part.id) for part, first in trims.items()]
            )
        self.committed.update(commits)
        for partition, first in trims.items():
            partition.first = first
        return written

    def _place(
        self, batches: Iterable[Batch], rows: list[tuple[int, int, bytes | None, bytes | None, bytes | None]]
    ) -> Written:
        """Give offsets, and fill `rows` for the table."""
        news: dict[Partition, list[Record]] = {}
        offsets: list[list[int]] = []
        for timestamp_ms, records in batches:
            given: list[int] = []
            for topic, number, key, value, headers in records:
                partition = self.partitions[topic, number]
                added = news.get(partition)
                if added is None:
                    added = news[partition] = []
                offset = partition.next + len(added)
                given.append(offset)
                added.append(Record(offset, timestamp_ms, key, value, headers))
                blob = _encode_headers(headers) if headers else None
                rows.append((partition.base + offset, timestamp_ms, key, blob, value))
            offsets.append(given)
        return Written(offsets, news)

    def _prepare(self, sync: Sync) -> None:
        self._refuse_others()
        (mode,) = self.connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise LogFailed(f"the log {self.path} cannot be kept with a write-ahead log here (mode {mode!r})")
        self.connection.execute(f"PRAGMA synchronous = {sync.upper()}")
        self.connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}")
        self.connection.execute(f"PRAGMA journal_size_limit = {WAL_PAGES_MAX * 4096}")
        if self._pragma("user_version") == 0:
            with self.transaction() as connection:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _refuse_others(self) -> None:
        version = self._pragma("user_version")
        if version > SCHEMA_VERSION:
            raise LogCorrupt(
                f"the log {self.path} has schema version {version}, this Forebay reads up to {SCHEMA_VERSION}: "
                f"run the Forebay that wrote it, or a newer one"
            )
        if self._pragma("application_id") not in {0, APPLICATION_ID} or (
            version == 0 and self._pragma("schema_version") != 0
        ):
            raise LogCorrupt(f"{self.path} is not a log of Forebay: give it another directory")

    def _load(self) -> None:
        rows = self.connection.execute("SELECT id, name, compacting, retention_ms FROM topic").fetchall()
        topics = {row[0]: Topic(row[0], row[1], TopicOptions(bool(row[2]), row[3])) for row in rows}
        parts: dict[int, Partition] = {}
        for topic_id, number, *bounds in self.connection.execute(
            "SELECT topic, number, id, first, next, compacted FROM partition ORDER BY topic, number"
        ):
            topic = topics[topic_id]
            partition = Partition(bounds[0], topic.name, number, *bounds[1:])
            self._verify(partition)
            topic.partitions.append(partition)
            parts[partition.id] = partition
        for topic in topics.values():
            self._adopt(topic)
        for consumer, partition_id, offset in self.connection.execute("SELECT * FROM committed").fetchall():
            self.committed[consumer, parts[partition_id]] = offset
        self._measure()

    def _verify(self, partition: Partition) -> None:
        """No record stands outside its partition's bounds."""
        span = (partition.base, partition.base + (1 << OFFSET_BITS))
        (last,) = self.connection.execute("SELECT max(id) FROM record WHERE id >= ? AND id < ?", span).fetchone()
        if last is not None and last >= partition.base + partition.next:
            raise LogCorrupt(
                f"the log {self.path} is damaged ({partition.topic}/{partition.number} has records above its end): "
                f"restore it from a backup"
            )

    def _insert_topic(self, name: str, partitions: int, options: TopicOptions) -> Topic:
        with self.transaction() as connection:
            row = (name, options.compacting, options.retention_ms)
            cursor = connection.execute("INSERT INTO topic (name, compacting, retention_ms) VALUES (?, ?, ?)", row)
            topic = Topic(cursor.lastrowid or 0, name, options)
            for number in range(partitions):
                cursor = connection.execute("INSERT INTO partition (topic, number) VALUES (?, ?)", (topic.id, number))
                topic.partitions.append(Partition(cursor.lastrowid or 0, name, number))
        self._adopt(topic)
        return topic

    def _change_options(self, topic: Topic, options: TopicOptions) -> None:
        with self.transaction() as connection:
            row = (options.compacting, options.retention_ms, topic.id)
            connection.execute("UPDATE topic SET compacting = ?, retention_ms = ? WHERE id = ?", row)
        topic.options = options

    def _adopt(self, topic: Topic) -> None:
        self.topics[topic.name] = topic
        self.partitions.update(((topic.name, partition.number), partition) for partition in topic.partitions)

    def _undo(self) -> None:
        # Some errors (a full disk, say) have SQLite roll back by itself.
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _measure(self) -> None:
        pages = self._pragma("page_count") - self._pragma("freelist_count")
        self.used_bytes = pages * self._pragma("page_size")

    def _pragma(self, name: str) -> int:
        (value,) = self.connection.execute(f"PRAGMA {name}").fetchone()
        return int(value)


class Reader:
    """The file, open for reading; sees what is committed. One thread at a time may call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with translated(path):
            self._connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )

    def read(self, partition: Partition, offset: int, limits: Limits) -> list[Record]:
        """The records from `offset` on, to the partition's end or to the limits."""
        base = partition.base
        records: list[Record] = []
        room = limits.bytes_max
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT id - ?1, timestamp_ms, key, value, headers FROM record"
                " WHERE id >= ?1 + ?2 AND id < ?1 + ?3 ORDER BY id LIMIT ?4",
                (base, offset, partition.next, limits.records_max),
            )
            for at, timestamp_ms, key, value, headers in rows:
                room -= len(value or b"") + len(key or b"")
                if room < 0 and records:
                    break
                records.append(Record(at, timestamp_ms, key, value, _decode_headers(headers) if headers else ()))
            rows.close()
        return records

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
