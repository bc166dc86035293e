"""The process that runs other people's SQL in SQLite; `sqlite_process.py` starts it, and talks to it.

A few lines of SQL can take all memory there is within one call that nothing ends: here they take what this process may
have, and if it dies, nothing else does. It knows the standard library only, so that it starts within some 20 ms.
"""

import marshal
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

HEAP_BYTES_MAX = 256 * 1024 * 1024
MEMORY_BYTES_MAX = 1024 * 1024 * 1024
FILE_BYTES_MAX = 1024 * 1024 * 1024
PIECE_BYTES_AIM = 4 * 1024 * 1024
SIZE_WIDTH = 8  # of the number of bytes before a message

_CELL_BYTES = 8
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
_SQLITES_OWN = ("sqlite_", "pragma_")
_NAMES_TAKEN = "SELECT name FROM main.sqlite_master UNION SELECT name FROM pragma_module_list"
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"})


class Sight:
    """An authorizer: a query may read these tables, whatever leads to them, and nothing else.

    Of a table of which no column is used SQLite asks by the name that the query has, and so of a common table, too: it
    is one if nothing else has its name.
    """

    def __init__(self, tables: frozenset[str], taken: frozenset[str]) -> None:
        self._tables = tables
        self._taken = taken
        self.denied: str | None = None

    def __call__(
        self, action: int, first: str | None, second: str | None, _database: str | None, _source: str | None
    ) -> int:
        """SQLITE_OK or SQLITE_DENY."""
        if action in _READS or self._is_allowed(action, first or "", second or ""):
            return sqlite3.SQLITE_OK
        if self.denied is None:
            self.denied = second if action == sqlite3.SQLITE_FUNCTION else first
        return sqlite3.SQLITE_DENY

    def _is_allowed(self, action: int, first: str, second: str) -> bool:
        if action == sqlite3.SQLITE_READ:
            name = first.lower()
            return name in self._tables or (not second and self._is_common(name))
        return action == sqlite3.SQLITE_FUNCTION and second.lower() not in _FORBIDDEN_FUNCTIONS

    def _is_common(self, name: str) -> bool:
        return name not in self._taken and not name.startswith(_SQLITES_OWN)


class Child:
    """Does what it is asked, by name. Raises what SQLite raises."""

    def __init__(self) -> None:
        self._connections: dict[str, sqlite3.Connection] = {}
        self._cursor: sqlite3.Cursor | None = None
        self.asked: Mapping[str, Callable[..., Any]] = {
            "connect": self.connect,
            "execute": self.execute,
            "query": self.query,
            "take": self.take,
        }

    def connect(self, name: str, address: str, busy_s: float, limits: Mapping[int, int]) -> None:
        """Open a database, whose connection has this name here."""
        connection = sqlite3.connect(address, uri=True, timeout=busy_s, isolation_level=None)
        for limit, value in limits.items():
            connection.setlimit(limit, value)
        self._connections[name] = connection

    def execute(self, name: str, statement: str, parameters: Sequence[Any]) -> list[Any]:
        """All rows of a statement of Forebay's own, or of a view's."""
        return self._connections[name].execute(statement, parameters).fetchall()

    def query(self, name: str, statement: str, tables: Sequence[str]) -> list[str]:
        """Begin the query, which may read these tables; the names of its columns."""
        connection = self._connections[name]
        taken = frozenset(str(taken).lower() for (taken,) in connection.execute(_NAMES_TAKEN))
        sight = Sight(frozenset(tables), taken)
        connection.set_authorizer(sight)
        try:
            self._cursor = connection.execute(statement)
        except sqlite3.DatabaseError as error:
            if sight.denied is None:  # SQLite's own words do not say what was denied
                raise
            raise ValueError(f'a query may not use "{sight.denied}"') from error
        return [column[0] for column in self._cursor.description or ()]

    def take(self, rows_max: int) -> list[Any]:
        """The query's next rows, fewer if they are large; none at the end."""
        rows: list[Any] = []
        size_bytes = 0
        while self._cursor is not None and len(rows) < rows_max and size_bytes < PIECE_BYTES_AIM:
            row = self._cursor.fetchone()
            if row is None:
                break
            rows.append(row)
            size_bytes += sum(len(cell) if isinstance(cell, str | bytes) else _CELL_BYTES for cell in row)
        return rows


def main() -> None:
    """Answer until nobody asks any more."""
    for kind, most in ((resource.RLIMIT_AS, MEMORY_BYTES_MAX), (resource.RLIMIT_FSIZE, FILE_BYTES_MAX)):
        with suppress(ValueError, OSError):  # it may be less already; not every system has each
            resource.setrlimit(kind, (most, most))
    signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
    sqlite3.connect(":memory:").execute(f"PRAGMA hard_heap_limit={HEAP_BYTES_MAX}")  # of the whole process
    child = Child()
    while size := sys.stdin.buffer.read(SIZE_WIDTH):
        what, *arguments = marshal.loads(sys.stdin.buffer.read(int.from_bytes(size, "big")))  # noqa: S302 -- Forebay's
        answer = marshal.dumps(_answer(child.asked[what], arguments))
        sys.stdout.buffer.write(len(answer).to_bytes(SIZE_WIDTH, "big") + answer)
        sys.stdout.buffer.flush()


def _answer(function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[int, Any]:
    """What the function gives, behind SQLITE_OK; or an error's code and words."""
    try:
        return sqlite3.SQLITE_OK, function(*arguments)
    except MemoryError:
        return sqlite3.SQLITE_NOMEM, "it takes more memory than it may have"
    except sqlite3.Error as error:
        return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR), str(error)
    except (sqlite3.Warning, ValueError) as error:
        return sqlite3.SQLITE_ERROR, str(error)


if __name__ == "__main__":
    main()
