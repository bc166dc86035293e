"""JSON documents that a command reads, from a file or standard input."""

import json
from collections.abc import Callable
from typing import IO, TypeVar

import click

from app.cli.api import Api, Json
from app.cli.members import unknown_members

Command = TypeVar("Command", bound=Callable[..., None])

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024


def file_option(what: str) -> Callable[[Command], Command]:
    """`--file`."""
    said = f"{what}, as JSON; - is standard input."
    return click.option("--file", "document", type=click.File("rb"), metavar="FILE", help=said)


def read_document(file: IO[bytes] | None, api: Api, operation_id: str) -> Json:
    """What the file says, {} without one. Members that the operation would pass over are refused: they are misspelt."""
    if file is None:
        return {}
    name = getattr(file, "name", "standard input")
    document = _document(file, name)
    unknown = unknown_members(api, operation_id, document)
    if unknown:
        raise click.UsageError(f"{name}: {operation_id} has no such members: {', '.join(unknown)}")
    return document


def _document(file: IO[bytes], name: str) -> Json:
    content = file.read(DOCUMENT_BYTES_MAX + 1)
    if len(content) > DOCUMENT_BYTES_MAX:
        raise click.UsageError(f"{name} is larger than {DOCUMENT_BYTES_MAX} bytes")
    try:
        document = json.loads(content)
    except ValueError as error:
        raise click.UsageError(f"{name} is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise click.UsageError(f"{name} must hold a JSON object")
    return document


def given(**members: object) -> Json:
    """Those that are not None."""
    return {name: value for name, value in members.items() if value is not None}
