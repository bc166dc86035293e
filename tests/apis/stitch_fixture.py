"""The import sources that the conformance cases of Stitch's Import API name, made over the house API.

`python -m tests.apis.stitch_fixture [--append-only]`, with the variables of the command line (docs/cli.md), makes a
server ready for `play.py --suite stitch --have stitch_fixture`.
"""

import click

from app.cli.connection import Session, as_admin

SOURCES = "/house/stitch-sources"
FIRST = f"{SOURCES}/import_api"
SECOND_TOKEN, PAUSED_TOKEN, EUROPEAN_TOKEN = "at_valid2", "at_paused", "at_eu"
PAUSED = {"name": "Paused", "clientId": 7723, "token": PAUSED_TOKEN}
EUROPEAN = {"name": "European", "clientId": 8800, "token": EUROPEAN_TOKEN, "region": "eu"}


def make(session: Session, *, append_only: bool) -> None:
    """Make them; only once for a server."""
    session.api.post(f"{FIRST}/tokens", {"token": SECOND_TOKEN})
    session.api.post(SOURCES, PAUSED)
    session.api.post(f"{SOURCES}/paused/pause")
    session.api.post(SOURCES, EUROPEAN)
    if append_only:
        session.api.patch(FIRST, {"appendOnly": True})


@click.command()
@click.option("--append-only", is_flag=True, help="The first source replaces nothing.")
@as_admin
def stitch_fixture(session: Session, *, append_only: bool) -> None:
    """Make what the conformance cases of Stitch's Import API name."""
    make(session, append_only=append_only)


if __name__ == "__main__":
    stitch_fixture()
