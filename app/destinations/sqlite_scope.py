"""What a load may do in SQLite, as SQLite asks it: once for each statement, so no row pays for it."""

import sqlite3

from app.model.export_token import ExportToken

WATERMARKS = "_forebay_watermarks"
REFUSED = "_forebay_refused"
DOCUMENTS, WAITING = "_forebay_documents", "_forebay_waiting"
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


class Scope:
    """An authorizer: reads anything, writes the tables of the token's bucket and the watermarks, nothing else.

    With `documents` it adds columns to the bucket's tables, too, and keeps its books on them.
    `denied` is what was refused first, if anything was: SQLite's error does not tell it.
    """

    def __init__(self, token: ExportToken, *, documents: bool = False) -> None:
        self._prefix = f"{token.bucket}."
        self._documents = documents
        self._books = {WATERMARKS, DOCUMENTS, WAITING} if documents else {WATERMARKS, REFUSED}
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
            return self._documents and first == "main" and self._is_in_bucket(second)
        if database != "main":
            return False
        if action in _ROWS:
            return first in self._books or self._is_in_bucket(first) or (first == _SCHEMA and action in _ADDITIONS)
        if action == sqlite3.SQLITE_CREATE_INDEX:  # that of a primary key
            return self._is_in_bucket(second)
        return action == sqlite3.SQLITE_CREATE_TABLE and self._is_in_bucket(first)

    def _is_in_bucket(self, table: str) -> bool:
        return table.startswith(self._prefix)
