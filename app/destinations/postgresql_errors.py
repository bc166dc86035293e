"""What PostgreSQL's errors say, without the values that they quote."""

import re

import psycopg

ABOUT_VALUES = ("22", "23")  # classes of SQLSTATE: data, constraints
_CAPITAL = re.compile("([A-Z])")
_COLUMN = re.compile(r"\A(?:.*, column ([^:]*):.*|.*)\Z", re.DOTALL)


def words(error: psycopg.Error) -> str:
    """What is wrong; of data never the value, which PostgreSQL's own text would quote."""
    diag, state = error.diag, error.sqlstate
    if state is None or state[:2] not in ABOUT_VALUES:
        return (diag.message_primary or str(error)).strip()
    words = _CAPITAL.sub(r" \1", type(error).__name__).strip().lower()
    column = diag.column_name or _COLUMN.sub(r"\1", diag.context or "")
    places = [("column", column), ("constraint", diag.constraint_name)]
    return ", ".join([f"{words} ({state})", *(f'{kind} "{name}"' for kind, name in places if name)])
