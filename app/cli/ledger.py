"""`forebay ledger`."""

import contextlib
import time

import click
from rich.live import Live

from app.cli.api import Json, path_of
from app.cli.connection import Session, as_client
from app.cli.output import flush_lines, rich_table

EVERY_S = 1.0
OF_RECEIVER = ("accepted", "deduplicated", "unrouted", "routed")
OF_KAFKA = ("refused", "lost")
OF_EXPORT = ("routed", "buffered", "loaded", "deadLettered", "expired")
COLUMNS = ("receiver", "export", *OF_RECEIVER, "buffered", "loaded", "dead-lettered", "expired", *OF_KAFKA)
Row = tuple[str | int, ...]


@click.command()
@click.argument("receiver", required=False)
@click.option("--watch", is_flag=True, help="Look again every second, until Ctrl-C.")
@as_client
def ledger(session: Session, receiver: str | None, *, watch: bool) -> None:
    """Count what became of all events.

    Of one RECEIVER, or of all. A receiver: accepted = deduplicated + unrouted + routed. An export: routed = buffered +
    loaded + dead-lettered; those of its dead-lettered whose file was refused until its time was over have expired.
    Refused and lost are records of Kafka that became no event of the receiver: no part of its accepted.
    """
    if watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(session, receiver)
    else:
        content = _ledgers(session, receiver)
        session.out.table(COLUMNS, ledger_rows(content), content)


def _watch(session: Session, receiver: str | None) -> None:
    """A table that moves; in a pipe, what has changed."""
    before: object = None
    live = Live(console=session.out.console, auto_refresh=False)
    with live if session.out.for_people else contextlib.nullcontext():
        while True:
            content = _ledgers(session, receiver)
            if session.out.for_people:
                live.update(rich_table(COLUMNS, ledger_rows(content)), refresh=True)
            elif content != before:
                session.out.table(COLUMNS, ledger_rows(content), content)
                flush_lines()
            before = content
            time.sleep(EVERY_S)


def _ledgers(session: Session, receiver: str | None) -> Json:
    """By receiver."""
    ids = [receiver] if receiver else [one["id"] for one in session.api.get("/v1/receivers")["receivers"]]
    return {one: session.api.get(path_of("v1", "receivers", one, "ledger")) for one in ids}


def ledger_rows(ledgers: Json) -> list[Row]:
    """A receiver's row, and one for each of its exports."""
    rows: list[Row] = []
    for receiver, counts in ledgers.items():
        came = (counts[name] for name in OF_RECEIVER)
        rows.append((receiver, "", *came, "", "", "", "", *(counts[name] for name in OF_KAFKA)))
        for one in counts["exports"]:
            parts = (one[name] for name in OF_EXPORT)
            rows.append((receiver, one["exportId"], "", "", "", *parts, "", ""))
    return rows
