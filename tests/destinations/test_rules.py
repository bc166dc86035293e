import re
from collections.abc import Iterator

import pytest

from app.destinations.base import Load, LoadSlice, Row, Watermark
from app.destinations.rules import check_table, plan_load
from app.errors import Rejected
from app.model.column import Column, ColumnType
from app.model.export_token import ExportToken
from app.model.mapping import Mapping, parse_table_id

MAPPING = Mapping(
    parse_table_id("in.c-shop.orders"),
    (Column("id", ColumnType.ID, primary_key=True), Column('say "ž"', ColumnType.BODY)),
)
TOKEN = ExportToken("id", "a token", "in.c-shop")


def no_rows() -> Iterator[Row]:
    return iter(())


def a_slice(after: int | None, to: int, partition: int = 0) -> LoadSlice:
    return LoadSlice(
        "log", partition, after, after or 0, to, events=3, events_total=to, open_rows=no_rows, open_csv=tuple
    )


def test_slices_of_a_partition_chain_after_one_another_and_move_its_watermark_once():
    slices = [a_slice(None, 5), a_slice(0, 4, partition=1), a_slice(5, 9)]
    plan = plan_load(Load("export", MAPPING, TOKEN, slices), [Watermark("export", "log", 1, 4, 4, 0)])
    assert plan.slices == (slices[0], slices[2])
    assert plan.watermarks == (Watermark("export", "log", 0, 9, 9, 0),)
    assert plan.skipped == 1


def test_dropped_events_are_added_to_the_dead():
    load = Load("export", MAPPING, TOKEN, [a_slice(5, 9), a_slice(9, 12)], dropped=True)
    plan = plan_load(load, [Watermark("export", "log", 0, 5, 5, 1)])
    assert plan.watermarks == (Watermark("export", "log", 0, 12, 12, 7),)


def test_a_broken_chain_is_told_with_its_figures():
    with pytest.raises(Rejected) as failure:
        plan_load(Load("export", MAPPING, TOKEN, [a_slice(6, 9)]), [Watermark("export", "log", 0, 5, 5, 0)])
    assert str(failure.value) == (
        'the chain of export "export" is broken in partition 0 of log "log": '
        "a slice goes from 6 to 9, the watermark stands at 5"
    )


def test_names_are_told_as_json():
    check_table(MAPPING, ["id", 'say "ž"'], ["id"])
    with pytest.raises(Rejected, match=re.escape(r'expected ["id","say \"ž\""], found []')):
        check_table(MAPPING, [], ["id"])
