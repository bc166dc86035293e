"""Every destination there is, by the scheme of its URL."""

import re
from collections.abc import Callable

from app.destinations.base import Destination
from app.destinations.postgresql import open_postgresql
from app.destinations.sqlite import open_sqlite
from app.errors import SettingInvalid

DESTINATIONS: dict[str, Callable[[str], Destination]] = {
    "sqlite": open_sqlite,
    "postgresql": open_postgresql,
    "postgres": open_postgresql,
}


def open_destination(url: str) -> Destination:
    """Open what the URL names. Raises SettingInvalid, never showing the URL: it may hold a password."""
    scheme = re.match(r"([a-z][a-z0-9+.-]*)://", url)
    if scheme is None or scheme[1] not in DESTINATIONS:
        kinds = ", ".join(f"{kind}://" for kind in DESTINATIONS)
        raise SettingInvalid(f"FOREBAY_DESTINATION: must be a URL that begins with one of {kinds}")
    return DESTINATIONS[scheme[1]](url)
