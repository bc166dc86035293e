"""Rows on their way into a table of PostgreSQL: by COPY, and with a primary key through a temporary table."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import psycopg
from psycopg import sql

from app.destinations.base import LoadSlice, Row
from app.destinations.postgresql_errors import ABOUT_VALUES, words
from app.destinations.postgresql_names import names, table_of
from app.destinations.refusals import NO_KEY, Refusals, RowsRefused, write_what_fits
from app.errors import Rejected
from app.model.mapping import Mapping

_ABOUT_ROWS = (*ABOUT_VALUES, "44", "P0")  # and check options of views, exceptions of triggers
_COPY_LINE = ", line "


def write_rows(
    connection: psycopg.Connection[tuple[object, ...]],
    mapping: Mapping,
    slices: Sequence[LoadSlice],
    refusals: Refusals | None,
) -> int:
    """Append or upsert; how many were written. `refusals` takes those that are left out, if some may be.

    Raises Rejected for a row that the table does not take, and names it; or what psycopg raises.
    """
    if not mapping.incremental:
        connection.execute(sql.SQL("DELETE FROM {}").format(table_of(mapping)))  # TRUNCATE would shut readers out
    if refusals is not None:
        write = _writer_of_some(connection, mapping)
        return sum(write_what_fits(part, refusals, write) for part in slices)
    if not mapping.primary_key:
        return sum(_copy(connection, table_of(mapping), mapping, part) for part in slices)
    return _merge(connection, mapping, slices)


def _copy(
    connection: psycopg.Connection[tuple[object, ...]], into: sql.Identifier, mapping: Mapping, part: LoadSlice
) -> int:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(into, names(mapping.column_names))
    with connection.cursor() as cursor:
        try:
            with cursor.copy(statement) as copy:
                for chunk in part.open_csv():
                    copy.write(chunk)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise _refused_row(error, part, len(mapping.columns)) from error
        return cursor.rowcount


def _merge(connection: psycopg.Connection[tuple[object, ...]], mapping: Mapping, slices: Sequence[LoadSlice]) -> int:
    """Through a table of this transaction's own: of rows with one key the last wins."""
    number = _make_stage(connection, mapping)
    copied = [_copy(connection, _STAGE, mapping, part) for part in slices]
    _check_keys(connection, mapping, slices, copied, number)
    connection.execute(_merge_statement(mapping, _STAGE, number))
    return sum(copied)


_STAGE = sql.Identifier("pg_temp", "_forebay_stage")


def _make_stage(connection: psycopg.Connection[tuple[object, ...]], mapping: Mapping) -> sql.Identifier:
    """Make the table; the name of the column that numbers its rows."""
    number = sql.Identifier(_unused_name(mapping.column_names))
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {}, {} bigint GENERATED ALWAYS AS IDENTITY) ON COMMIT DROP").format(
            sql.Identifier("_forebay_stage"), table_of(mapping), number
        )
    )
    for name in mapping.primary_key:
        drop = sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL")
        connection.execute(drop.format(_STAGE, sql.Identifier(name)))
    return number


def _check_keys(
    connection: psycopg.Connection[tuple[object, ...]],
    mapping: Mapping,
    slices: Sequence[LoadSlice],
    copied: Sequence[int],
    number: sql.Identifier,
) -> None:
    """Raise Rejected for the first row that lacks a key's value."""
    absent = sql.SQL(" OR ").join(sql.SQL("{} IS NULL").format(sql.Identifier(name)) for name in mapping.primary_key)
    query = sql.SQL("SELECT min({}) FROM pg_temp._forebay_stage WHERE {}").format(number, absent)
    (found,) = connection.execute(query).fetchone() or (None,)
    if found is None:
        return
    row = int(str(found))
    for part, count in zip(slices, copied, strict=True):
        if row <= count:
            raise Rejected(f"{_place(part, row)}: {NO_KEY}")
        row -= count


def _merge_statement(mapping: Mapping, stage: sql.Identifier, number: sql.Identifier) -> sql.Composed:
    others = [column.name for column in mapping.columns if not column.primary_key]
    assignments = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others]
    action = sql.SQL("UPDATE SET {}").format(sql.SQL(", ").join(assignments)) if others else sql.SQL("NOTHING")
    return sql.SQL(
        "INSERT INTO {table} AS target ({columns})"
        " SELECT DISTINCT ON ({key}) {columns} FROM {stage} ORDER BY {key}, {number} DESC"
        " ON CONFLICT ({key}) DO {action}"
    ).format(
        table=table_of(mapping),
        columns=names(mapping.column_names),
        key=names(mapping.primary_key),
        stage=stage,
        number=number,
        action=action,
    )


def _unused_name(names: Iterable[str]) -> str:
    taken = set(names)
    return next(name for count in range(len(taken) + 1) if (name := f"_row_{count}") not in taken)


# files that are split


def _writer_of_some(
    connection: psycopg.Connection[tuple[object, ...]], mapping: Mapping
) -> Callable[[Sequence[Row]], None]:
    """What writes some rows, all or none: see `write_what_fits`."""
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # so that each is judged with its rows, and not at the commit
    number = _make_stage(connection, mapping) if mapping.primary_key else None

    def write(rows: Sequence[Row]) -> None:
        sent = _Sent(rows)
        try:
            with connection.transaction():
                _copy_some(connection, table_of(mapping) if number is None else _STAGE, mapping, sent)
                if number is not None:
                    connection.execute(_merge_statement(mapping, _STAGE, number))
                    connection.execute(sql.SQL("TRUNCATE {}").format(_STAGE))
        except psycopg.Error as error:
            if error.sqlstate is None and isinstance(error, psycopg.DataError):  # psycopg itself does not send it
                raise RowsRefused(str(error), sent.count - 1) from error
            if (error.sqlstate or "")[:2] not in _ABOUT_ROWS:
                raise
            line = _line(error.diag.context or "")  # of rows sent as text each has one line
            raise RowsRefused(words(error), None if line is None else line - 1) from error

    return write


class _Sent:
    """Rows on their way to the server; how many have gone."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


def _copy_some(
    connection: psycopg.Connection[tuple[object, ...]], into: sql.Identifier, mapping: Mapping, rows: Iterable[Row]
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(into, names(mapping.column_names))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


# rows that are refused


def _refused_row(error: psycopg.Error, part: LoadSlice, width: int) -> Rejected:
    """Which row it was, and what is wrong with it. COPY tells the line, and a row may have several."""
    line = _line(error.diag.context or "")
    reason = words(error)
    if line is None:
        return Rejected(f"a row of the {_slice(part)}: {reason}")
    for row, (last_line, fields) in enumerate(_lines(part), start=1):
        if last_line >= line:
            if fields != width:
                return Rejected(f"{_place(part, row)} has {fields} fields, the table has {width} columns")
            return Rejected(f"{_place(part, row)}: {reason}")
    return Rejected(f"a row of the {_slice(part)}: {reason}")


def _line(context: str) -> int | None:
    _, found, rest = context.partition(_COPY_LINE)
    digits = rest.split(",")[0].split(":")[0].strip()
    return int(digits) if found and digits.isdecimal() else None


def _lines(part: LoadSlice) -> Iterator[tuple[int, int]]:
    """Of each row: the number of its last line as COPY counts them, and of its fields.

    COPY counts the line ends within quotes, but for those of the first row: it does not know yet what ends a line.
    """
    line = 0
    for row in part.open_rows():
        line += 1 + (sum(value.count("\n") for value in row if value) if line else 0)
        yield line, len(row)


def _place(part: LoadSlice, row: int) -> str:
    return f"row {row} of the {_slice(part)}"


def _slice(part: LoadSlice) -> str:
    return f'slice of partition {part.partition} of log "{part.log_id}" up to {part.end}'
