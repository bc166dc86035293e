"""SQLite in a process of its own, for SQL that is not Forebay's: see `sqlite_child.py`."""

import marshal
import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from app.destinations import sqlite_child
from app.destinations.sqlite_child import SIZE_WIDTH
from app.errors import ForebayError, Retryable

EXPRESSION_DEPTH_MAX = 200
EXPRESSIONS = {sqlite3.SQLITE_LIMIT_EXPR_DEPTH: EXPRESSION_DEPTH_MAX}

_PROGRAM = str(Path(sqlite_child.__file__))
_AGAIN_S = 1.0
_KEPT = ("TMPDIR", "SQLITE_TMPDIR", "LD_LIBRARY_PATH")  # of the environment, which has secrets, too


class SqlFailed(ForebayError):
    """SQLite does not run it, says why; or SQLITE_INTERRUPT: the process has come to its end."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class SqliteProcess:
    """Lives until it is closed, is killed or has taken more time or memory than it may. Its calls block.

    Raises Retryable if the system has no room for a process.
    """

    def __init__(self, time_max_s: float) -> None:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        command = [sys.executable, "-I", "-S", _PROGRAM, str(max(time_max_s, 0.001))]
        try:
            self._process = subprocess.Popen(  # noqa: S603 -- our own program
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            )
        except OSError as error:
            raise Retryable(f"SQLite: no process can be started ({error.strerror})", after_s=_AGAIN_S) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def connect(self, name: str, address: str, *, busy_s: float = 0.0, limits: Mapping[int, int]) -> None:
        """Open a database (a file: URI, or `:memory:`), which has this name in calls. Raises SqlFailed."""
        self._ask("connect", name, address, busy_s, dict(limits))

    def execute(self, name: str, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement. Raises SqlFailed."""
        rows: list[tuple[Any, ...]] = self._ask("execute", name, statement, list(parameters))
        return rows

    def query(self, name: str, statement: str, tables: Sequence[str]) -> list[str]:
        """Begin a query that may read these tables; the names of its columns. Raises SqlFailed."""
        names: list[str] = self._ask("query", name, statement, list(tables))
        return names

    def take(self, rows_max: int) -> list[tuple[Any, ...]]:
        """The query's next rows; none at the end. Raises SqlFailed."""
        rows: list[tuple[Any, ...]] = self._ask("take", rows_max)
        return rows

    def kill(self) -> None:
        """End it, whatever it does; from any thread."""
        self._process.kill()

    def close(self) -> None:
        """End it, and wait for that."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _ask(self, *request: Any) -> Any:
        try:
            code, answer = self._answer(marshal.dumps(request))
        except (OSError, EOFError) as error:
            reason = "it takes more time or memory than it may have"
            raise SqlFailed(sqlite3.SQLITE_INTERRUPT, reason) from error
        if code != sqlite3.SQLITE_OK:
            raise SqlFailed(code, answer)
        return answer

    def _answer(self, message: bytes) -> tuple[int, Any]:
        """Raises OSError or EOFError if the process is no more."""
        asks, answers = self._process.stdin, self._process.stdout
        if asks is None or answers is None:
            raise EOFError
        asks.write(len(message).to_bytes(SIZE_WIDTH, "big") + message)
        asks.flush()
        size = answers.read(SIZE_WIDTH)
        answer = answers.read(int.from_bytes(size, "big"))
        if len(size) < SIZE_WIDTH or len(answer) < int.from_bytes(size, "big"):
            raise EOFError
        code, content = marshal.loads(answer)  # noqa: S302 -- from a process of ours
        return code, content
