"""`forebay send`."""

from collections.abc import Iterator
from secrets import token_hex
from typing import IO

import click

from app.cli.api import path_of
from app.cli.connection import Session, as_client
from app.cli.errors import Refused

EVENT_BYTES_MAX = 64 * 1024 * 1024
LINES_PER_REQUEST_MAX = 1000
BYTES_PER_REQUEST_MAX = 512 * 1024
OF_LINES = (".ndjson", ".jsonl")


@click.command()
@click.argument("receiver")
@click.argument("content", metavar="[FILE]", type=click.File("rb"), default="-")
@click.option("--ndjson/--one", default=None, help="Each line is an event, or all is one.  [default: by FILE's name]")
@click.option("--type", "content_type", default="application/json", show_default=True, help="The Content-Type.")
@as_client
def send(session: Session, receiver: str, content: IO[bytes], *, ndjson: bool | None, content_type: str) -> None:
    """Push a file to a receiver.

    A FILE named *.ndjson or *.jsonl has an event in each line; any other, and standard input, is one event. --ndjson
    and --one say otherwise. Each request has an Idempotency-Key. What is refused ends the command, with how many were
    accepted before.
    """
    if ndjson is None:
        ndjson = str(getattr(content, "name", "")).lower().endswith(OF_LINES)
    path = session.api.here(session.api.get(path_of("v1", "receivers", receiver))["url"])
    headers = {"Content-Type": content_type}
    name = token_hex(16)
    if not ndjson:
        body = content.read(EVENT_BYTES_MAX + 1)
        if len(body) > EVENT_BYTES_MAX:
            raise click.UsageError(f"an event has at most {EVENT_BYTES_MAX} bytes")
        session.api.send_event(path, body, headers | {"Idempotency-Key": name})
        session.out.members({"accepted": 1, "sent as": "one event"}, {"accepted": 1})
        return
    accepted = 0
    with session.out.progress("sending", None) as bar:
        for number, lines in enumerate(_requests(content)):
            try:
                key = {"Idempotency-Key": f"{name}/{number}"}
                session.api.send_event(path, b"".join(lines), headers | key, batch="ndjson")
            except Refused as refused:
                refused.message += f" (accepted before it: {accepted} events)"
                raise
            accepted += len(lines)
            bar.at(accepted)
    session.out.members({"accepted": accepted, "sent as": "an event for each line"}, {"accepted": accepted})


def _requests(content: IO[bytes]) -> Iterator[list[bytes]]:
    """Lines that are not blank, so many as one request should have."""
    lines: list[bytes] = []
    size = 0
    while line := content.readline(EVENT_BYTES_MAX):
        if not line.strip():
            continue
        if lines and (len(lines) >= LINES_PER_REQUEST_MAX or size + len(line) > BYTES_PER_REQUEST_MAX):
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield lines
