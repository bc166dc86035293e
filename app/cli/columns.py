"""Columns of a mapping, in the short form of a command line: `id=id`, `sku=path:item.sku`, `ip=template:Ip()`."""

import click

from app.cli.api import Json

FORM = "NAME=TYPE, NAME=path:PATH or NAME=template:JSONNET"


def columns_of(texts: tuple[str, ...], keys: tuple[str, ...]) -> list[Json]:
    """In the API's form, with the key's columns. Strings of paths and templates go without quotes, as in any table."""
    columns = [_column(text) for text in texts]
    for key in keys:
        matching = [column for column in columns if column["name"] == key]
        if not matching:
            raise click.UsageError(f"--key {key}: there is no such column")
        matching[0]["primaryKey"] = True
    return columns


def _column(text: str) -> Json:
    name, _, source = text.partition("=")
    kind, _, argument = source.partition(":")
    if not name or not kind or bool(argument) != (kind in {"path", "template"}):
        raise click.UsageError(f"--column {text}: a column is {FORM}")
    column: Json = {"type": kind, "name": name}
    if kind == "path":
        column |= {"path": argument, "rawString": True}
    elif kind == "template":
        column["template"] = {"language": "jsonnet", "content": argument, "rawString": True}
    return column
