"""`forebay exports`."""

import time
from typing import IO

import click

from app.cli.api import Json, path_of
from app.cli.columns import FORM, columns_of
from app.cli.connection import Session, as_client, sure, yes_option
from app.cli.counts import export_counts
from app.cli.documents import file_option, given, read_document
from app.cli.errors import Refused
from app.cli.tail import tail_lines
from app.cli.tasks import finished

CONDITIONS = ("count", "size", "time")
LOOK_EVERY_S = 0.25
BODY_BYTES_MAX = 64 * 1024 * 1024


@click.group()
def exports() -> None:
    """What a receiver's events become: rows of a table."""


@exports.command("list")
@click.argument("receiver")
@as_client
def list_exports(session: Session, receiver: str) -> None:
    """List the exports of a receiver."""
    answer = session.api.get(path_of("v1", "receivers", receiver, "exports"))
    rows = [
        (one["id"], one["name"], one["mapping"]["tableId"], *(one["conditions"][name] for name in CONDITIONS))
        for one in answer["exports"]
    ]
    session.out.table(("id", "name", "table", *CONDITIONS), rows, answer)


@exports.command("show")
@click.argument("receiver")
@click.argument("export")
@as_client
def show_export(session: Session, receiver: str, export: str) -> None:
    """Show an export: its table, its columns, its conditions."""
    _show(session, session.api.get(path_of("v1", "receivers", receiver, "exports", export)))


@exports.command("create")
@click.argument("receiver")
@click.argument("name", required=False)
@click.option("--id", "export_id", help="Its id; made of the name when absent.")
@click.option("--table", metavar="TABLE", help="The table, as in.c-bucket.table.")
@click.option("--column", "columns", multiple=True, metavar="COLUMN", help=f"A column, in their order: {FORM}.")
@click.option("--key", "keys", multiple=True, metavar="NAME", help="A column of the primary key.")
@click.option("--full", is_flag=True, help="Empty the table at each load.")
@click.option("--count", type=int, help="Load at so many rows.")
@click.option("--size", help="Load at so much CSV, as 5MB.")
@click.option("--time", "after", help="Load when the oldest row is so old, as 30s.")
@file_option("The export")
@as_client
def create_export(
    session: Session,
    receiver: str,
    name: str | None,
    export_id: str | None,
    table: str | None,
    columns: tuple[str, ...],
    keys: tuple[str, ...],
    *,
    full: bool,
    count: int | None,
    size: str | None,
    after: str | None,
    document: IO[bytes] | None,
) -> None:
    """Create an export, and wait until it and its table are there.

    \b
    forebay exports create shop Orders --table in.c-shop.orders \\
      --column id=id --column sku=path:sku --column 'total=template:Body("price") * 2'
    """
    content = read_document(document, session.api, "CreateExport") | given(name=name, id=export_id)
    mapping = given(tableId=table, columns=columns_of(columns, keys) or None, incremental=False if full else None)
    _lay_over(content, "mapping", mapping)
    _lay_over(content, "conditions", given(count=count, size=size, time=after))
    task = session.api.post(path_of("v1", "receivers", receiver, "exports"), content)
    outputs = finished(session, task, "creating the export")["outputs"]
    _show(session, session.api.get(path_of("v1", "receivers", receiver, "exports", outputs["exportId"])))


@exports.command("update")
@click.argument("receiver")
@click.argument("export")
@click.option("--name", help="Its new name.")
@click.option("--table", metavar="TABLE", help="The table, as in.c-bucket.table; wants its columns too.")
@click.option("--column", "columns", multiple=True, metavar="COLUMN", help=f"All columns anew: {FORM}.")
@click.option("--key", "keys", multiple=True, metavar="NAME", help="A column of the primary key.")
@click.option("--count", type=int, help="Load at so many rows.")
@click.option("--size", help="Load at so much CSV, as 5MB.")
@click.option("--time", "after", help="Load when the oldest row is so old, as 30s.")
@file_option("What shall be otherwise")
@as_client
def update_export(
    session: Session,
    receiver: str,
    export: str,
    name: str | None,
    table: str | None,
    columns: tuple[str, ...],
    keys: tuple[str, ...],
    count: int | None,
    size: str | None,
    after: str | None,
    document: IO[bytes] | None,
) -> None:
    """Change an export, and wait until it is done. What is not said stays.

    A mapping is given whole: new columns without --table stay in their table, and without --key they have its key.
    """
    path = path_of("v1", "receivers", receiver, "exports", export)
    content = read_document(document, session.api, "UpdateExport") | given(name=name)
    if table or columns or keys:
        before = session.api.get(path)["mapping"]
        mapping = given(tableId=table, columns=_with_key(columns_of(columns, keys), keys, before["columns"]) or None)
        content["mapping"] = before | content.get("mapping", {}) | mapping
    _lay_over(content, "conditions", given(count=count, size=size, time=after))
    if not content:
        raise click.UsageError("say what shall be otherwise")
    finished(session, session.api.patch(path, content), "changing the export")
    _show(session, session.api.get(path))


@exports.command("delete")
@click.argument("receiver")
@click.argument("export")
@yes_option
@as_client
def delete_export(session: Session, receiver: str, export: str, *, yes: bool) -> None:
    """Delete an export. Rows that are not loaded yet are lost, the table stays."""
    sure(f"Delete {export} of {receiver}, and its rows that are not loaded yet?", yes=yes)
    session.api.delete(path_of("v1", "receivers", receiver, "exports", export))
    session.out.say(f"{export} of {receiver} is deleted")


@exports.command("flush")
@click.argument("receiver")
@click.argument("export")
@click.option("--wait", is_flag=True, help="Until the ledger says that it is loaded.")
@click.option("--timeout", "timeout_s", default=300.0, show_default=True, help="Seconds to wait.")
@as_client
def flush_export(session: Session, receiver: str, export: str, *, wait: bool, timeout_s: float) -> None:
    """Load what is buffered, whatever the conditions.

    With --wait, until all that was accepted before is loaded or a dead letter, by the ledger.
    """
    path = path_of("v1", "receivers", receiver, "exports", export, "flush")
    answer = _flush_and_wait(session, receiver, path, timeout_s) if wait else session.api.post(path)
    session.out.members({"export": answer["exportId"], "requested at": answer["requestedAt"]}, answer)


@exports.command("test")
@click.argument("receiver")
@click.argument("sample", type=click.File("rb"), default="-")
@click.option("--export", help="Only this export.")
@click.option(
    "--type", "content_type", default="application/json", show_default=True, help="The sample's Content-Type."
)
@as_client
def test_exports(session: Session, receiver: str, sample: IO[bytes], export: str | None, content_type: str) -> None:
    """Try a receiver's exports on a sample event, storing nothing.

    SAMPLE is a file, or standard input. The exit code is 1 when an export cannot map it.
    """
    answer = session.api.push(
        path_of("v1", "receivers", receiver, "test"),
        sample.read(BODY_BYTES_MAX),
        {"Content-Type": content_type},
        **given(exportId=export),
    )
    rows = [(one["exportId"], cell["name"], cell["value"]) for one in answer["exports"] for cell in one["columns"]]
    session.out.table(("export", "column", "value"), rows, answer)
    failed = [f"{one['exportId']}: {one['error']}" for one in answer["exports"] if one["error"] is not None]
    if failed:
        raise Refused("; ".join(failed))


def _flush_and_wait(session: Session, receiver: str, path: str, timeout_s: float) -> Json:
    """What the ledger counts once the flush has gone through the log is all that was accepted before: wait for that."""
    until_s = time.monotonic() + timeout_s
    with session.out.progress("loading", total=1) as bar:
        with session.api.lines(path_of("v1", "receivers", receiver, "tail")) as lines:
            told = tail_lines(lines)
            next(told)  # from here on the tail tells everything
            answer: Json = session.api.post(path)
            export = answer["exportId"]
            while not _is_through(line := next(told), export):
                _in_time(until_s)
                if line["type"] == "skipped":  # the end of the flush may be among what is not told
                    session.api.post(path)
        counts = export_counts(session, receiver, export)
        wanted = counts["routed"]
        while (done := counts["loaded"] + counts["deadLettered"]) < wanted:
            bar.at(done, wanted)
            _in_time(until_s)
            time.sleep(LOOK_EVERY_S)
            counts = export_counts(session, receiver, export)
    return answer


def _is_through(line: Json, export: str) -> bool:
    """Whether this line says that a flush of the export has gone through the log."""
    return bool(line["type"] == "flush" and line["exportId"] == export)


def _in_time(until_s: float) -> None:
    if time.monotonic() > until_s:
        raise Refused("not all is loaded in this time: see `forebay files list`")


def _with_key(columns: list[Json], keys: tuple[str, ...], before: list[Json]) -> list[Json]:
    """New columns keep the primary key, unless another is said: it is a part of the table."""
    key = {column["name"] for column in before if column["primaryKey"]}
    if keys or not columns or not key:
        return columns
    lost = key - {column["name"] for column in columns}
    if lost:
        raise click.UsageError(
            f"{', '.join(sorted(lost))} of the primary key is not among the new columns: add --key for each column of "
            "the new key; a mapping without a key can be given in --file"
        )
    return [column | {"primaryKey": True} if column["name"] in key else column for column in columns]


def _lay_over(content: Json, member: str, changes: Json) -> None:
    if changes:
        content[member] = content.get(member, {}) | changes


def _show(session: Session, export: Json) -> None:
    conditions, mapping = export["conditions"], export["mapping"]
    session.out.members(
        {
            "id": export["id"],
            "name": export["name"],
            "table": mapping["tableId"] + ("" if mapping["incremental"] else "  (emptied at each load)"),
            "columns": ", ".join(_column(column) for column in mapping["columns"]),
            "loads at": f"{conditions['count']} rows, {conditions['size']}, {conditions['time']}",
        },
        export,
    )


def _column(column: Json) -> str:
    source = column.get("path") or column.get("template", {}).get("content")
    key = " (key)" if column["primaryKey"] else ""
    return f"{column['name']}={column['type']}{f':{source}' if source else ''}{key}"
