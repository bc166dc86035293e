"""The words of a program, as sqlglot tells them apart: with their places, and without comments."""

from enum import Enum, auto
from typing import ClassVar, NamedTuple

from sqlglot import Tokenizer, TokenType
from sqlglot.errors import TokenError

from app.programs.faults import Span, syntax


class Kind(Enum):
    """What a token is."""

    WORD = auto()  # a keyword, or a name without quotes
    QUOTED = auto()  # a name in double quotes
    TEXT = auto()  # in single quotes
    NUMBER = auto()
    SYMBOL = auto()
    END = auto()  # behind the last one of a statement


class Token(NamedTuple):
    """`text` is what it says: of quoted ones without the quotes."""

    kind: Kind
    text: str
    span: Span

    def says(self, word: str) -> bool:
        """Whether it is this keyword (in capitals) or symbol."""
        match self.kind:
            case Kind.WORD:
                return self.text.upper() == word
            case Kind.SYMBOL:
                return self.text == word
        return False


class _PlainTokenizer(Tokenizer):
    """Knows no keywords: to whom they mean something, asks for them."""

    KEYWORDS: ClassVar[dict[str, TokenType]] = {}


_KINDS = {
    TokenType.VAR: Kind.WORD,
    TokenType.IDENTIFIER: Kind.QUOTED,
    TokenType.STRING: Kind.TEXT,
    TokenType.NUMBER: Kind.NUMBER,
}


def tokens_of(code: str) -> list[Token]:
    """All of a program. Raises ProgramFault."""
    nul = code.find("\0")
    if nul >= 0:
        raise syntax(Span(nul, nul + 1), "a NUL character")
    try:
        read = _PlainTokenizer().tokenize(code)
    except TokenError as error:
        opened = _opened(error, code)
        raise syntax(Span(opened, len(code)), "a quote or a comment that is never closed") from None
    return [
        Token(_KINDS.get(token.token_type, Kind.SYMBOL), token.text, Span(token.start, token.end + 1)) for token in read
    ]


def _opened(error: TokenError, code: str) -> int:
    """Where what is never closed begins, as the cause says: `Missing ' from <line>:<offset>`. Of a comment, the end."""
    offset = str(error.__cause__).rpartition(":")[2]
    return int(offset) if offset.isdecimal() else max(len(code) - 1, 0)


def statements_of(tokens: list[Token]) -> list[list[Token]]:
    """What stands between semicolons, without what is empty."""
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.says(";"):
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]
