"""Statements of a program: what they declare."""

from dataclasses import dataclass, field

import msgspec

from app.changes.format import Flavor
from app.changes.json_values import reader_of
from app.changes.refused import ValueRefused
from app.model.relation import Field, Relation, SqlType, View
from app.programs.constants import constant
from app.programs.cursor import Cursor, Name
from app.programs.faults import ProgramFault, Span, invalid, unsupported
from app.programs.tokens import Token
from app.programs.types import BUILT_IN, Types

COLUMNS_MAX = 1600
KEY_COLUMNS_MAX = 32
PROPERTIES_MAX = 100
SUPPORTED = "a program may hold CREATE TABLE, CREATE VIEW and CREATE TYPE"
_NULL = b"null"


@dataclass(slots=True)
class Declared:
    """A statement's table or view, or neither if it declares a type; and what its author should know."""

    name: Name
    relation: Relation | None = None
    view: View | None = None
    warnings: list[tuple[Span, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Table:
    """A table while its declaration is read."""

    fields: list[Field] = field(default_factory=list)
    places: dict[str, Span] = field(default_factory=dict)  # of the columns
    keys: list[tuple[Span, list[Name]]] = field(default_factory=list)
    mentioned: list[Name] = field(default_factory=list)  # by foreign keys
    warnings: list[tuple[Span, str]] = field(default_factory=list)


class Statements:
    """Reads statements, one after another: types are known behind their declaration."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._types = Types()

    def read(self, tokens: list[Token]) -> Declared:
        """Raises ProgramFault."""
        cursor = Cursor(tokens)
        if cursor.skip("CREATE", "TABLE"):
            return self._table(cursor)
        if cursor.skip("CREATE", "TYPE"):
            return self._type(cursor)
        if cursor.skip("CREATE", "MATERIALIZED", "VIEW"):
            return self._view(cursor, tokens, materialized=True)
        if cursor.skip("CREATE", "VIEW") or cursor.skip("CREATE", "LOCAL", "VIEW"):
            return self._view(cursor, tokens, materialized=False)
        raise unsupported(_whole(tokens), SUPPORTED)

    def _type(self, cursor: Cursor) -> Declared:
        name = cursor.new_name("type")
        if name.text in self._types.known or name.text.upper() in BUILT_IN:
            raise invalid(name.span, f"there is a type '{name.text}' already")
        cursor.require("AS")
        declared = self._types.declared(cursor)
        cursor.require_end()
        self._types.known[name.text] = declared
        return Declared(name)

    def _view(self, cursor: Cursor, tokens: list[Token], *, materialized: bool) -> Declared:
        """The query is the destination's: it is not read here."""
        name = cursor.new_name("view")
        if cursor.sees("("):
            raise unsupported(cursor.token.span, "name the columns of a view in its query, with AS")
        warnings: list[tuple[Span, str]] = []
        properties = _properties(cursor, warnings)
        cursor.require("AS")
        if cursor.at_end:
            raise cursor.unexpected("a query")
        query = self._code[cursor.token.span.start : tokens[-1].span.end]
        view = View(name.text, query, name.quoted, materialized, properties=properties)
        return Declared(name, view=view, warnings=warnings)

    def _table(self, cursor: Cursor) -> Declared:
        name, table = cursor.new_name("table"), _Table()
        cursor.require("(")
        while True:
            self._element(cursor, table)
            if not cursor.skip(","):
                break
        cursor.require(")")
        properties = _properties(cursor, table.warnings)
        cursor.require_end()
        if not table.fields:
            raise invalid(name.span, f"table '{name.text}' has no columns")
        key = _key(table)
        relation = Relation(name.text, tuple(table.fields), key, name.quoted, properties)
        return Declared(name, relation, warnings=table.warnings)

    def _element(self, cursor: Cursor, table: _Table) -> None:
        if cursor.skip("CONSTRAINT"):
            cursor.name("constraint")
            if not cursor.sees("PRIMARY", "KEY"):
                raise cursor.unexpected("'PRIMARY KEY'")
        if cursor.sees("PRIMARY", "KEY"):
            span = cursor.token.span
            cursor.require("PRIMARY", "KEY")
            table.keys.append((span, _names(cursor)))
        elif cursor.skip("FOREIGN", "KEY"):
            mine = _names(cursor)
            table.mentioned += mine
            _references(cursor, len(mine))
        elif cursor.sees("CHECK", "("):
            raise unsupported(cursor.token.span, "CHECK is not supported: filter in a view")
        else:
            self._column(cursor, table)

    def _column(self, cursor: Cursor, table: _Table) -> None:
        name = cursor.name("column")
        if name.text in table.places:
            raise invalid(name.span, f"there is a column '{name.text}' already")
        if len(table.fields) == COLUMNS_MAX:
            raise invalid(name.span, f"a table has at most {COLUMNS_MAX} columns")
        column = Field(name.text, self._types.column_type(cursor), name.quoted)
        while not (cursor.at_end or cursor.sees(",") or cursor.sees(")")):
            column = self._constrained(cursor, table, name, column)
        _check_default(column, name)
        table.places[name.text] = name.span
        table.fields.append(column)

    def _constrained(self, cursor: Cursor, table: _Table, name: Name, column: Field) -> Field:
        """The column with the constraint that comes."""
        span = cursor.token.span
        if cursor.skip("NOT", "NULL"):
            return _with_type(column, nullable=False)
        if cursor.skip("NULL"):
            return _with_type(column, nullable=True)
        if cursor.skip("PRIMARY", "KEY"):
            table.keys.append((span, [name]))
        elif cursor.skip("FOREIGN", "KEY") or cursor.sees("REFERENCES"):
            _references(cursor, 1)
        elif cursor.skip("DEFAULT"):
            return self._defaulted(cursor, column)
        elif cursor.skip("LATENESS"):
            return msgspec.structs.replace(column, lateness=self._expression(cursor))
        elif cursor.skip("WATERMARK"):
            self._expression(cursor)
            table.warnings.append((span, "WATERMARK has no effect here"))
        elif not cursor.skip("INTERNED"):
            raise cursor.unexpected("a constraint of the column, ',' or ')'")
        return column

    def _defaulted(self, cursor: Cursor, column: Field) -> Field:
        start = cursor.token.span.start
        if column.default is not None:
            raise invalid(cursor.token.span, f"column '{column.name}' has a default already")
        value = constant(cursor)
        span = Span(start, cursor.behind)
        text = _canonical(column.type, value, span)
        return msgspec.structs.replace(column, default=text, default_sql=self._code[start : span.end])

    def _expression(self, cursor: Cursor) -> str:
        """The text up to the next constraint, comma or parenthesis that is not the expression's own."""
        start, depth = cursor.token.span.start, 0
        while not cursor.at_end:
            if depth == 0 and (cursor.sees(",") or cursor.sees(")") or _begins_constraint(cursor)):
                break
            token = cursor.next()
            depth += token.says("(") - token.says(")")
        end = cursor.behind
        if end <= start:
            raise cursor.unexpected("an expression")
        return self._code[start:end]


def _begins_constraint(cursor: Cursor) -> bool:
    pairs = (("NOT", "NULL"), ("PRIMARY", "KEY"), ("FOREIGN", "KEY"))
    words = ("DEFAULT", "LATENESS", "WATERMARK", "INTERNED", "NULL")
    return any(cursor.sees(*pair) for pair in pairs) or any(cursor.sees(word) for word in words)


def _with_type(column: Field, *, nullable: bool) -> Field:
    return msgspec.structs.replace(column, type=msgspec.structs.replace(column.type, nullable=nullable))


def _canonical(sql_type: SqlType, value: bytes, span: Span) -> str:
    """The JSON text of the canonical value, see app/model/changeset.py."""
    if value == _NULL:
        return "null"
    try:
        return msgspec.json.encode(reader_of(sql_type, Flavor.C_HEX)(value)).decode()
    except ValueRefused as refused:
        raise invalid(span, f"the default does not fit the column's type: {refused}") from None


def _check_default(column: Field, name: Name) -> None:
    if column.default == "null" and not column.type.nullable:
        raise invalid(name.span, f"column '{column.name}' is NOT NULL, and its default is NULL")


def _names(cursor: Cursor) -> list[Name]:
    cursor.require("(")
    names = [cursor.name("column")]
    while cursor.skip(","):
        names.append(cursor.name("column"))
    cursor.require(")")
    return names


def _references(cursor: Cursor, count: int) -> None:
    """A foreign key is read, and does nothing."""
    cursor.require("REFERENCES")
    cursor.name("table")
    span = cursor.token.span
    if len(_names(cursor)) != count:
        raise invalid(span, f"a foreign key of {count} columns refers to as many")


def _key(table: _Table) -> tuple[str, ...]:
    for name in table.mentioned:
        if name.text not in table.places:
            raise invalid(name.span, f"there is no column '{name.text}'")
    if not table.keys:
        return ()
    if len(table.keys) > 1:
        raise invalid(table.keys[1][0], "a table has one PRIMARY KEY: name all its columns there")
    nullable = {column.name for column in table.fields if column.type.nullable}
    span, names = table.keys[0]
    if len(names) > KEY_COLUMNS_MAX:
        raise invalid(span, f"a key has at most {KEY_COLUMNS_MAX} columns")
    for place, name in enumerate(names):
        fault = _fault_of_key(name, table, nullable, {one.text for one in names[:place]})
        if fault is not None:
            raise fault
    return tuple(name.text for name in names)


def _fault_of_key(name: Name, table: _Table, nullable: set[str], before: set[str]) -> ProgramFault | None:
    if name.text not in table.places:
        return invalid(name.span, f"there is no column '{name.text}'")
    if name.text in nullable:
        return invalid(name.span, f"column '{name.text}' of a PRIMARY KEY must be NOT NULL")
    if name.text in before:
        return invalid(name.span, f"column '{name.text}' is in the key already")
    return None


def _properties(cursor: Cursor, warnings: list[tuple[Span, str]]) -> tuple[tuple[str, str], ...]:
    """Of a WITH, if there is one."""
    properties: dict[str, str] = {}
    if not cursor.skip("WITH"):
        return ()
    cursor.require("(")
    while True:
        span = cursor.token.span
        name = cursor.text("the name of a property")
        if name in properties or len(properties) == PROPERTIES_MAX:
            raise invalid(span, f"there is a property '{name}' already, or more than {PROPERTIES_MAX}")
        cursor.require("=")
        properties[name] = cursor.text("the value of a property")
        if name == "connectors":
            warnings.append((span, "connectors are ignored: push changes to the table, and query it"))
        if not cursor.skip(","):
            break
    cursor.require(")")
    return tuple(properties.items())


def _whole(tokens: list[Token]) -> Span:
    return Span(tokens[0].span.start, tokens[-1].span.end)
