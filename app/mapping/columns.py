"""The Buffer API's columns: events in, rows out."""

from collections.abc import Callable, Sequence

from app.errors import MappingFailed
from app.mapping.account import Account
from app.mapping.arrived import Arrived
from app.mapping.base import RowMapper
from app.mapping.json_text import print_json
from app.mapping.paths import MISSING, look_up, parse_path
from app.mapping.template import TemplateEvaluator
from app.model.column import Column, ColumnType, PathValue, Template
from app.model.mapping import Mapping
from app.model.row import Row

Getter = Callable[[Arrived], str]


def compile_mapping(mapping: Mapping, evaluator: TemplateEvaluator, account: Account | None = None) -> RowMapper:
    """Make a mapping ready. What its templates waste goes to the account."""
    if any(column.type is ColumnType.TEMPLATE for column in mapping.columns):
        return _MapperWithTemplates(mapping.columns, evaluator, account)
    return _StaticMapper(mapping.columns)


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


def _getter(column: Column) -> Getter:
    if column.type is ColumnType.PATH:
        assert column.path is not None, "a path column has its path"  # noqa: S101
        return _path_getter(column.path)
    return _GETTERS[column.type]


class _StaticMapper:
    """Columns that need no program."""

    waits = False

    def __init__(self, columns: Sequence[Column]) -> None:
        self._getters = tuple(_getter(column) for column in columns)

    async def map(self, events: Sequence[Arrived]) -> list[Row | MappingFailed]:
        return self.map_now(events)

    def map_now(self, events: Sequence[Arrived]) -> list[Row | MappingFailed]:
        getters = self._getters
        results: list[Row | MappingFailed] = []
        for arrived in events:
            try:
                results.append(tuple([get(arrived) for get in getters]))
            except MappingFailed as failure:
                results.append(failure)
        return results


class _MapperWithTemplates:
    """The static columns of an event first; then all its templates in one evaluation with those of its neighbours."""

    waits = True

    def __init__(self, columns: Sequence[Column], evaluator: TemplateEvaluator, account: Account | None) -> None:
        self._static = _StaticMapper([column for column in columns if column.type is not ColumnType.TEMPLATE])
        self._templates = tuple(_template(column) for column in columns if column.type is ColumnType.TEMPLATE)
        self._order = _order(columns)
        self._evaluator = evaluator
        self._account = account

    async def map(self, events: Sequence[Arrived]) -> list[Row | MappingFailed]:
        results = self._static.map_now(events)
        asked = [at for at, result in enumerate(results) if not isinstance(result, MappingFailed)]
        answers = await self._evaluator.evaluate(self._templates, [events[at] for at in asked], self._account)
        for at, answer in zip(asked, answers, strict=True):
            static = results[at]
            if isinstance(static, MappingFailed) or isinstance(answer, MappingFailed):
                results[at] = answer
            else:
                values = static + answer
                results[at] = tuple([values[place] for place in self._order])
        return results


def _template(column: Column) -> Template:
    assert column.template is not None, "a template column has its template"  # noqa: S101
    return column.template


def _order(columns: Sequence[Column]) -> tuple[int, ...]:
    """Where each column's value stands in: values of static columns, then of templates."""
    templates_begin = sum(column.type is not ColumnType.TEMPLATE for column in columns)
    order, statics, templates = [], 0, templates_begin
    for column in columns:
        if column.type is ColumnType.TEMPLATE:
            order.append(templates)
            templates += 1
        else:
            order.append(statics)
            statics += 1
    return tuple(order)
