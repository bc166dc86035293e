"""`forebay tail`."""

import contextlib
import json
from collections.abc import Iterator

import click

from app.cli.api import Json, path_of
from app.cli.connection import Session, as_client
from app.cli.errors import NoServer, Refused
from app.cli.output import flush_lines

SHUTDOWN = "shutdown"


@click.command()
@click.argument("receiver")
@click.option("--events", "events_max", type=click.IntRange(1), help="End when the fates of so many are known.")
@as_client
def tail(session: Session, receiver: str, events_max: int | None) -> None:
    """Show what comes to a receiver, live.

    Until Ctrl-C. Each event is shown when it is accepted (→), and again when its fate is known: mapped by its exports
    (✓), a dead letter of one of them (✗), wanted by none, or a repeat (·).
    """
    path = path_of("v1", "receivers", receiver, "tail")
    with contextlib.suppress(KeyboardInterrupt), session.api.lines(path) as lines:
        fates = 0
        for line in tail_lines(lines):
            _show(session, line)
            fates += line["type"] == "fate"
            if events_max is not None and fates >= events_max:
                return


def tail_lines(lines: Iterator[str]) -> Iterator[Json]:
    """What a tail tells. Its end is never what was asked for: it raises Refused or NoServer."""
    for text in lines:
        line = json.loads(text)
        if line["type"] == "end":
            raise (NoServer if line["reason"] == SHUTDOWN else Refused)(line["message"])
        yield line
    raise NoServer("the connection to the server was cut")


def _show(session: Session, line: Json) -> None:
    if session.out.as_json:
        session.out.json(line)
    elif line["type"] == "listening":
        session.out.advise(f"listening to {line['receiverId']}; Ctrl-C ends it")
    elif line["type"] == "event":
        only = f" (again, for {line['exportId']})" if "exportId" in line else ""
        size = f"{line['bytes']} B"
        said = [
            line["receivedAt"],
            "→",
            line["id"],
            f"{line['ip']}{only}",
            size,
            line["contentType"],
            line["preview"].rstrip(),
        ]
        session.out.say(" ".join(said))
    elif line["type"] == "fate":
        _show_fate(session, line)
    elif line["type"] == "skipped":
        session.out.advise(line["message"])
    flush_lines()


def _show_fate(session: Session, line: Json) -> None:
    exports = line.get("exports", [])
    letters = [one for one in exports if one["fate"] == "deadLetter"]
    dead = [f"{one['exportId']}: {one['reason']} (dead letter {one['deadLetterId']})" for one in letters]
    mapped = ", ".join(one["exportId"] for one in exports if one["fate"] == "mapped")
    sign, style = ("✗", "red") if dead else ("✓", "green") if exports else ("·", "yellow")
    said = "; ".join([*([f"mapped by {mapped}"] if mapped else []), *dead]) or line["fate"]
    session.out.say(f"{'':24} {sign} {line['id']} {said}", style)
