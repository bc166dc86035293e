"""The Buffer API's columns: events in, rows out."""

import asyncio
from contextlib import AbstractContextManager, nullcontext

from app.errors import MappingFailed
from app.mapping.account import Account
from app.mapping.arrived import Arrived
from app.mapping.base import RowMapper
from app.mapping.changesets import ChangesetMapper
from app.mapping.documents import DocumentMapper
from app.mapping.engines import compiled
from app.mapping.json_text import print_json
from app.mapping.jsonnet import Computation
from app.mapping.paths import MISSING, look_up, parse_path
from app.mapping.row_mappers import EvaluatedMapper, Getter, StaticMapper, TemplateMapper
from app.mapping.template import TemplateEvaluator
from app.model.column import Column, ColumnType, PathValue
from app.model.mapping import Mapping, MappingKind


def make_ready(  # noqa: PLR0913 -- what a worker shares, and what is the mapping's own
    mapping: Mapping,
    evaluator: TemplateEvaluator,
    account: Account | None = None,
    watch: AbstractContextManager[None] | None = None,
    gate: asyncio.Lock | None = None,
    *,
    compiles: bool = True,
) -> RowMapper:
    """Make a mapping ready: each template compiled if it can be. What its templates waste goes to the account.

    The watch is entered whenever what is compiled computes; of the mappings that share a gate, one computes at a time.
    """
    account = account or Account("a mapping")
    if mapping.kind is MappingKind.DOCUMENTS:
        return DocumentMapper()
    if mapping.kind is MappingKind.CHANGESETS:
        return ChangesetMapper()
    columns = mapping.columns
    if all(column.type is not ColumnType.TEMPLATE for column in columns):
        return StaticMapper(columns, [_static_getter(column) for column in columns])
    static = [None if column.type is ColumnType.TEMPLATE else _static_getter(column) for column in columns]
    interpreted = EvaluatedMapper(columns, static, evaluator, account)
    if not compiles:
        return interpreted
    computation = Computation()
    getters = [_compiled_getter(column, computation) or getter for column, getter in zip(columns, static, strict=True)]
    if all(getter is None for getter, known in zip(getters, static, strict=True) if known is None):
        return interpreted
    return TemplateMapper(
        columns, getters, evaluator, interpreted, account, computation, watch or nullcontext(), gate or asyncio.Lock()
    )


def _compiled_getter(column: Column, computation: Computation) -> Getter | None:
    program = None if column.template is None else compiled(column.template, computation)
    return None if program is None else program.value


def _path_getter(wanted: PathValue) -> Getter:
    steps = parse_path(wanted.path)
    default = wanted.default_value
    if default is not None and not wanted.raw_string:
        default = print_json(default)

    def value_at_path(arrived: Arrived) -> str:
        value = look_up(arrived.body_nested, steps)
        if value is MISSING:
            if default is None:
                raise MappingFailed(f'path "{wanted.path}" not found in the body')
            return default
        if wanted.raw_string and isinstance(value, str):
            return value
        return print_json(value)

    return value_at_path


_GETTERS: dict[ColumnType, Getter] = {
    ColumnType.ID: lambda arrived: arrived.id,
    ColumnType.DATETIME: lambda arrived: arrived.datetime,
    ColumnType.IP: lambda arrived: arrived.event.ip,
    ColumnType.BODY: lambda arrived: arrived.body_text,
    ColumnType.HEADERS: lambda arrived: arrived.headers.json,
}


def _static_getter(column: Column) -> Getter:
    if column.type is ColumnType.PATH:
        assert column.path is not None, "a path column has its path"  # noqa: S101
        return _path_getter(column.path)
    return _GETTERS[column.type]
