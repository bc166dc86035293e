"""Every destination there is, by the scheme of its URL."""

import re
from collections.abc import Callable

from app.destinations.base import Destination
from app.destinations.postgresql import open_postgresql
from app.destinations.postgresql_reading import PostgresqlReader
from app.destinations.reading import Reader
from app.destinations.sqlite import open_sqlite, path_of
from app.destinations.sqlite_reading import SqliteReader
from app.errors import SettingInvalid

DESTINATIONS: dict[str, Callable[[str], Destination]] = {
    "sqlite": open_sqlite,
    "postgresql": open_postgresql,
    "postgres": open_postgresql,
}
READERS: dict[str, Callable[[str], Reader]] = {
    "sqlite": lambda url: SqliteReader(path_of(url)),
    "postgresql": PostgresqlReader,
    "postgres": PostgresqlReader,
}


def open_destination(url: str) -> Destination:
    """Open what the URL names. Raises SettingInvalid, never showing the URL: it may hold a password."""
    return DESTINATIONS[_scheme(url)](url)


def open_reader(url: str) -> Reader:
    """What runs queries in the destination that the URL names. Raises SettingInvalid."""
    return READERS[_scheme(url)](url)


def _scheme(url: str) -> str:
    scheme = re.match(r"([a-z][a-z0-9+.-]*)://", url)
    if scheme is None or scheme[1] not in DESTINATIONS:
        kinds = ", ".join(f"{kind}://" for kind in DESTINATIONS)
        raise SettingInvalid(f"FOREBAY_DESTINATION: must be a URL that begins with one of {kinds}")
    return scheme[1]
