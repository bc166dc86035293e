"""Goes through the tokens of a statement, one after another."""

from app.programs.faults import ProgramFault, Span, invalid, syntax
from app.programs.reserved import RESERVED, SYSTEM_PREFIX
from app.programs.tokens import Kind, Token

NAME_BYTES_MAX = 63


class Name:
    """A name as it was declared. Without quotes it is in lower case."""

    def __init__(self, token: Token) -> None:
        self.quoted = token.kind is Kind.QUOTED
        self.text = token.text if self.quoted else token.text.lower()
        self.span = token.span


class Cursor:
    """`token` is what comes next; behind the last one it is an END."""

    def __init__(self, tokens: list[Token]) -> None:
        end = tokens[-1].span.end
        self._tokens = [*tokens, Token(Kind.END, "", Span(end - 1, end))]
        self._at = 0

    @property
    def token(self) -> Token:
        """The next one."""
        return self._tokens[self._at]

    @property
    def at_end(self) -> bool:
        """Whether there is nothing more."""
        return self.token.kind is Kind.END

    @property
    def behind(self) -> int:
        """The offset behind the last one that was passed."""
        return self._tokens[self._at - 1].span.end if self._at else 0

    def sees(self, *words: str) -> bool:
        """Whether these come next."""
        ahead = self._tokens[self._at : self._at + len(words)]
        return len(ahead) == len(words) and all(token.says(word) for token, word in zip(ahead, words, strict=True))

    def next(self) -> Token:
        """Go on by one."""
        token = self.token
        if token.kind is not Kind.END:
            self._at += 1
        return token

    def skip(self, *words: str) -> bool:
        """Go on behind these words, if they come next."""
        if not self.sees(*words):
            return False
        self._at += len(words)
        return True

    def require(self, *words: str) -> None:
        """Go on behind these words. Raises ProgramFault if something else comes."""
        if not self.skip(*words):
            raise self.unexpected(f"'{' '.join(words)}'")

    def require_end(self) -> None:
        """Raises ProgramFault if something comes."""
        if not self.at_end:
            raise self.unexpected("';'")

    def unexpected(self, expected: str) -> ProgramFault:
        """What comes is something else."""
        token = self.token
        met = "the end of the statement" if token.kind is Kind.END else f"'{token.text}'"
        return syntax(token.span, f"expected {expected}, found {met}")

    def name(self, what: str) -> Name:
        """A name that is declared or meant. Raises ProgramFault if it cannot be one."""
        token = self.token
        if token.kind not in {Kind.WORD, Kind.QUOTED}:
            raise self.unexpected(f"the name of a {what}")
        if token.kind is Kind.WORD:
            if token.text.upper() in RESERVED:
                raise syntax(token.span, f"'{token.text}' is a reserved word: a name like it must be in double quotes")
            if not token.text.replace("$", "_").isidentifier():
                raise syntax(token.span, f"'{token.text}' is no name: put it in double quotes")
        name = Name(self.next())
        if not name.text:
            raise invalid(name.span, f"the name of a {what} must not be empty")
        if len(name.text.encode("utf-8", "replace")) > NAME_BYTES_MAX:
            raise invalid(name.span, f"the name of a {what} has more than {NAME_BYTES_MAX} bytes: '{name.text}'")
        return name

    def new_name(self, what: str) -> Name:
        """A name that the program gives to something of its own. Raises ProgramFault."""
        name = self.name(what)
        if name.text.lower().startswith(SYSTEM_PREFIX):
            raise invalid(name.span, f"names that begin with '{SYSTEM_PREFIX}' are for the system: '{name.text}'")
        return name

    def text(self, what: str) -> str:
        """What stands in single quotes. Raises ProgramFault if something else comes."""
        if self.token.kind is not Kind.TEXT:
            raise self.unexpected(f"{what} in single quotes")
        return self.next().text

    def whole_number(self, what: str, most: int) -> int:
        """Raises ProgramFault if something else comes, or one that is too large."""
        token = self.token
        if token.kind is not Kind.NUMBER or not (token.text.isascii() and token.text.isdecimal()):
            raise self.unexpected(what)
        digits = self.next().text.lstrip("0") or "0"
        if len(digits) > len(str(most)) or int(digits) > most:
            raise invalid(token.span, f"{what} is at most {most}")
        return int(digits)
