"""The words of a program, and where they stand in it."""

from enum import Enum, auto

import msgspec


class Kind(Enum):
    """The kinds of tokens. Keywords and brackets are all `MARK`, told apart by their text."""

    IDENTIFIER = auto()
    MARK = auto()
    NUMBER = auto()
    OPERATOR = auto()
    STRING = auto()  # with escapes in it
    VERBATIM = auto()  # a string without
    END = auto()


class Token(msgspec.Struct, frozen=True):
    """One token. `text` is that of the program, but for strings their content."""

    kind: Kind
    text: str
    begin: int
    end: int

    def is_mark(self, *texts: str) -> bool:
        """Whether it is one of these keywords or brackets."""
        return self.kind is Kind.MARK and self.text in texts

    def is_operator(self, *texts: str) -> bool:
        """Whether it is one of these operators."""
        return self.kind is Kind.OPERATOR and self.text in texts


def place(source: str, begin: int, end: int) -> str:
    """Say where in the program, as `jsonnet` does: columns count bytes, from 1, and the end is the column behind."""
    first_line, first_column = _line_and_column(source, begin)
    last_line, last_column = _line_and_column(source, end)
    if first_line != last_line:
        return f"({first_line}:{first_column})-({last_line}:{last_column})"
    if last_column - first_column <= 1:
        return f"{first_line}:{first_column}"
    return f"{first_line}:{first_column}-{last_column}"


def _line_and_column(source: str, offset: int) -> tuple[int, int]:
    before = source[:offset]
    line_begin = before.rfind("\n") + 1
    return before.count("\n") + 1, len(before[line_begin:].encode(errors="replace")) + 1
