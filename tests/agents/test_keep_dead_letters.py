import asyncio

import pytest
from faust.types import TP

from agents import keep_dead_letters
from app import ingest
from app.errors import LogFailed, LogFull
from app.model.change import DeleteExport, UpdateExport
from app.model.dead_letter import DeadLetter
from app.model.draft import ExportChange
from app.model.event import decode_pack
from app.model.letter_record import (
    DiscardLetters,
    LetterCommand,
    LettersReplayed,
    LettersTold,
    ReplayLetters,
    decode_letter_record,
)
from app.model.task import TaskType
from app.streams import DEAD_LETTERS, DEFINITIONS, EVENTS
from tests.agents.bench import Bench, Worker, settled
from tests.fakes import LOG_FAILED, Act, an_event, an_export, fails_after, fails_before
from tests.sim_loop import simulated

ALL = ReplayLetters("x", None, revision=0, asked_us=77)
LETTERS_TP = TP(DEAD_LETTERS, 0)
DEFINITIONS_TP = TP(DEFINITIONS, 0)


def a_letter(offset: int, body: str = "") -> DeadLetter:
    return DeadLetter("x", "log", 0, offset, 0, "bad", an_event(body or str(offset), arrival_us=offset))


def with_letters(count: int = 3) -> Bench:
    bench = Bench()
    bench.define()
    for offset in range(count):
        bench.put_letter(a_letter(offset))
    return bench


def come_again(bench: Bench) -> list[str]:
    return [event.body.decode() for event in bench.replayed()]


def records(bench: Bench, kind: type) -> list:
    decoded = [decode_letter_record(record.value or b"") for record in bench.store.records(DEAD_LETTERS)]
    return [record for record in decoded if isinstance(record, kind)]


async def ask(worker: Worker, command: LetterCommand) -> int:
    """As a door, and then the agent hears of it."""
    taken = await worker.dead_letters._ask(an_export(command.export), command)
    for kept in worker.kept.values():
        await kept.take(worker.run(DEAD_LETTERS))
    return taken


def there(partition: keep_dead_letters.DeadLetterPartition) -> int:
    letters = partition.view.standing.exports.get("x")
    return 0 if letters is None else len(letters.by_id)


@simulated
async def test_letters_come_again_as_events_for_their_export():
    bench = with_letters()
    worker = bench.worker()
    letters = await worker.letters()
    assert await ask(worker, ALL) == 3
    await settled()
    assert bench.replayed() == [a_letter(offset).again(asked_us=77) for offset in range(3)]
    assert there(letters) == 0


@simulated
async def test_a_door_that_has_not_heard_of_a_mended_mapping_lets_letters_come_again_under_it():
    bench = with_letters(1)
    worker = bench.worker()
    await worker.keeper.catch_up()
    await worker.stop_keeping()
    bench.work(UpdateExport("r", "x", ExportChange(count=7)), TaskType.EXPORT_UPDATE)
    mended = bench.store.partitions[DEFINITIONS_TP].end
    await worker.letters()
    asking = asyncio.ensure_future(worker.dead_letters.replay(an_export("x")))
    await settled()
    assert worker.keeper.receivers.revision < mended
    worker.keep_again()
    assert await asking == 1
    (command,) = records(bench, ReplayLetters)
    assert command.revision == mended


@simulated
async def test_letters_that_are_asked_for_stand_no_more_though_they_cannot_come_yet():
    bench = with_letters()
    worker = bench.worker()
    letters = await worker.letters()
    worker.script.plan(f"append {EVENTS}", *[fails_before(LOG_FAILED)] * 100)
    assert await ask(worker, ReplayLetters("x", "log-0-1-0", 0, 77)) == 1
    assert await ask(worker, ReplayLetters("x", "log-0-1-0", 0, 77)) == 0
    assert await ask(worker, DiscardLetters("x", None)) == 2
    assert (there(letters), come_again(bench)) == (0, [])


@simulated
async def test_what_names_nothing_is_not_written_down():
    bench = with_letters(0)
    worker = bench.worker()
    await worker.letters()
    assert await ask(worker, ALL) == 0
    assert await ask(worker, DiscardLetters("x", "log-0-1-0")) == 0
    assert bench.store.records(DEAD_LETTERS) == []


@simulated
async def test_letters_that_are_discarded_never_come_again():
    bench = with_letters()
    worker = bench.worker()
    await worker.letters()
    assert await ask(worker, DiscardLetters("x", "log-0-1-0")) == 1
    assert await ask(worker, ALL) == 2
    await settled()
    assert come_again(bench) == ["0", "2"]


@simulated
async def test_a_run_tells_of_letters_and_of_what_others_ask():
    bench = with_letters(1)
    worker = bench.worker()
    letters = await worker.letters()
    bench.put_letter(a_letter(1))
    await letters.take(worker.run(DEAD_LETTERS, 0))
    assert there(letters) == 2
    bench.put_letter(a_letter(2))
    bench.put_letter(ALL)
    await letters.take(worker.run(DEAD_LETTERS, 3))  # what comes before has not come yet
    await settled()
    assert come_again(bench) == ["0", "1", "2"]


@simulated
async def test_a_large_replay_goes_in_pieces(monkeypatch):
    monkeypatch.setattr(keep_dead_letters, "REPLAYED_AT_ONCE_MAX", 2)
    bench = with_letters(5)
    worker = bench.worker()
    await worker.letters()
    assert await ask(worker, ALL) == 5
    await settled()
    assert come_again(bench) == ["0", "1", "2", "3", "4"]
    assert records(bench, LettersReplayed) == [LettersReplayed("x", 5, end) for end in (2, 4, 5)]
    assert len(bench.store.records(EVENTS)) == 3


@simulated
async def test_a_new_owner_does_what_is_left_and_only_that(monkeypatch):
    monkeypatch.setattr(keep_dead_letters, "REPLAYED_AT_ONCE_MAX", 2)
    bench = with_letters(5)
    worker = bench.worker()
    first = await worker.letters()
    worker.script.plan(f"append {EVENTS}", Act(), *[fails_before(LOG_FAILED)] * 100)
    await ask(worker, ALL)
    await settled()
    await first.close()
    assert come_again(bench) == ["0", "1"]
    await bench.worker().letters()
    await settled()
    assert come_again(bench) == ["0", "1", "2", "3", "4"]
    await bench.worker().letters()
    await settled()
    assert len(bench.replayed()) == 5


@simulated
async def test_a_try_whose_answer_was_lost_is_not_repeated_where_appends_are_whole():
    bench = with_letters()
    worker = bench.worker()
    worker.log.appends_whole = True
    await worker.letters()
    worker.script.plan(f"append {EVENTS}", fails_after(LOG_FAILED))
    await ask(worker, ALL)
    await asyncio.sleep(60)
    assert come_again(bench) == ["0", "1", "2"]


@simulated
async def test_events_that_came_without_their_record_come_again_under_the_same_key():
    bench = with_letters()
    worker = bench.worker()
    await worker.letters()
    await ask(worker, ALL)
    worker.script.plan(f"append {DEAD_LETTERS}", fails_before(LOG_FAILED))
    await asyncio.sleep(60)
    assert come_again(bench) == ["0", "1", "2"] * 2
    assert records(bench, LettersReplayed) == [LettersReplayed("x", 3, 3)]
    assert len({event.key for event in bench.replayed()}) == 3
    assert len({event.entered_us for event in bench.replayed()}) == 1


@simulated
async def test_a_full_log_delays_a_replay_and_nothing_else(monkeypatch):
    monkeypatch.setattr(ingest, "SIZE_ASKED_EVERY_S", 0)
    bench = with_letters()
    worker = bench.worker()
    letters = await worker.letters()
    worker.log.used = 1 << 40
    assert await ask(worker, ReplayLetters("x", "log-0-1-0", 0, 77)) == 1
    await settled()
    assert come_again(bench) == []
    bench.put_letter(a_letter(9))
    await letters.take(worker.run(DEAD_LETTERS))
    page = await letters.view.page("x", offset=0, limit=10)
    assert [letter.offset for letter in page] == [0, 2, 9]
    worker.log.used = 0
    await asyncio.sleep(60)
    assert come_again(bench) == ["1"]


@simulated
async def test_nothing_comes_again_before_events_may_be_accepted():
    bench = with_letters()
    bench.put_letter(ALL)
    worker = bench.worker()
    worker.accepting = False
    await worker.letters()
    await asyncio.sleep(60)
    assert come_again(bench) == []
    worker.accepting = True
    await asyncio.sleep(60)
    assert come_again(bench) == ["0", "1", "2"]


@simulated
async def test_a_command_that_the_log_does_not_take_is_refused_and_changes_nothing():
    bench = with_letters()
    worker = bench.worker()
    letters = await worker.letters()
    worker.script.plan(f"append {DEAD_LETTERS}", fails_before(LogFull("no room")))
    with pytest.raises(LogFull):
        await ask(worker, ALL)
    assert there(letters) == 3
    assert await ask(worker, ALL) == 3


@simulated
async def test_events_go_out_under_the_revision_that_was_asked_for():
    bench = with_letters(1)
    worker = bench.worker()
    await worker.letters()
    await ask(worker, ReplayLetters("x", None, revision=10**6, asked_us=77))
    await settled()
    (record,) = bench.store.records(EVENTS)
    assert decode_pack(record.value or b"").revision == 10**6


@simulated
async def test_letters_of_an_export_that_is_deleted_are_forgotten():
    bench = with_letters()
    worker = bench.worker()
    letters = await worker.letters()
    worker.script.plan(f"append {EVENTS}", *[fails_before(LOG_FAILED)] * 3)
    await ask(worker, ReplayLetters("x", "log-0-1-0", 0, 77))
    await worker.keeper.reached(bench.change(DeleteExport("r", "x")))
    await asyncio.sleep(60)
    assert (there(letters), come_again(bench)) == (0, [])
    await letters.trim()
    assert records(bench, DeadLetter) == []


@simulated
async def test_what_cannot_be_handled_stops_the_worker():
    bench = with_letters()
    worker = bench.worker()
    await worker.letters()
    worker.script.plan(f"append {EVENTS}", fails_before(ValueError("unforeseen")))
    await ask(worker, ALL)
    await settled()
    assert [str(error) for error in worker.app.crashed] == ["unforeseen"]


# trimming


def whats_left(bench: Bench) -> list[type]:
    return [type(decode_letter_record(record.value or b"")) for record in bench.store.records(DEAD_LETTERS)]


@simulated
async def test_what_is_dealt_with_is_deleted_and_what_was_told_is_remembered():
    bench = with_letters(2)
    worker = bench.worker()
    letters = await worker.letters()
    await ask(worker, ReplayLetters("x", "log-0-0-0", 0, 77))
    await settled()
    for _ in range(2):
        await letters.trim()
        await letters.take(worker.run(DEAD_LETTERS))
        assert whats_left(bench) == [DeadLetter, ReplayLetters, LettersReplayed, LettersTold]
    await ask(worker, ALL)
    await settled()
    for _ in range(3):
        await letters.trim()
        await letters.take(worker.run(DEAD_LETTERS))
    assert whats_left(bench) == [LettersTold]
    for offset in (0, 1):
        bench.put_letter(a_letter(offset))  # an announcement that is made again
    assert there(await bench.worker().letters()) == 0


@simulated
async def test_a_letter_that_was_told_again_before_the_log_was_trimmed_is_no_other():
    bench = with_letters(1)
    worker = bench.worker()
    letters = await worker.letters()
    await ask(worker, DiscardLetters("x", None))
    bench.put_letter(a_letter(1))
    bench.put_letter(a_letter(0))
    await letters.take(worker.run(DEAD_LETTERS))
    await letters.trim()
    assert whats_left(bench) == [DeadLetter, DeadLetter, LettersTold]
    page = await (await bench.worker().letters()).view.page("x", offset=0, limit=10)
    assert [letter.offset for letter in page] == [1]


@simulated
async def test_an_owner_that_overslept_a_trim_reads_again_from_the_beginning():
    bench = with_letters(2)
    sleeping = bench.worker()
    sleeper = await sleeping.letters()
    worker = bench.worker()
    letters = await worker.letters()
    await ask(worker, DiscardLetters("x", None))
    bench.put_letter(a_letter(5))
    await letters.take(worker.run(DEAD_LETTERS))
    await letters.trim()
    await sleeper.trim()
    assert (there(sleeper), whats_left(bench)) == (2, [DeadLetter, LettersTold])
    assert await ask(sleeping, DiscardLetters("x", "log-0-1-0")) == 0
    assert there(sleeper) == 1


@simulated
async def test_a_log_that_an_earlier_version_trimmed_is_read():
    bench = with_letters(2)
    await bench.worker().log.delete_before(LETTERS_TP, 1)
    assert there(await bench.worker().letters()) == 1


@simulated
async def test_nothing_that_is_to_come_again_is_deleted():
    bench = with_letters(2)
    worker = bench.worker()
    letters = await worker.letters()
    worker.log.used = 1 << 40
    await ask(worker, ALL)
    await letters.trim()
    assert whats_left(bench) == [DeadLetter, DeadLetter, ReplayLetters]


@simulated
async def test_what_was_told_is_written_down_before_anything_is_deleted():
    bench = with_letters(2)
    worker = bench.worker()
    letters = await worker.letters()
    await ask(worker, DiscardLetters("x", None))
    worker.script.plan(f"append {DEAD_LETTERS}", fails_before(LOG_FAILED))
    with pytest.raises(LogFailed):
        await letters.trim()
    assert len(records(bench, DeadLetter)) == 2


# doors


@simulated
async def test_letters_that_another_worker_keeps_are_listed_replayed_and_discarded_here():
    bench = with_letters(3)
    keeper, door = bench.worker(), bench.worker()
    letters = await keeper.letters()
    export = an_export("x")
    page = await door.dead_letters.page(export, 1, 2)
    assert [letter.offset for letter in page] == [1, 2]
    assert await door.dead_letters.find(export, "log-0-2-0") == page[1]
    assert await door.dead_letters.discard(export, "log-0-0-0") == 1
    assert await door.dead_letters.replay(export) == 2
    assert await door.dead_letters.page(export, 0, 10) == []
    assert come_again(bench) == []
    await letters.take(keeper.run(DEAD_LETTERS))
    await settled()
    assert come_again(bench) == ["1", "2"]


@simulated
async def test_what_is_asked_at_two_doors_at_once_is_done_once():
    bench = with_letters(3)
    doors = [bench.worker(), bench.worker()]
    answers = await asyncio.gather(*(door.dead_letters.replay(an_export("x")) for door in doors for _ in range(2)))
    assert sorted(answers) == [0, 0, 0, 3]
