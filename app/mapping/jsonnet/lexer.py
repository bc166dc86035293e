"""Text to tokens."""

import re
from collections.abc import Iterator

from app.mapping.jsonnet.outcomes import Refused
from app.mapping.jsonnet.text_blocks import read_text_block
from app.mapping.jsonnet.tokens import Kind, Token, place

KEYWORDS = frozenset(
    {
        *("assert", "else", "error", "false", "for", "function", "if", "import", "importbin", "importstr", "in"),
        *("local", "null", "self", "super", "tailstrict", "then", "true", "$"),
    }
)

_BLANK = re.compile(r"[ \t\r\n]+|(?:#|//)[^\n]*")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DIGITS = r"[0-9](?:_?[0-9])*"
_NUMBER = re.compile(rf"(?:0|[1-9](?:_?[0-9])*)(\.{_DIGITS})?([eE][+-]?{_DIGITS})?")
_OPERATOR = re.compile(r"[!$:~+\-&|^=<>*/%]{1,8}")  # none is longer than 4
_NO_OPERATOR = re.compile(r"//|/\*|\|\|\|")
_BRACKETS = "{}[](),.;"


def read_tokens(source: str) -> list[Token]:
    """All tokens, the last one of kind END. Raises Refused."""
    return list(_Lexer(source).tokens())


class _Lexer:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    def tokens(self) -> Iterator[Token]:
        while self._at < len(self._source):
            if self._skip_blank():
                continue
            yield self._token()
        yield Token(Kind.END, "end of file", self._at, self._at + 1)

    def _refused(self, what: str) -> Refused:
        return Refused(f"{place(self._source, self._at, self._at)} {what}")

    def _skip_blank(self) -> bool:
        blank = _BLANK.match(self._source, self._at)
        if blank is not None:
            self._at = blank.end()
            return True
        if self._source.startswith("/*", self._at):
            end = self._source.find("*/", self._at + 2)
            if end < 0:
                raise self._refused("multi-line comment has no terminating */.")
            self._at = end + 2
            return True
        return False

    def _token(self) -> Token:
        source, begin = self._source, self._at
        first = source[begin]
        if first in _BRACKETS:
            return self._until(Kind.MARK, first, begin + 1)
        identifier = _IDENTIFIER.match(source, begin)
        if identifier is not None:
            word = identifier[0]
            return self._until(Kind.MARK if word in KEYWORDS else Kind.IDENTIFIER, word, identifier.end())
        if first in "0123456789":
            return self._number()
        return self._text_or_operator(first)

    def _text_or_operator(self, first: str) -> Token:
        source, begin = self._source, self._at
        if first in "\"'":
            return self._string(first)
        if first == "@":
            return self._verbatim()
        if source.startswith("|||", begin):
            content, end = read_text_block(source, begin)
            return self._until(Kind.VERBATIM, content, end)
        return self._operator()

    def _until(self, kind: Kind, text: str, end: int) -> Token:
        token = Token(kind, text, self._at, end)
        self._at = end
        return token

    def _number(self) -> Token:
        number = _NUMBER.match(self._source, self._at)
        assert number is not None, "it begins with a digit"  # noqa: S101
        follower = self._source[number.end() : number.end() + 1]
        spoilers = "_" if number[2] else "_eE" if number[1] else "_eE."
        if follower and follower in spoilers:
            raise self._refused(f"couldn't lex number, junk after '{follower}'")
        return self._until(Kind.NUMBER, number[0].replace("_", ""), number.end())

    def _string(self, quote: str) -> Token:
        at = self._at + 1
        while True:
            end = self._source.find(quote, at)
            if end < 0:
                raise self._refused("unterminated string")
            escape = self._source.find("\\", at, end)
            if escape < 0:
                return self._until(Kind.STRING, self._source[self._at + 1 : end], end + 1)
            at = escape + 2

    def _verbatim(self) -> Token:
        quote = self._source[self._at + 1 : self._at + 2]
        if quote not in {'"', "'"}:
            raise self._refused(f"couldn't lex verbatim string, junk after '@': {quote}")
        at = self._at + 2
        while True:
            end = self._source.find(quote, at)
            if end < 0:
                raise self._refused("unterminated verbatim string")
            if not self._source.startswith(quote, end + 1):
                content = self._source[self._at + 2 : end].replace(quote * 2, quote)
                return self._until(Kind.VERBATIM, content, end + 1)
            at = end + 2

    def _operator(self) -> Token:
        symbols = _OPERATOR.match(self._source, self._at)
        if symbols is None:
            raise self._refused(f"Could not lex the character '{self._source[self._at]}'")
        stop = _NO_OPERATOR.search(symbols[0])
        text = symbols[0][: stop.start()] if stop else symbols[0]
        text = text[0] + text[1:].rstrip("+-~!$")
        return self._until(Kind.MARK if text == "$" else Kind.OPERATOR, text, self._at + len(text))
