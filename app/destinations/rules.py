"""What every destination decides the same way: which slices of a file are left to load, and whether a table fits."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from app.destinations.base import Load, LoadSlice, RefusedRow, Watermark
from app.errors import Rejected
from app.model.export_token import ExportToken
from app.model.mapping import Mapping


class LoadPlan(msgspec.Struct, frozen=True):
    """The slices left to load, in order; the watermarks as they stand afterwards; how many slices were there before."""

    slices: tuple[LoadSlice, ...]
    watermarks: tuple[Watermark, ...]
    skipped: int


def plan_load(load: Load, standing: Iterable[Watermark]) -> LoadPlan:
    """Compare a file with its export's watermarks. Raises Rejected if a slice does not begin where they stand.

    Raises Rejected, too, if rows would go into a table that the load's token does not open.

    The caller holds the watermarks locked from the reading until the plan's are written: together that is the
    compare-and-set.
    """
    if not load.dropped and not load.token.opens(load.mapping.table_id):
        raise out_of_scope(load.token, str(load.mapping.table_id))
    watermarks = {(mark.log_id, mark.partition): mark for mark in standing}
    moved: dict[tuple[str, int], Watermark] = {}
    left: list[LoadSlice] = []
    for part in load.slices:
        chain = (part.log_id, part.partition)
        before = watermarks.get(chain)
        if before is not None and before.end >= part.end:
            continue
        watermarks[chain] = moved[chain] = _moved(load, part, before)
        left.append(part)
    return LoadPlan(tuple(left), tuple(moved.values()), len(load.slices) - len(left))


def count_refused(watermarks: Iterable[Watermark], refused: Iterable[RefusedRow]) -> tuple[Watermark, ...]:
    """The watermarks of a load that left these rows out."""
    counts = Counter((row.log_id, row.partition) for row in refused)
    return tuple(
        msgspec.structs.replace(
            mark,
            dead_total=mark.dead_total + counts[mark.log_id, mark.partition],
            refused_total=mark.refused_total + counts[mark.log_id, mark.partition],
        )
        for mark in watermarks
    )


def out_of_scope(token: ExportToken, table: str) -> Rejected:
    """A load would write what its token does not open."""
    return Rejected(f'the token "{token.description}" opens the bucket "{token.bucket}", and not "{table}"')


def _moved(load: Load, part: LoadSlice, before: Watermark | None) -> Watermark:
    stands_at = None if before is None else before.end
    if stands_at != part.previous:
        raise Rejected(
            f'the chain of export "{load.export}" is broken in partition {part.partition} of log "{part.log_id}": '
            f"a slice goes from {_figure(part.previous)} to {part.end}, the watermark stands at {_figure(stands_at)}"
        )
    return Watermark(
        export=load.export,
        log_id=part.log_id,
        partition=part.partition,
        end=part.end,
        events_total=part.events_total,
        dead_total=(before.dead_total if before else 0) + (part.events if load.dropped else 0),
        refused_total=before.refused_total if before else 0,
    )


def _figure(end: int | None) -> str:
    return "the beginning" if end is None else str(end)


def check_table(mapping: Mapping, columns: Sequence[str], primary_key: Sequence[str]) -> None:
    """Raise Rejected unless the table found has the mapping's columns and primary key, each in the same order."""
    table = f'the table "{mapping.table_id}"'
    if tuple(columns) != mapping.column_names:
        raise Rejected(f"columns of {table} do not match {_difference(mapping.column_names, columns)}")
    if tuple(primary_key) != mapping.primary_key:
        raise Rejected(f"primary key of {table} does not match {_difference(mapping.primary_key, primary_key)}")


def _difference(expected: Sequence[str], found: Sequence[str]) -> str:
    return f"expected {_listed(expected)}, found {_listed(found)}"


def _listed(names: Sequence[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False, separators=(",", ":"))
