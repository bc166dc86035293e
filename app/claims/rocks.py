"""An index of claims in RocksDB: one directory for each partition."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct
from threading import Lock
from typing import Any

import msgspec
from rocksdict import BlockBasedIndexType, BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from app.claims.index import Mark
from app.errors import ClaimsFailed
from app.model.claim import Claim

logger = logging.getLogger(__name__)

MEMTABLE_BYTES = 4 * 1024 * 1024
CACHE_BYTES = 16 * 1024 * 1024
OPEN_FILES_MAX = 64
_BLOOM_BITS_PER_KEY = 10
_LOGS_KEPT = 2
_MARK = b"stamp"  # shorter than any key; its name on disk from the beginning
_VALUE = Struct(">16sqqI")  # life, arrival, offset, index


class RocksClaimIndex:
    """See ClaimIndex. What cannot be opened is thrown away: it is made again from the log."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._rocks: Any = None
        self._closed = False
        self._lock = Lock()  # claims of a key are read, changed and written

    def mark(self) -> Mark | None:
        """See ClaimIndex."""
        with self._opened() as rocks:
            value = rocks.get(_MARK)
        return None if value is None else msgspec.msgpack.decode(value, type=Mark)

    def find(self, keys: Sequence[bytes]) -> list[Sequence[Claim]]:
        """See ClaimIndex."""
        with self._opened() as rocks:
            return _find(rocks, keys)

    def add(self, claims: Sequence[Claim], mark: Mark) -> None:
        """See ClaimIndex."""
        with self._opened() as rocks:
            held = _held(rocks, claims)
            for claim in claims:
                if claim not in held[claim.key]:
                    held[claim.key].append(claim)
            _write(rocks, held, mark)

    def forget(self, claims: Sequence[Claim]) -> None:
        """See ClaimIndex."""
        with self._opened() as rocks:
            held = _held(rocks, claims)
            for claim in claims:
                if claim in held[claim.key]:
                    held[claim.key].remove(claim)
            _write(rocks, held, None)

    def clear(self) -> None:
        """See ClaimIndex."""
        with self._opened():
            self._let_go()
            self._remove()
            self._rocks = Rdict(str(self._directory), _options())

    def close(self) -> None:
        """See ClaimIndex."""
        with self._lock:
            self._closed = True
            self._let_go()

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with self._lock:
            if self._closed:
                raise ClaimsFailed(f"the index of claims {self._directory} is closed")
            try:
                self._open()
                yield self._rocks
            except Exception as error:
                raise ClaimsFailed(f"the index of claims {self._directory}: {error}") from error

    def _open(self) -> None:
        if self._rocks is not None:
            return
        self._directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._rocks = Rdict(str(self._directory), _options())
        except Exception as error:  # noqa: BLE001 -- RocksDB has no other
            logger.warning("the index of claims %s cannot be opened (%s): it is made again", self._directory, error)
            self._remove()
            self._rocks = Rdict(str(self._directory), _options())

    def _remove(self) -> None:
        Rdict.destroy(str(self._directory), _options())  # refuses while another has it open

    def _let_go(self) -> None:
        rocks, self._rocks = self._rocks, None
        if rocks is not None:
            with suppress(Exception):
                rocks.close()


def _find(rocks: Any, keys: Sequence[bytes]) -> list[Sequence[Claim]]:
    values = rocks.get(list(keys))
    return [() if value is None else _claims(key, value) for key, value in zip(keys, values, strict=True)]


def _held(rocks: Any, claims: Sequence[Claim]) -> Mapping[bytes, list[Claim]]:
    keys = list({claim.key for claim in claims})
    return {key: list(there) for key, there in zip(keys, _find(rocks, keys), strict=True)}


def _write(rocks: Any, held: Mapping[bytes, Sequence[Claim]], mark: Mark | None) -> None:
    batch = WriteBatch(raw_mode=True)
    for key, claims in held.items():
        if claims:
            batch.put(key, b"".join([_packed(claim) for claim in claims]))
        else:
            batch.delete(key)
    if mark is not None:
        batch.put(_MARK, msgspec.msgpack.encode(mark))
    rocks.write(batch)


def _packed(claim: Claim) -> bytes:
    return _VALUE.pack(claim.log_id.encode(), claim.arrival_us, claim.offset, claim.index)


def _claims(key: bytes, value: bytes) -> list[Claim]:
    return [
        Claim(key, arrival_us, log_id.rstrip(b"\0").decode(), offset, index)
        for log_id, arrival_us, offset, index in _VALUE.iter_unpack(value)
    ]


def _options() -> Options:
    """Keys are hashes and mostly new: filters answer for them. What is kept in memory is in one bounded cache."""
    table = BlockBasedOptions()
    table.set_bloom_filter(_BLOOM_BITS_PER_KEY, block_based=False)
    table.set_index_type(BlockBasedIndexType.two_level_index_search())
    table.set_partition_filters(True)
    table.set_cache_index_and_filter_blocks(v=True)
    table.set_block_cache(Cache(CACHE_BYTES))
    options = Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_open_files(OPEN_FILES_MAX)
    options.set_keep_log_file_num(_LOGS_KEPT)
    return options
