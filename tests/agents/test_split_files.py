"""A file that is split: what loads, whose dead letters there are, and how often they are told."""

import asyncio

import msgspec
import pytest
from faust.types import TP

from agents.refused_rows import RefusedRows
from app.clock import now_us
from app.destinations.base import RefusedRow
from app.errors import Rejected, Retryable
from app.model.dead_letter import DeadLetter
from app.model.file import File, FileOutcome, FileState, FlushReason, SplitFile
from app.model.letter_record import LettersTold, decode_letter_record
from app.streams import CLAIMS, DEAD_LETTERS, EVENTS, FILES
from tests.agents.bench import FAR_FUTURE_US, Bench, Worker, settled
from tests.fakes import LOG_FAILED, Act, a_mapping, a_receiver, an_event, an_export, fails_after, fails_before
from tests.sim_loop import simulated


def a_bench(*poisonous: str) -> Bench:
    bench = Bench()
    bench.define(a_receiver("r", an_export("x"), an_export("y")), a_receiver("other", an_export("z", "other")))
    bench.destination.poisonous |= set(poisonous)
    return bench


async def cut_events(worker: Worker, *packs: tuple[object, ...]) -> None:
    """Each a message; one cut has them all."""
    mapped = await worker.mapped()
    first = worker.bench.store.partitions[TP(EVENTS, 0)].end
    for pack in packs:
        worker.bench.accept(*pack)
    await worker.take(mapped, first)
    await mapped.cut_if_due(FAR_FUTURE_US)
    await mapped.close()


def put_file(bench: Bench, export: str = "x", *, begin: int = 0, failed: bool = True) -> File:
    """Of the slices of the export that begin at `begin` or later."""
    slices = {part.begin: part for part in bench.announced() if part.export == export and part.begin >= begin}
    times = {"opened_us": 1, "closed_us": now_us()}
    file = File(
        f"{export}-{begin}", export, "r", a_mapping(export), 1, (*slices.values(),), **times, reason=FlushReason.COUNT
    )
    bench.put_file(file)
    if failed:
        later_us = now_us() + 10**12
        bench.put_file(FileOutcome(file.id, export, FileState.FAILED, 1, 1, "refused", later_us, rejected_since_us=1))
    return file


def ask(bench: Bench, file: File) -> None:
    bench.put_file(SplitFile(file.id, file.export, now_us()))


def letters(bench: Bench) -> list[DeadLetter]:
    records = [decode_letter_record(record.value or b"") for record in bench.store.records(DEAD_LETTERS)]
    return [record for record in records if isinstance(record, DeadLetter)]


def refused(bench: Bench) -> list[tuple[str, int, int]]:
    return [(one.event.body.decode(), one.offset, one.index) for one in letters(bench) if one.refused_row is not None]


def loaded_rows(bench: Bench, export: str = "x") -> list[str | None]:
    return [row[0] for row in bench.destination.tables.get(a_mapping(export).table_id, [])]


def last_outcome(bench: Bench) -> FileOutcome:
    return [one for one in bench.files() if isinstance(one, FileOutcome)][-1]


async def load(worker: Worker) -> None:
    await worker.filed()
    await settled()


# splitting


@simulated
async def test_the_rows_that_are_refused_become_dead_letters_of_their_events():
    bench = a_bench("2", "5")
    worker = bench.worker()
    await cut_events(worker, ("1", "2"), ("3",), ("4", "5", "6"))
    ask(bench, put_file(bench))
    await load(worker)
    assert loaded_rows(bench) == ["1", "3", "4", "6"]
    assert refused(bench) == [("2", 0, 1), ("5", 2, 1)]
    assert [letter.id for letter in letters(bench)] == [f"{letters(bench)[0].log_id}-0-{at}" for at in ("0-1", "2-1")]
    assert {letter.reason for letter in letters(bench)} == {"the destination refused its row: poisonous"}
    outcome = last_outcome(bench)
    assert (outcome.state, outcome.refused_rows, outcome.error) == (FileState.LOADED, 2, "")
    (mark,) = bench.destination.watermarks_of("x")
    assert (mark.events_total, mark.dead_total, mark.refused_total) == (6, 2, 2)
    assert bench.destination.refused_rows == []
    assert worker.loading.tally.refused == {"x": 2}


@simulated
async def test_a_file_is_split_when_somebody_asks_and_not_before():
    bench = a_bench("2")
    worker = bench.worker()
    await cut_events(worker, ("1", "2"))
    file = put_file(bench, failed=False)
    filed = await worker.filed()
    await settled()
    assert (last_outcome(bench).state, loaded_rows(bench)) == (FileState.FAILED, [])
    ask(bench, file)
    filed.take(worker.run(FILES, 0))
    assert [status.splitting for status in worker.files_table.of_export("x")] == [True]
    await settled()
    filed.take(worker.run(FILES, 0))
    assert loaded_rows(bench) == ["1"]
    (status,) = worker.files_table.of_export("x")
    assert (status.state, status.splitting, status.refused_rows) == (FileState.LOADED, False, 1)


@simulated
async def test_to_split_what_has_not_failed_changes_nothing():
    bench = a_bench("2")
    worker = bench.worker()
    await cut_events(worker, ("1", "2"))
    ask(bench, put_file(bench, failed=False))
    await load(worker)
    assert (last_outcome(bench).state, loaded_rows(bench)) == (FileState.FAILED, [])


@simulated
async def test_a_destination_that_is_away_is_asked_again_to_split():
    bench = a_bench("2")
    worker = bench.worker()
    await cut_events(worker, ("1", "2"))
    ask(bench, put_file(bench))
    left = [fails_before(Retryable("away", after_s=1)), fails_before(Rejected("something else"))]
    bench.destination.act = lambda call, _: left.pop(0) if call == "load" and left else Act()
    await worker.filed()
    await asyncio.sleep(3000)
    assert loaded_rows(bench) == ["1"]
    assert refused(bench) == [("2", 0, 1)]


@simulated
async def test_the_next_file_is_loaded_as_ever():
    bench = a_bench("2", "4")
    worker = bench.worker()
    await cut_events(worker, ("1", "2"))
    first = put_file(bench)
    await cut_events(worker, ("3", "4"))
    put_file(bench, begin=1, failed=False)
    ask(bench, first)
    await load(worker)
    assert loaded_rows(bench) == ["1"]
    assert last_outcome(bench).id == "x-1"
    assert last_outcome(bench).state is FileState.FAILED


# finding events


@simulated
async def test_events_that_the_export_did_not_want_are_passed_over():
    bench = a_bench("poison")
    worker = bench.worker()
    for_y = an_event("for y", only_export="y")
    for_x = an_event("poison", only_export="x")
    await cut_events(worker, (an_event("z", "other"), "bad one", for_y, "1"), ("bad two", for_x), ("poison",))
    ask(bench, put_file(bench))
    await load(worker)
    assert refused(bench) == [("poison", 1, 1), ("poison", 2, 0)]


@simulated
async def test_events_that_repeat_another_are_passed_over():
    bench = a_bench("poison")
    worker = bench.worker()
    await cut_events(worker, (an_event("first", key="a"),), (an_event("b", key="b"),))
    poison = an_event("poison", key="c")
    await cut_events(worker, (an_event("again", key="a"), poison), (poison, "no key", "bad"), (an_event("d", key="d"),))
    await cut_events(worker, (an_event("e", key="e"), an_event("f", key="f")))
    assert bench.store.partitions[TP(CLAIMS, 0)].end == 3
    ask(bench, put_file(bench))
    await load(worker)
    assert loaded_rows(bench) == ["first", "b", "no key", "d", "e", "f"]
    assert refused(bench) == [("poison", 2, 1)]


def trim(bench: Bench, topic: str, offset: int) -> None:
    partition = bench.store.partitions[TP(topic, 0)]
    partition.trimmed += partition.records[: offset - partition.first]
    del partition.records[: offset - partition.first]
    partition.first = offset


@simulated
async def test_a_letter_holds_the_row_when_the_log_has_the_event_no_more():
    bench = a_bench("2")
    worker = bench.worker()
    await cut_events(worker, ("1", "2"), ("3",))
    trim(bench, EVENTS, 1)
    ask(bench, put_file(bench))
    await load(worker)
    (letter,) = letters(bench)
    assert (letter.event_lost, letter.event.body, letter.event.receiver) == (True, b'{"body": "2"}', "r")
    assert letter.id == f"{letter.log_id}-0-0-2-row"


@simulated
async def test_a_letter_holds_the_row_when_it_is_not_known_which_events_were_cut_as_dead_letters():
    bench = a_bench("2")
    worker = bench.worker()
    await cut_events(worker, ("1", "bad", "2"))
    trim(bench, DEAD_LETTERS, 2)  # of x and of y
    ask(bench, put_file(bench))
    await load(worker)
    (letter,) = letters(bench)
    assert letter.event_lost


# exactly once


@simulated
async def test_letters_are_told_by_the_next_owner_when_the_first_died_behind_the_commit():
    bench = a_bench("2")
    first = bench.worker()
    await cut_events(first, ("1", "2"))
    ask(bench, put_file(bench))
    first.script.plan(f"append {DEAD_LETTERS}", *[fails_before(LOG_FAILED)] * 100)
    filed = await first.filed()
    await settled()
    await filed.close()
    assert (loaded_rows(bench), refused(bench)) == (["1"], [])
    await load(bench.worker())
    assert (loaded_rows(bench), refused(bench)) == (["1"], [("2", 0, 1)])
    assert last_outcome(bench).refused_rows == 1


@simulated
async def test_letters_that_are_told_twice_stand_once():
    bench = a_bench("2")
    first = bench.worker()
    await cut_events(first, ("1", "bad", "2"), ("bad",))
    ask(bench, put_file(bench))
    first.script.plan(f"append {FILES}", *[fails_before(LOG_FAILED)] * 100)
    filed = await first.filed()
    await settled()
    await filed.close()
    trim(bench, EVENTS, 1)  # so that the next owner finds no event
    await load(bench.worker())
    told = [letter for letter in letters(bench) if letter.refused_row is not None]
    assert [letter.event_lost for letter in told] == [False, True]
    kept = await bench.worker().letters()
    standing = kept.view.standing.exports["x"].by_id
    assert len(standing) == 3
    assert not any(letter.event_lost for letter in standing.values())


@simulated
async def test_a_commit_whose_answer_was_lost_is_found_by_the_repeat():
    bench = a_bench("2")
    worker = bench.worker()
    await cut_events(worker, ("1", "2"))
    ask(bench, put_file(bench))
    left = [fails_after(Retryable("gone", after_s=1))]
    bench.destination.act = lambda call, _: left.pop(0) if call == "load" and left else Act()
    await worker.filed()
    await asyncio.sleep(100)
    assert (loaded_rows(bench), refused(bench)) == (["1"], [("2", 0, 1)])
    assert last_outcome(bench).refused_rows == 1


@simulated
async def test_what_the_destination_could_not_forget_is_forgotten_with_the_next_file():
    bench = a_bench("2")
    worker = bench.worker()
    await cut_events(worker, ("1", "2"))
    ask(bench, put_file(bench))
    left = [fails_before(Retryable("away", after_s=1))]
    bench.destination.act = lambda call, _: left.pop(0) if call == "forget_refused" and left else Act()
    filed = await worker.filed()
    await settled()
    assert last_outcome(bench).state is FileState.LOADED
    assert len(bench.destination.refused_rows) == 1
    await cut_events(worker, ("3",))
    put_file(bench, begin=1, failed=False)
    filed.take(worker.run(FILES, 0))
    await settled()
    assert last_outcome(bench).id == "x-1"
    assert (last_outcome(bench).refused_rows, bench.destination.refused_rows) == (0, [])
    kept = await worker.letters()
    assert len(kept.view.standing.exports["x"].by_id) == 1


# letters whose event is lost


async def told(bench: Bench, *rows: int) -> Worker:
    """Letters of such rows of a stretch that the log never had; the odd ones with an event."""
    worker = bench.worker()
    tells = RefusedRows(worker.streams, lambda: worker.log, worker.packs, "x", "r")
    refused_rows = [RefusedRow("x", "life", 0, 0, 9, 9, row, "no", f'{{"body": "{row}"}}') for row in rows]
    await tells.tell(refused_rows)
    return worker


@simulated
async def test_a_letter_without_its_event_does_not_come_again_but_can_be_discarded():
    bench = a_bench()
    worker = await told(bench, 1, 2)
    await cut_events(worker, ("bad",))
    kept = await worker.letters()
    export = an_export("x")
    lost = [letter.id for letter in await worker.dead_letters.page(export, 0, 10) if letter.event_lost]
    assert lost == ["life-0-0-1-row", "life-0-0-2-row"]
    assert await worker.dead_letters.replay(export, lost[0]) == 0
    assert await worker.dead_letters.replay(export) == 1
    await kept.take(worker.run(DEAD_LETTERS))
    await settled()
    assert [event.body for event in bench.replayed()] == [b"bad"]
    assert await worker.dead_letters.discard(export, lost[0]) == 1
    assert await worker.dead_letters.discard(export) == 1
    assert kept.view.standing.exports.get("x") is None


@simulated
async def test_what_was_told_of_refused_rows_is_known_when_the_log_is_trimmed():
    bench = a_bench()
    worker = await told(bench, 1, 2)
    await cut_events(worker, ("bad",))
    kept = await worker.letters()
    await worker.dead_letters.discard(an_export("x"))
    await worker.dead_letters.discard(an_export("y"))
    await kept.trim()
    records = [decode_letter_record(record.value or b"") for record in bench.store.records(DEAD_LETTERS)]
    assert [type(record) for record in records] == [LettersTold]
    chains = [(one.log_id, one.offset, one.index, one.refused) for one in records[0].chains if one.export == "x"]
    assert ("life", 0, 2, True) in chains
    assert len(chains) == 2
    await told(bench, 1, 2, 3)
    fresh = await bench.worker().letters()
    assert list(fresh.view.standing.exports["x"].by_id) == ["life-0-0-3-row"]


def test_what_earlier_versions_wrote_of_letters_and_files_is_read():
    old = b'{"type":"letters-told","end":5,"chains":[["x","life",0,4,0]]}'
    record = decode_letter_record(old)
    assert isinstance(record, LettersTold)
    assert not record.chains[0].refused
    letter = DeadLetter("x", "life", 0, 4, 0, "no", an_event())
    value = msgspec.msgpack.encode({**msgspec.structs.asdict(letter), "event": letter.event})
    without = msgspec.msgpack.decode(value)
    without.pop("refused_row")
    assert decode_letter_record(msgspec.msgpack.encode(without)) == letter


@pytest.mark.parametrize("rows", [1, 40])
@simulated
async def test_letters_are_appended_in_pieces(rows, monkeypatch):
    monkeypatch.setattr("agents.refused_rows.TOLD_BYTES_MAX", 300)
    bench = a_bench()
    worker = await told(bench, *range(1, rows + 1))
    pieces = worker.script.count(f"append {DEAD_LETTERS}")
    assert 1 <= pieces <= rows // 2 + 1
    assert (pieces > 1) == (rows > 1)
    assert [letter.refused_row.row for letter in letters(bench) if letter.refused_row] == list(range(1, rows + 1))
