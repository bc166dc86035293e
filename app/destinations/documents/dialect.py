"""What one destination takes for a name, and what it calls itself in a reason."""

import re
from string import ascii_lowercase, ascii_uppercase

import msgspec

TABLE_NAME_BYTES_MAX = 63
COLUMN_NAME_BYTES_MAX = 59  # a split column's suffix comes behind
COLUMNS_MAX = 1600

_SPECIAL = re.compile(r"[^\w ]")
_LEADING = re.compile(r"\A[\d ]+")
_WITHOUT_CASE = str.maketrans(ascii_uppercase, ascii_lowercase)  # SQLite folds these letters and no others


class Dialect(msgspec.Struct, frozen=True):
    """One destination. The limits are PostgreSQL's and hold everywhere, so that a document fares the same."""

    title: str
    has_case: bool  # whether `id` and `ID` are two names
    takes_nul: bool  # whether a text may hold U+0000

    def fold(self, name: str) -> str:
        """Names that are one name here fold to the same."""
        return name if self.has_case else name.translate(_WITHOUT_CASE)


def canonical(name: str) -> str:
    """A client's name as a table or column can bear it: letters, digits, `_` and blanks, not beginning with a digit.

    Nothing may be left of it.
    """
    return _LEADING.sub("", _SPECIAL.sub("", name))
