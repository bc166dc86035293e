"""`forebay stitch-sources`: over the house API, with the admin token."""

from typing import IO

import click

from app.cli.api import Json, path_of
from app.cli.connection import Session, as_admin, sure, yes_option
from app.cli.dead_letters import letters_table, one_or_all, show_letter
from app.cli.documents import given
from app.cli.files import files_table
from app.cli.ledger import COLUMNS, ledger_rows

SOURCES = "/house/stitch-sources"
COLUMNS_LISTED = ("schema", "name", "client", "region", "state", "append only", "tokens")
SHOWN_ONCE = "It is shown only now:"

_source = click.argument("source")
_token_file = click.option(
    "--token-file",
    type=click.File("r"),
    metavar="FILE",
    help="A token of your own, on one line, - is standard input; made up when absent.",
)
_offset = click.option("--offset", default=0, help="So many are passed over.")
_limit = click.option("--limit", default=100, show_default=True, help="At most so many are listed.")
_all = click.option("--all", "every", is_flag=True, help="All that are there now.")


@click.group("stitch-sources")
def stitch_sources() -> None:
    """Import sources: who may send documents under Stitch's Import API. They want the admin token."""


@stitch_sources.command("list")
@as_admin
def list_sources(session: Session) -> None:
    """List all import sources, without what opens them."""
    answer = session.api.get(SOURCES)
    session.out.table(COLUMNS_LISTED, [tuple(_members(one).values())[:-2] for one in answer["sources"]], answer)


@stitch_sources.command("show")
@_source
@as_admin
def show_source(session: Session, source: str) -> None:
    """Show an import source, by its schema; a deleted one by its uid."""
    _show(session, session.api.get(_path(source)))


@stitch_sources.command("create")
@click.argument("name")
@click.option("--client-id", type=click.IntRange(1000, 999_999), required=True, help="Four to six digits.")
@click.option("--region", type=click.Choice(["us", "eu"]), help="Where it takes them; the server's own when absent.")
@click.option("--append-only", is_flag=True, help="No document replaces another.")
@_token_file
@as_admin
def create_source(
    session: Session, name: str, client_id: int, region: str | None, token_file: IO[str] | None, *, append_only: bool
) -> None:
    """Make an import source, whose schema is made of NAME. Its token is printed now and never again.

    Everything but the token goes to standard error.
    """
    said = given(region=region, token=_token_in(token_file))
    answer = session.api.post(SOURCES, {"name": name, "clientId": client_id, "appendOnly": append_only, **said})
    _tell(session, answer, f"A token of {answer['schema']}, of client {answer['clientId']}. {SHOWN_ONCE}")


@stitch_sources.command("update")
@_source
@click.option("--name", help="Its new name; the schema stays.")
@click.option("--append-only/--upsert", default=None, help="Whether documents replace those with the same key.")
@as_admin
def update_source(session: Session, source: str, name: str | None, *, append_only: bool | None) -> None:
    """Change an import source. What was accepted before is loaded as it was."""
    content = given(name=name, appendOnly=append_only)
    if not content:
        raise click.UsageError("say what shall be otherwise")
    _show(session, session.api.patch(_path(source), content))


@stitch_sources.command("pause")
@_source
@as_admin
def pause_source(session: Session, source: str) -> None:
    """Let an import source take nothing. What it has accepted is loaded."""
    _show(session, session.api.post(_path(source, "pause")))


@stitch_sources.command("resume")
@_source
@as_admin
def resume_source(session: Session, source: str) -> None:
    """Let a paused import source take documents again."""
    _show(session, session.api.post(_path(source, "resume")))


@stitch_sources.command("delete")
@_source
@yes_option
@as_admin
def delete_source(session: Session, source: str, *, yes: bool) -> None:
    """Delete an import source, for ever. What it has accepted is loaded, tables stay."""
    sure(f"Delete the import source {source}?", yes=yes)
    uid = session.api.get(_path(source))["uid"]
    session.api.delete(_path(uid))
    session.out.say(f"{source} is deleted. What became of its messages is told under its uid, {uid}")


@stitch_sources.command("add-token")
@_source
@_token_file
@as_admin
def add_token(session: Session, source: str, token_file: IO[str] | None) -> None:
    """Make a second token, so that it can take over from the first. It is printed now and never again."""
    answer = session.api.post(_path(source, "tokens"), given(token=_token_in(token_file)))
    _tell(session, answer, f"Token {answer['id']} of {source}. {SHOWN_ONCE}")


@stitch_sources.command("revoke-token")
@_source
@click.argument("token_id", metavar="ID")
@yes_option
@as_admin
def revoke_token(session: Session, source: str, token_id: str, *, yes: bool) -> None:
    """Revoke a token of an import source, by its id."""
    sure(f"Revoke the token {token_id} of {source}?", yes=yes)
    session.api.delete(_path(source, "tokens", token_id))
    session.out.say(f"token {token_id} is revoked")


@stitch_sources.command("flush")
@_source
@as_admin
def flush_source(session: Session, source: str) -> None:
    """Load at once what was accepted until now. It does not wait: the ledger says when all is loaded."""
    answer = session.api.post(_path(source, "flush"))
    session.out.members({"source": source, "requested at": answer["requestedAt"]}, answer)


@stitch_sources.command("ledger")
@_source
@as_admin
def show_ledger(session: Session, source: str) -> None:
    """Count what became of a source's messages. What stands in _sdc_rejected counts as loaded."""
    answer = session.api.get(_path(source, "ledger"))
    session.out.table(COLUMNS, ledger_rows({source: answer}), answer)


@stitch_sources.command("files")
@_source
@_offset
@_limit
@as_admin
def list_files(session: Session, source: str, offset: int, limit: int) -> None:
    """List the files of an import source, in the order in which they load."""
    files_table(session, session.api.get(_path(source, "files"), offset=offset, limit=limit))


@stitch_sources.command("retry")
@_source
@click.argument("file", required=False)
@as_admin
def retry_files(session: Session, source: str, file: str | None) -> None:
    """Try failed files again, now: one FILE, or all of the source."""
    one = [] if file is None else [file]
    files_table(session, session.api.post(_path(source, "files", *one, "retry")))


@stitch_sources.command("dead-letters")
@_source
@click.argument("letter", required=False)
@_offset
@_limit
@as_admin
def list_dead_letters(session: Session, source: str, letter: str | None, offset: int, limit: int) -> None:
    """List the dead letters of an import source, or show one LETTER whole."""
    if letter is None:
        letters_table(session, session.api.get(_path(source, "dead-letters"), offset=offset, limit=limit))
    else:
        show_letter(session, session.api.get(_path(source, "dead-letters", letter)))


@stitch_sources.command("replay")
@_source
@click.argument("letter", required=False)
@_all
@as_admin
def replay_dead_letters(session: Session, source: str, letter: str | None, *, every: bool) -> None:
    """Let dead letters come again: one LETTER, or --all."""
    one = one_or_all(letter, every=every)
    answer = session.api.post(_path(source, "dead-letters", *([] if one is None else [one]), "replay"))
    session.out.members({"comes again": answer["deadLetters"] if one is None else answer["id"]}, answer)


@stitch_sources.command("discard")
@_source
@click.argument("letter", required=False)
@_all
@yes_option
@as_admin
def discard_dead_letters(session: Session, source: str, letter: str | None, *, every: bool, yes: bool) -> None:
    """Forget dead letters: one LETTER, or --all. Nobody can get them back."""
    one = one_or_all(letter, every=every)
    sure(f"Discard {one or 'all dead letters'} of {source}?", yes=yes)
    answer = session.api.delete(_path(source, "dead-letters", *([] if one is None else [one])))
    if one is None:
        session.out.members({"discarded": answer["deadLetters"]}, answer)
    else:
        session.out.say(f"{one} is discarded")


def _path(source: str, *more: str) -> str:
    return path_of("house", "stitch-sources", source, *more)


def _token_in(file: IO[str] | None) -> str | None:
    """The token is in no argument: those stand in the shell's history."""
    return None if file is None else file.readline().strip()


def _tell(session: Session, answer: Json, said: str) -> None:
    if session.out.as_json:
        session.out.json(answer)
    else:
        session.out.advise(said)
        click.echo(answer["token"])


def _show(session: Session, source: Json) -> None:
    session.out.members(_members(source), source)


def _members(source: Json) -> Json:
    return {
        "schema": source["schema"],
        "name": source["name"],
        "client": source["clientId"],
        "region": source["region"],
        "state": source["state"],
        "append only": "yes" if source["appendOnly"] else "no",
        "tokens": ", ".join(token["id"] for token in source["tokens"]),
        "created at": source["createdAt"],
        "uid": source["uid"],
    }
