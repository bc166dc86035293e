"""Strings of many lines: `|||`, lines with an indent in common, `|||`."""

import re

from app.mapping.jsonnet.outcomes import Refused
from app.mapping.jsonnet.tokens import place

_OPENING = re.compile(r"\|\|\|(-?)[ \t\r]*\n(\n*)")
_INDENT = re.compile(r"[ \t]+")
_CLOSING = re.compile(r"[ \t]*\|\|\|")


def read_text_block(source: str, begin: int) -> tuple[str, int]:
    """Read the block that begins there: its content, and where it ends. Raises Refused."""
    opening = _OPENING.match(source, begin)
    if opening is None:
        raise _refused(source, begin, "text block syntax requires new line after |||.")
    indent = _INDENT.match(source, opening.end())
    if indent is None:
        raise _refused(source, begin, "text block's first line must start with whitespace.")
    content, at = [opening[2]], opening.end()
    while source.startswith(indent[0], at):
        line_end = source.find("\n", at)
        if line_end < 0:
            raise _refused(source, begin, "unexpected EOF")
        content.append(source[at + len(indent[0]) : line_end + 1])
        at = line_end + 1
        while source.startswith("\n", at):
            content.append("\n")
            at += 1
    closing = _CLOSING.match(source, at)
    if closing is None:
        raise _refused(source, begin, "text block not terminated with |||")
    text = "".join(content)
    return (text[:-1] if opening[1] else text), closing.end()


def _refused(source: str, at: int, what: str) -> Refused:
    return Refused(f"{place(source, at, at)} {what}")
