"""`forebay files`."""

import click

from app.cli.api import Json, path_of
from app.cli.connection import Session, as_client

COLUMNS = (
    "id",
    "state",
    "rows",
    "bytes",
    "events",
    "attempts",
    "closed by",
    "opened at",
    "retry at",
    "refused",
    "error",
)
MEMBERS = (
    "id",
    "state",
    "rows",
    "bytes",
    "events",
    "attempts",
    "closedBy",
    "openedAt",
    "retryAt",
    "refusedRows",
    "error",
)


@click.group()
def files() -> None:
    """What is loaded together."""


@files.command("list")
@click.argument("receiver")
@click.argument("export")
@click.option("--offset", default=0, help="So many are passed over.")
@click.option("--limit", default=100, show_default=True, help="At most so many are listed.")
@as_client
def list_files(session: Session, receiver: str, export: str, offset: int, limit: int) -> None:
    """List the files of an export, in the order in which they load."""
    path = path_of("v1", "receivers", receiver, "exports", export, "files")
    files_table(session, session.api.get(path, offset=offset, limit=limit))


@files.command("retry")
@click.argument("receiver")
@click.argument("export")
@click.argument("file", required=False)
@as_client
def retry_files(session: Session, receiver: str, export: str, file: str | None) -> None:
    """Try failed files again, now: one FILE, or all of the export."""
    one = [] if file is None else [file]
    files_table(
        session, session.api.post(path_of("v1", "receivers", receiver, "exports", export, "files", *one, "retry"))
    )


@files.command("split")
@click.argument("receiver")
@click.argument("export")
@click.argument("file")
@as_client
def split_file(session: Session, receiver: str, export: str, file: str) -> None:
    """Load a failed FILE without the rows that the destination refuses: they become dead letters."""
    path = path_of("v1", "receivers", receiver, "exports", export, "files", file, "split")
    files_table(session, session.api.post(path))


def files_table(session: Session, answer: Json) -> None:
    """The files of an answer."""
    rows = [tuple(file.get(name, "") for name in MEMBERS) for file in answer["files"]]
    session.out.table(COLUMNS, rows, answer)
