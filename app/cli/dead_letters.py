"""`forebay dead-letters`."""

import time
from base64 import b64decode

import click

from app.cli.api import Json, path_of
from app.cli.connection import Session, as_client, sure, yes_option
from app.cli.errors import Refused
from app.cli.tail import tail_lines

PREVIEW_CHARACTERS = 60


@click.group("dead-letters")
def dead_letters() -> None:
    """Events that an export could not map, or whose rows were refused."""


@dead_letters.command("list")
@click.argument("receiver")
@click.argument("export")
@click.option("--offset", default=0, help="So many are passed over.")
@click.option("--limit", default=100, show_default=True, help="At most so many are listed.")
@as_client
def list_dead_letters(session: Session, receiver: str, export: str, offset: int, limit: int) -> None:
    """List the dead letters of an export, by arrival."""
    letters_table(session, session.api.get(_path(receiver, export), offset=offset, limit=limit))


@dead_letters.command("show")
@click.argument("receiver")
@click.argument("export")
@click.argument("letter")
@as_client
def show_dead_letter(session: Session, receiver: str, export: str, letter: str) -> None:
    """Show a dead letter whole, with its headers and its body."""
    show_letter(session, session.api.get(_path(receiver, export, letter)))


@dead_letters.command("replay")
@click.argument("receiver")
@click.argument("export")
@click.argument("letter", required=False)
@click.option("--all", "every", is_flag=True, help="All that are there now.")
@click.option("--timeout", "timeout_s", default=300.0, show_default=True, help="Seconds to wait for all.")
@as_client
def replay_dead_letters(
    session: Session, receiver: str, export: str, letter: str | None, *, every: bool, timeout_s: float
) -> None:
    """Let dead letters come again, after their mapping was mended: one LETTER, or --all.

    With --all, until the fate of each is known: what does not fit now either is a new dead letter.
    """
    if one_or_all(letter, every=every) is not None:
        answer = session.api.post(_path(receiver, export, str(letter), "replay"))
        session.out.members({"comes again": answer["id"]}, answer)
        return
    count, fit = _replay_all(session, receiver, export, timeout_s)
    answer = {"deadLetters": count, "fitNow": fit}
    session.out.members({"came again": count, "fit now": fit}, answer)


@dead_letters.command("discard")
@click.argument("receiver")
@click.argument("export")
@click.argument("letter", required=False)
@click.option("--all", "every", is_flag=True, help="All that are there now.")
@yes_option
@as_client
def discard_dead_letters(
    session: Session, receiver: str, export: str, letter: str | None, *, every: bool, yes: bool
) -> None:
    """Forget dead letters: one LETTER, or --all. Nobody can get them back."""
    one = one_or_all(letter, every=every)
    sure(f"Discard {one or 'all dead letters'} of {export} of {receiver}?", yes=yes)
    answer = session.api.delete(_path(receiver, export, *([] if one is None else [one])))
    if one is None:
        session.out.members({"discarded": answer["deadLetters"]}, answer)
    else:
        session.out.say(f"{one} is discarded")


def _path(receiver: str, export: str, *more: str) -> str:
    return path_of("v1", "receivers", receiver, "exports", export, "dead-letters", *more)


def letters_table(session: Session, answer: Json) -> None:
    """The dead letters of an answer."""
    rows = [
        (letter["id"], letter["event"]["receivedAt"], letter["reason"], _text(letter)[:PREVIEW_CHARACTERS])
        for letter in answer["deadLetters"]
    ]
    session.out.table(("id", "received at", "reason", "body"), rows, answer)


def show_letter(session: Session, answer: Json) -> None:
    """One, whole."""
    event = answer["event"]
    headers = {f"  {name}": value for name, value in event["headers"]}
    members = {"id": answer["id"], "reason": answer["reason"], "received at": event["receivedAt"], "ip": event["ip"]}
    if answer.get("eventLost"):
        members["event"] = "lost: the body is the row that was refused; it cannot be replayed"
    session.out.members(members | {"headers": ""} | headers | {"body": ""}, answer)
    for line in _text(answer).splitlines():
        session.out.say(line)


def one_or_all(letter: str | None, *, every: bool) -> str | None:
    """The letter that is named, None for all. Raises UsageError unless it is one of the two."""
    if (letter is None) != every:
        raise click.UsageError("name one LETTER, or say --all")
    if letter is not None and not letter.strip():
        raise click.UsageError("LETTER is empty")  # of a script whose variable is: it did not mean all
    return letter


def _replay_all(session: Session, receiver: str, export: str, timeout_s: float) -> tuple[int, int]:
    """How many came again, and how many of them the export has mapped."""
    until_s = time.monotonic() + timeout_s
    with (
        session.api.lines(path_of("v1", "receivers", receiver, "tail")) as lines,
        session.out.progress("coming again", total=1) as bar,
    ):
        told = tail_lines(lines)
        next(told)  # from here on the tail tells everything
        count: int = session.api.post(_path(receiver, export, "replay"))["deadLetters"]
        done = fit = 0
        while done < count:
            line = next(told)
            if line["type"] == "skipped" or time.monotonic() > until_s:
                why = f": {line['message']}" if line["type"] == "skipped" else ""
                raise Refused(f"{count} come again; the fate of {done} is known, {fit} fit now{why}")
            made = _made_again(line, export)
            done, fit = done + (made is not None), fit + (made == "mapped")
            bar.at(done, count)
    return count, fit


def _made_again(line: Json, export: str) -> str | None:
    """What the export made of an event that came again; None when the line says nothing of that."""
    if line["type"] != "fate" or not line.get("again"):
        return None
    return next((one["fate"] for one in line.get("exports", ()) if one["exportId"] == export), None)


def _text(letter: Json) -> str:
    event = letter["event"]
    body = event.get("body")
    return b64decode(event["bodyBase64"]).decode("utf-8", "replace") if body is None else str(body)
