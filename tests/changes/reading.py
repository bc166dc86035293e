"""Pushes for tests: a relation, a body, and what came of it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from app.changes.format import Flavor, Format, Kind, UpdateFormat
from app.changes.parse_errors import ParseErrors
from app.changes.reader import ChangeReader
from app.model.changeset import Changeset
from app.model.relation import Field, Relation, SqlType, SqlTypeName

RAW_JSON = Format(Kind.JSON, update_format=UpdateFormat.RAW)
RAW_ARRAY = Format(Kind.JSON, update_format=UpdateFormat.RAW, array=True)
EVENTS = Format(Kind.JSON)
ARRAYS = Format(Kind.JSON, array=True)
CSV = Format(Kind.CSV)


class Outcome(NamedTuple):
    changes: list[list[Any]]
    errors: ParseErrors

    @property
    def error(self) -> dict[str, Any]:
        """The only one."""
        assert self.errors.count == 1, str(self.errors)
        return msgspec.to_builtins(self.errors.newest[0])


def a_type(name: str, *, nullable: bool = True, **more: Any) -> SqlType:
    return SqlType(SqlTypeName(name), nullable=nullable, **more)


def a_field(name: str, type_: str | SqlType, *, nullable: bool = True, **more: Any) -> Field:
    return Field(name, a_type(type_, nullable=nullable) if isinstance(type_, str) else type_, **more)


def a_relation(*fields: Field, key: Iterable[str] = ()) -> Relation:
    return Relation("t", fields, primary_key=tuple(key))


# CREATE TABLE t (b BOOLEAN NOT NULL, i INTEGER NOT NULL, s VARCHAR)
STRUCT = a_relation(
    a_field("b", "BOOLEAN", nullable=False), a_field("i", "INTEGER", nullable=False), a_field("s", "VARCHAR")
)
KEYED = a_relation(a_field("b", "BOOLEAN"), a_field("i", "INTEGER", nullable=False), a_field("s", "VARCHAR"), key="i")


def changes_in(changesets: Iterable[Changeset]) -> list[list[Any]]:
    changes = []
    for changeset in changesets:
        some = msgspec.json.decode(changeset.changes)
        assert changeset.count == len(some)
        changes += some
    return changes


def read(relation: Relation, format_: Format, *chunks: bytes | str) -> Outcome:
    reader = ChangeReader(relation, format_)
    changesets = []
    for chunk in chunks:
        for piece in reader.cut(chunk.encode() if isinstance(chunk, str) else chunk):
            changesets += reader.feed(piece)
    changesets += reader.finish()
    return Outcome(changes_in(changesets), reader.errors)


def value_of(type_: SqlType, literal: str, flavor: Flavor = Flavor.DEFAULT) -> Any:
    """What a literal of JSON becomes in a column of this type; an error's description if it is refused."""
    relation = a_relation(a_field("v", type_))
    outcome = read(relation, Format(Kind.JSON, update_format=UpdateFormat.RAW, flavor=flavor), f'{{"v": {literal}}}')
    if outcome.errors.count:
        assert outcome.error["field"] == "v"
        assert outcome.error["tag"] == "text_event_err"
        return Refused(outcome.error["description"])
    ((_, value),) = outcome.changes
    return value


class Refused(str):
    """Why a value was not taken."""

    __slots__ = ()
