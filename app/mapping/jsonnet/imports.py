"""Imports, which no template may have: there is nothing to import."""

from itertools import pairwise

from app.mapping.jsonnet.lexer import read_tokens
from app.mapping.jsonnet.outcomes import Refused
from app.mapping.jsonnet.tokens import Kind, place

_KEYWORDS = ("import", "importstr", "importbin")


def first_import(source: str) -> str | None:
    """Where the first one stands, in a program that the interpreter takes.

    The words suffice: they can be no names. None, too, if our lexer cannot read the text: then it fails when it runs.
    """
    try:
        tokens = read_tokens(source)
    except Refused:
        return None
    for token, behind in pairwise(tokens):
        if token.is_mark(*_KEYWORDS):
            end = behind.end if behind.kind in {Kind.STRING, Kind.VERBATIM} else token.end
            return place(source, token.begin, end)
    return None
