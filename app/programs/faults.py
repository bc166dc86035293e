"""What is wrong with a program, and where."""

from typing import NamedTuple

from app.model.pipeline import SqlMessage

SYNTAX, INVALID, UNSUPPORTED, WARNING = "Error parsing SQL", "Compilation error", "Not supported", "Warning"
SNIPPET_LINES_MAX, SNIPPET_CHARACTERS_MAX = 5, 120


class Span(NamedTuple):
    """A stretch of the program: offsets of its first character and of the one behind its last."""

    start: int
    end: int


class ProgramFault(Exception):
    """The program cannot be compiled; `kind` is one of the constants above."""

    def __init__(self, span: Span, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.span = span
        self.kind = kind


def syntax(span: Span, reason: str) -> ProgramFault:
    """It is not SQL, or not in the part of it that is read here."""
    return ProgramFault(span, SYNTAX, reason)


def invalid(span: Span, reason: str) -> ProgramFault:
    """It reads well, and cannot be."""
    return ProgramFault(span, INVALID, reason)


def unsupported(span: Span, reason: str) -> ProgramFault:
    """The original knows it, and here it is not."""
    return ProgramFault(span, UNSUPPORTED, reason)


def message_of(code: str, span: Span, kind: str, reason: str) -> SqlMessage:
    """As clients are told: lines and columns count from 1, the end is the last character."""
    start = min(span.start, max(len(code) - 1, 0))
    last = max(start, min(span.end, len(code)) - 1)
    start_line, start_column = _place(code, start)
    end_line, end_column = _place(code, last)
    return SqlMessage(
        start_line_number=start_line,
        start_column=start_column,
        end_line_number=end_line,
        end_column=end_column,
        warning=kind == WARNING,
        error_type=kind,
        message=reason,
        snippet=_snippet(code, start_line, end_line, start_column, end_column),
    )


def _place(code: str, offset: int) -> tuple[int, int]:
    return code.count("\n", 0, offset) + 1, offset - code.rfind("\n", 0, offset)


def _snippet(code: str, start_line: int, end_line: int, start_column: int, end_column: int) -> str:
    """The lines, numbered; below a single one, what is meant of it is marked."""
    lines = code.split("\n")[start_line - 1 : end_line][:SNIPPET_LINES_MAX]
    numbered = [f"{number:5}|{line[:SNIPPET_CHARACTERS_MAX]}" for number, line in enumerate(lines, start_line)]
    if start_line == end_line and end_column <= SNIPPET_CHARACTERS_MAX:
        numbered.append(" " * (5 + start_column) + "^" * (end_column - start_column + 1))
    return "\n".join(numbered) + "\n"
