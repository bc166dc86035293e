import pytest

from app.model.dead_letter import DeadLetter
from app.model.letter_record import DiscardLetters, LetterRecord, encode_letter_record
from app.streams import DEAD_LETTERS
from app.transports.log import NewRecord
from tables import dead_letters
from tables.dead_letters import DeadLettersView
from tests.fakes import FakeLog, FakeStore, an_event


class Shelf:
    """A view of a log of dead letters."""

    def __init__(self) -> None:
        self.store = FakeStore(1)
        self.log = FakeLog(self.store)
        self.view = DeadLettersView(lambda: self.log, 0, lambda _uid: False)

    def put(self, *records: LetterRecord) -> None:
        for record in records:
            self.store.add(NewRecord(DEAD_LETTERS, 0, None, encode_letter_record(record)))

    async def bodies(self, offset: int = 0, limit: int = 100) -> list[str]:
        await self.view.read()
        return [letter.event.body.decode() for letter in await self.view.page("x", offset=offset, limit=limit)]


def a_letter(offset: int, export: str = "x", **event: object) -> DeadLetter:
    return DeadLetter(export, "log", 0, offset, 0, "bad", an_event(str(offset), **event))


async def test_letters_are_listed_by_arrival_in_pages():
    shelf = Shelf()
    shelf.put(*[a_letter(offset, arrival_us=10 - offset) for offset in range(5)])
    assert await shelf.bodies() == ["4", "3", "2", "1", "0"]
    assert await shelf.bodies(1, 2) == ["3", "2"]
    assert await shelf.bodies(9) == []


async def test_letters_are_found_between_those_of_others():
    shelf = Shelf()
    for offset in range(4):
        shelf.put(a_letter(offset, arrival_us=offset), a_letter(offset, "y"), a_letter(offset, "z"))
    shelf.put(DiscardLetters("x", "log-0-1-0"))
    assert await shelf.bodies() == ["0", "2", "3"]
    found = await shelf.view.find("x", "log-0-3-0")
    assert found == a_letter(3, arrival_us=3)
    assert await shelf.view.find("x", "log-0-1-0") is None
    assert await shelf.view.find("nobody", "log-0-1-0") is None


async def test_a_page_has_a_limit_of_bytes_but_at_least_one_letter(monkeypatch):
    shelf = Shelf()
    shelf.put(*[a_letter(offset, arrival_us=offset) for offset in range(3)])
    size = len(encode_letter_record(a_letter(0)))
    for bytes_max, count in ((1, 1), (2 * size, 2), (100 * size, 3)):
        monkeypatch.setattr(dead_letters, "PAGE_BYTES_MAX", bytes_max)
        assert len(await shelf.bodies()) == count


@pytest.mark.parametrize("deleted_before", [1, 2, 3])
async def test_a_letter_that_is_deleted_from_the_log_meanwhile_is_passed_over(deleted_before):
    shelf = Shelf()
    shelf.put(*[a_letter(offset, arrival_us=offset) for offset in range(3)])
    await shelf.view.read()
    (tp,) = [tp for tp in shelf.store.partitions if tp.topic == DEAD_LETTERS]
    await shelf.log.delete_before(tp, deleted_before)
    assert await shelf.bodies() == [str(offset) for offset in range(deleted_before, 3)]


async def test_a_log_that_is_read_in_small_bites_says_the_same(monkeypatch):
    monkeypatch.setattr(dead_letters, "READ_BYTES_MAX", 1)
    shelf = Shelf()
    shelf.put(*[a_letter(offset, arrival_us=offset) for offset in range(5)])
    assert await shelf.bodies() == ["0", "1", "2", "3", "4"]
