"""What a load may do in SQLite, as SQLite asks it: once for each statement, so no row pays for it."""

import sqlite3

from app.destinations.sqlite_relations import INDEX_PREFIX
from app.model.export_token import ExportToken
from app.model.mapping import Mapping, MappingKind

WATERMARKS = "_forebay_watermarks"
REFUSED = "_forebay_refused"
DOCUMENTS, WAITING = "_forebay_documents", "_forebay_waiting"
TRANSACTIONS, HELD = "_forebay_transactions", "_forebay_held"
_SCHEMA = "sqlite_master"  # CREATE TABLE writes there; SQLite itself lets no statement name it

_READS = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_SAVEPOINT,
}
_ROWS = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
_ADDITIONS = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE}
_PRAGMAS = {"table_xinfo"}


_BOOKS = {
    MappingKind.ROWS: {WATERMARKS, REFUSED},
    MappingKind.DOCUMENTS: {WATERMARKS, DOCUMENTS, WAITING},
    MappingKind.CHANGESETS: {WATERMARKS, TRANSACTIONS, HELD},
}


class Scope:
    """An authorizer of a load: reads anything, writes its mapping's tables and its books, nothing else.

    Its tables are those of the token's bucket; of a pipeline those that it names, for a pipeline may be called `in`.
    Documents add columns to them, changesets an index. `denied` is what was refused first, if anything was: SQLite's
    error does not tell it.
    """

    def __init__(self, token: ExportToken, mapping: Mapping) -> None:
        self._prefix = f"{token.bucket}."
        self._kind = mapping.kind
        self._tables = {self._prefix + relation.name for relation in mapping.relations}
        self._books = _BOOKS[mapping.kind]
        self.denied: str | None = None

    def __call__(
        self, action: int, first: str | None, second: str | None, database: str | None, _trigger: str | None
    ) -> int:
        """SQLITE_OK or SQLITE_DENY."""
        if action in _READS or self._writes_what_it_may(action, first or "", second or "", database):
            return sqlite3.SQLITE_OK
        if self.denied is None:
            self.denied = first or ""
        return sqlite3.SQLITE_DENY

    def _writes_what_it_may(self, action: int, first: str, second: str, database: str | None) -> bool:
        if action == sqlite3.SQLITE_PRAGMA:
            return first in _PRAGMAS
        if action == sqlite3.SQLITE_ALTER_TABLE:
            return self._kind is MappingKind.DOCUMENTS and first == "main" and self._is_mine(second)
        if action in _ROWS:
            known = first in self._books or self._is_mine(first) or (first == _SCHEMA and action in _ADDITIONS)
            return database == "main" and known
        return database == "main" and self._makes_what_it_may(action, first, second)

    def _makes_what_it_may(self, action: int, first: str, second: str) -> bool:
        match action:
            case sqlite3.SQLITE_CREATE_TABLE:
                return self._is_mine(first)
            case sqlite3.SQLITE_CREATE_INDEX:  # that of a primary key, or of a multiset
                return self._is_mine(second)
            case _:  # to make an index is to fill it
                return action == sqlite3.SQLITE_REINDEX and self._is_mine(first.removeprefix(INDEX_PREFIX))

    def _is_mine(self, table: str) -> bool:
        return table in self._tables if self._kind is MappingKind.CHANGESETS else table.startswith(self._prefix)
