"""A result as Arrow record batches and as Parquet. To import this takes a while and much memory: only who needs it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from app.errors import ResultUnwritable
from app.model.relation import SqlType, SqlTypeName
from app.model.result import Cell, ResultColumn, ResultRow
from app.results.values import encode_values

DECIMAL_PRECISION_MAX = 76
DECIMAL_SCALE_MAX = 38  # of decimals whose type is not known
ROW_GROUP_ROWS_MAX = 65_536
ROW_GROUP_BYTES_MAX = 16 * 1024 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ONE = _EPOCH.date()
_US = timedelta(microseconds=1)
_NS_DIGITS, _NS_PER_S = 9, 1_000_000_000
_EXACT = Context(prec=DECIMAL_PRECISION_MAX)
_PRECISION_OF_128_BITS = 38
_PLAIN: Final[dict[SqlTypeName, pa.DataType]] = {
    SqlTypeName.BOOLEAN: pa.bool_(),
    SqlTypeName.TINYINT: pa.int8(),
    SqlTypeName.SMALLINT: pa.int16(),
    SqlTypeName.INTEGER: pa.int32(),
    SqlTypeName.BIGINT: pa.int64(),
    SqlTypeName.TINYINT_UNSIGNED: pa.uint8(),
    SqlTypeName.SMALLINT_UNSIGNED: pa.uint16(),
    SqlTypeName.INTEGER_UNSIGNED: pa.uint32(),
    SqlTypeName.BIGINT_UNSIGNED: pa.uint64(),
    SqlTypeName.REAL: pa.float32(),
    SqlTypeName.DOUBLE: pa.float64(),
    SqlTypeName.TIME: pa.time64("ns"),
    SqlTypeName.DATE: pa.date32(),
    SqlTypeName.TIMESTAMP: pa.timestamp("us"),
    SqlTypeName.TIMESTAMP_TZ: pa.timestamp("us", tz="UTC"),
    SqlTypeName.BINARY: pa.large_binary(),
    SqlTypeName.VARBINARY: pa.large_binary(),
}


class ArrowStream:
    """The stream format of Arrow's IPC. See `ResultWriter`."""

    def __init__(self, columns: Sequence[ResultColumn]) -> None:
        self._batches = Batches(columns)
        self._sink = Sink()
        self._writer: pa.RecordBatchStreamWriter | None = None

    def begin(self) -> bytes:
        """Nothing: the schema comes with the first rows."""
        return b""

    def rows(self, rows: Sequence[ResultRow]) -> bytes:
        """A batch."""
        batch = self._batches.of(rows)
        self._opened(batch.schema).write_batch(batch)
        return self._sink.take()

    def end(self) -> bytes:
        """That there are no more; the schema, too, if there were none."""
        self._opened(self._batches.schema([])).close()
        return self._sink.take()

    def _opened(self, schema: pa.Schema) -> pa.RecordBatchStreamWriter:
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._sink.file, schema)
        return self._writer


class ParquetFile:
    """A file of Parquet. See `ResultWriter`."""

    def __init__(self, columns: Sequence[ResultColumn]) -> None:
        self._batches = Batches(columns)
        self._sink = Sink()
        self._waiting: list[pa.RecordBatch] = []
        self._writer: pq.ParquetWriter | None = None

    def begin(self) -> bytes:
        """Nothing: the schema is known with the first rows."""
        return b""

    def rows(self, rows: Sequence[ResultRow]) -> bytes:
        """A group of rows, when there are enough for one."""
        self._waiting.append(self._batches.of(rows))
        waiting = self._waiting
        size_bytes = sum(batch.nbytes for batch in waiting)
        if size_bytes >= ROW_GROUP_BYTES_MAX or sum(map(len, waiting)) >= ROW_GROUP_ROWS_MAX:
            self._write()
        return self._sink.take()

    def end(self) -> bytes:
        """The last group, and the index of the file."""
        self._write()
        self._opened(self._batches.schema([])).close()
        return self._sink.take()

    def _write(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            table = pa.Table.from_batches(waiting)
            self._opened(table.schema).write_table(table, row_group_size=len(table))

    def _opened(self, schema: pa.Schema) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._sink.file, schema, compression="snappy")
        return self._writer


class Sink:
    """Takes what a writer writes, until it is taken away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.file = pa.PythonFile(self, mode="w")
        self.closed = False

    def write(self, piece: bytes) -> int:
        """For Arrow."""
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """For Arrow."""

    def close(self) -> None:
        """For Arrow."""
        self.closed = True

    def take(self) -> bytes:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class Batches:
    """Makes record batches. A column whose type is not known has the one that fits the first rows."""

    def __init__(self, columns: Sequence[ResultColumn]) -> None:
        self._columns = columns
        self._schema: pa.Schema | None = None
        self._converts: list[Callable[[Cell], Any]] = []

    def schema(self, rows: Sequence[ResultRow]) -> pa.Schema:
        """With the first rows; it stays from then on."""
        if self._schema is None:
            types = [self._type(place, column, rows) for place, column in enumerate(self._columns)]
            names = [column.name for column in self._columns]
            self._schema = pa.schema([pa.field(*field) for field in zip(names, types, strict=True)])
            self._converts = [convert_to(kind) for kind in types]
        return self._schema

    def of(self, rows: Sequence[ResultRow]) -> pa.RecordBatch:
        """Raises ResultUnwritable."""
        schema = self.schema(rows)
        arrays = []
        for place, (field, convert) in enumerate(zip(schema, self._converts, strict=True)):
            try:
                cells = [None if row[place] is None else convert(row[place]) for row in rows]
                arrays.append(pa.array(cells, field.type))
            except (pa.ArrowException, ValueError, TypeError, OverflowError, ArithmeticError) as error:
                message = f'a value of the column "{field.name}" is no {field.type}: {error}'
                raise ResultUnwritable(message) from None
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    @staticmethod
    def _type(place: int, column: ResultColumn, rows: Sequence[ResultRow]) -> pa.DataType:
        known = None if column.type is None else arrow_type(column.type)
        return known or _fitting({type(row[place]) for row in rows}, [row[place] for row in rows])


def arrow_type(kind: SqlType) -> pa.DataType | None:
    """None: of decimals without digits only the cells can tell."""
    match kind.name:
        case SqlTypeName.DECIMAL if kind.precision is None:
            return None
        case SqlTypeName.DECIMAL:
            return _decimal(kind.precision or 0, kind.scale or 0)
        case SqlTypeName.ARRAY if kind.component is not None:
            return _nested(lambda part: pa.large_list(part[0]), kind.component)
        case SqlTypeName.MAP if kind.key is not None and kind.value is not None:
            return _nested(lambda part: pa.map_(*part), kind.key, kind.value)
        case SqlTypeName.ROW if kind.fields:
            names = [field.name for field in kind.fields]
            return _nested(
                lambda parts: pa.struct(list(zip(names, parts, strict=True))), *(field.type for field in kind.fields)
            )
    return _PLAIN.get(kind.name, pa.string())


def _nested(make: Callable[[list[pa.DataType]], pa.DataType], *parts: SqlType) -> pa.DataType:
    types = [arrow_type(part) for part in parts]
    return pa.string() if None in types else make([part for part in types if part is not None])


def _decimal(precision: int, scale: int) -> pa.DataType:
    if precision > DECIMAL_PRECISION_MAX:
        return pa.string()
    return pa.decimal128(precision, scale) if precision <= _PRECISION_OF_128_BITS else pa.decimal256(precision, scale)


def _fitting(kinds: set[type], cells: Sequence[Cell]) -> pa.DataType:
    kinds = kinds - {type(None)}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    if kinds and kinds <= {int, float}:
        return pa.float64()
    if kinds and kinds <= {int, Decimal}:
        scales = [-int(cell.as_tuple().exponent) for cell in cells if isinstance(cell, Decimal) and cell.is_finite()]
        return pa.decimal256(DECIMAL_PRECISION_MAX, min(max(scales, default=0), DECIMAL_SCALE_MAX))
    return pa.large_binary() if kinds == {bytes} else pa.string()


def convert_to(kind: pa.DataType) -> Callable[[Any], Any]:
    """From a cell to what Arrow takes for it."""
    if pa.types.is_decimal(kind):
        return lambda cell: _rescaled(cell, kind.scale)
    if pa.types.is_nested(kind):
        part = nested_convert(kind)
        return lambda cell: part(msgspec.json.decode(cell) if isinstance(cell, str) else cell)
    return _CONVERTS.get(kind, _same)


def nested_convert(kind: pa.DataType) -> Callable[[Any], Any]:
    """From decoded JSON."""
    if pa.types.is_large_list(kind):
        part = _or_none(nested_convert(kind.value_type))
        return lambda value: [part(one) for one in value]
    if pa.types.is_map(kind):
        key, part = _key_convert(kind.key_type), _or_none(nested_convert(kind.item_type))
        return lambda value: [(key(name), part(one)) for name, one in value.items()]
    if pa.types.is_struct(kind):
        parts = {field.name: _or_none(nested_convert(field.type)) for field in kind.fields}
        return lambda value: {name: part(value.get(name)) for name, part in parts.items()}
    if pa.types.is_decimal(kind):
        return lambda value: _rescaled(Decimal(str(value)), kind.scale)
    if pa.types.is_large_binary(kind):
        return lambda value: bytes.fromhex(value) if isinstance(value, str) else bytes(value)
    return _CONVERTS.get(kind, _same)


def _key_convert(kind: pa.DataType) -> Callable[[str], Any]:
    """A key of JSON is a text, whatever it stands for."""
    if pa.types.is_integer(kind):
        return int
    if pa.types.is_floating(kind):
        return float
    if pa.types.is_boolean(kind):
        return lambda text: text == "true"
    return nested_convert(kind)


def _or_none(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _rescaled(cell: Any, scale: int) -> Decimal | None:
    if isinstance(cell, int):
        return Decimal(cell)
    if isinstance(cell, Decimal) and not cell.is_finite():
        return None
    exact = Decimal(cell)
    return (
        exact if -int(exact.as_tuple().exponent) <= scale else exact.quantize(Decimal(1).scaleb(-scale), context=_EXACT)
    )


def _text(cell: Any) -> str:
    if isinstance(cell, bytes):
        return cell.hex()
    return cell if isinstance(cell, str) else encode_values(cell).decode()


def _nanoseconds(cell: Any) -> int:
    clock, _, fraction = cell.partition(".")
    hours, minutes, seconds = map(int, clock.split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * _NS_PER_S + int(fraction.ljust(_NS_DIGITS, "0") or 0)


def _days(cell: Any) -> int:
    days: int = (datetime.fromisoformat(cell).date() - _DAY_ONE).days
    return days


def _microseconds(cell: Any) -> int:
    moment = datetime.fromisoformat(cell)
    microseconds: int = (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // _US
    return microseconds


def _same(cell: Any) -> Any:
    return cell


_CONVERTS: Final[dict[pa.DataType, Callable[[Any], Any]]] = {
    pa.string(): _text,
    pa.time64("ns"): _nanoseconds,
    pa.date32(): _days,
    pa.timestamp("us"): _microseconds,
    pa.timestamp("us", tz="UTC"): _microseconds,
}
