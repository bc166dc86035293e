"""`error`, rewritten to a call that notes the reason and goes on: the real one ends the interpreter."""

from app.mapping.jsonnet.lexer import read_tokens
from app.mapping.jsonnet.object_parser import ObjectParser
from app.mapping.jsonnet.outcomes import Outside, Refused
from app.mapping.jsonnet.syntax import Node
from app.mapping.jsonnet.tokens import Token


def soften(source: str, function: str) -> str | None:
    """Write `error E` as a call of the function with E as text; None if our parser cannot read it.

    What it can read is one expression, so it may stand in brackets.
    """
    try:
        parser = _Errors(source, read_tokens(source))
        parser.program()
    except (Refused, Outside, RecursionError):
        return None
    edits = [(token.begin, token.end, f'{function}("" + (') for token, _ in parser.errors]
    edits += [(end, end, "))") for _, end in parser.errors]
    for begin, end, text in sorted(edits, reverse=True):
        source = source[:begin] + text + source[end:]
    return source


class _Errors(ObjectParser):
    """Notes each `error`, and where its expression ends."""

    def __init__(self, source: str, tokens: list[Token]) -> None:
        super().__init__(source, tokens)
        self.errors: list[tuple[Token, int]] = []

    def expression(self, *loosest: int) -> Node:
        """Parse it."""
        token = self.token
        tree = super().expression(*loosest)
        if token.is_mark("error"):
            self.errors.append((token, self.end))
        return tree
