from hypothesis import given
from hypothesis import strategies as st

from app.model.dead_letter import DeadLetter
from app.model.letter_record import DiscardLetters, LettersReplayed, LettersTold, ReplayLetters, ToldUntil
from tables import standing_letters
from tables.standing_letters import ANSWERS_KEPT_MAX, StandingLetters, Told
from tests.fakes import an_event

SIZE = 10


def a_letter(offset: int, export: str = "x", *, index: int = 0, arrival_us: int = 0, partition: int = 0) -> DeadLetter:
    return DeadLetter(export, "log", partition, offset, index, "bad", an_event(arrival_us=arrival_us or offset))


def all_of(export: str = "x") -> ReplayLetters:
    return ReplayLetters(export, None, revision=1, asked_us=1)


def one(letter_id: str) -> ReplayLetters:
    return ReplayLetters("x", letter_id, revision=1, asked_us=1)


def folded(*records, deleted: set[str] | None = None, first: int = 0) -> StandingLetters:
    standing = StandingLetters((deleted or set()).__contains__)
    standing.position = first
    for offset, record in enumerate(records, start=first):
        standing.apply(offset, SIZE, record)
    return standing


def there(standing: StandingLetters, export: str = "x") -> list[str]:
    letters = standing.exports.get(export)
    return [] if letters is None else [letter.id for letter in letters.by_arrival]


def to_come(standing: StandingLetters) -> dict[int, list[str]]:
    return {offset: [letter.id for letter in replay.letters] for offset, replay in standing.replays.items()}


def test_letters_stand_by_arrival_each_with_its_export():
    standing = folded(a_letter(1, arrival_us=9), a_letter(2, arrival_us=5), a_letter(3, "y"))
    assert there(standing) == ["log-0-2-0", "log-0-1-0"]
    assert there(standing, "y") == ["log-0-3-0"]
    assert there(standing, "z") == []


def test_a_letter_that_is_told_again_is_no_other():
    standing = folded(a_letter(1), a_letter(1, index=1), a_letter(1), a_letter(1, index=1), a_letter(2))
    assert there(standing) == ["log-0-1-0", "log-0-1-1", "log-0-2-0"]


def test_a_replay_takes_what_stands_before_it_and_is_left_to_be_done():
    standing = folded(a_letter(1), a_letter(2), a_letter(1, "y"), all_of(), a_letter(3))
    assert there(standing) == ["log-0-3-0"]
    assert there(standing, "y") == ["log-0-1-0"]
    assert to_come(standing) == {3: ["log-0-1-0", "log-0-2-0"]}
    assert standing.answers == {3: 2}


def test_one_letter_is_taken_by_its_id_and_by_one_command():
    standing = folded(a_letter(1), a_letter(2), one("log-0-2-0"), one("log-0-2-0"), all_of(), all_of())
    assert to_come(standing) == {2: ["log-0-2-0"], 4: ["log-0-1-0"]}
    assert standing.answers == {2: 1, 3: 0, 4: 1, 5: 0}


def test_what_is_replayed_is_gone_in_pieces():
    letters = [a_letter(offset) for offset in range(4)]
    standing = folded(*letters, all_of(), LettersReplayed("x", 4, 2))
    assert to_come(standing) == {4: ["log-0-2-0", "log-0-3-0"]}
    standing.apply(6, SIZE, LettersReplayed("x", 4, 4))
    standing.apply(7, SIZE, LettersReplayed("x", 4, 4))  # of another owner
    assert to_come(standing) == {}


def test_what_was_replayed_stays_gone_when_it_is_told_again():
    standing = folded(a_letter(1), a_letter(2), all_of(), LettersReplayed("x", 2, 2), a_letter(1), a_letter(2))
    assert (there(standing), to_come(standing)) == ([], {})


def test_a_discard_takes_what_stands_and_nothing_that_is_to_come_again():
    standing = folded(a_letter(1), a_letter(2), one("log-0-1-0"), DiscardLetters("x", None), a_letter(3))
    assert there(standing) == ["log-0-3-0"]
    assert to_come(standing) == {2: ["log-0-1-0"]}
    standing.apply(5, SIZE, DiscardLetters("x", "log-0-3-0"))
    assert there(standing) == []
    assert standing.answers == {2: 1, 3: 1, 5: 1}


def test_a_command_speaks_of_letters_that_stand():
    standing = folded(a_letter(1))
    assert standing.names(all_of())
    assert standing.names(one("log-0-1-0"))
    assert not standing.names(one("log-0-2-0"))
    assert not standing.names(all_of("y"))
    standing.apply(1, SIZE, DiscardLetters("x", "log-0-1-0"))
    assert not standing.names(all_of())


def test_an_export_keeps_its_newest_letters_up_to_a_number(monkeypatch):
    monkeypatch.setattr(standing_letters, "LETTERS_PER_EXPORT_MAX", 2)
    standing = folded(a_letter(1, arrival_us=7), a_letter(2, arrival_us=5), a_letter(3, arrival_us=9), a_letter(1, "y"))
    assert there(standing) == ["log-0-1-0", "log-0-3-0"]
    assert standing.overflowed == {"x": 1}


def test_an_export_keeps_its_newest_letters_up_to_a_size(monkeypatch):
    monkeypatch.setattr(standing_letters, "BYTES_PER_EXPORT_MAX", 2 * SIZE)
    standing = folded(a_letter(1), a_letter(2), DiscardLetters("x", "log-0-1-0"), a_letter(3), a_letter(4))
    assert there(standing) == ["log-0-3-0", "log-0-4-0"]


def test_letters_of_a_deleted_export_are_forgotten():
    deleted = {"y"}
    standing = folded(a_letter(1), all_of(), a_letter(2), a_letter(1, "y"), deleted=deleted)
    assert there(standing, "y") == []
    deleted.add("x")
    standing.forget_deleted()
    assert (there(standing), to_come(standing)) == ([], {})


def test_a_record_that_is_folded_already_changes_nothing():
    standing = folded(a_letter(1), a_letter(2))
    standing.apply(1, SIZE, all_of())
    assert there(standing) == ["log-0-1-0", "log-0-2-0"]


def test_answers_that_nobody_fetches_go_in_time():
    standing = folded(*[all_of() for _ in range(ANSWERS_KEPT_MAX + 1)])
    assert len(standing.answers) == ANSWERS_KEPT_MAX
    assert 0 not in standing.answers


def test_the_log_is_needed_from_the_first_letter_that_stands_or_is_to_come():
    records = [a_letter(1), a_letter(2), a_letter(3, "y"), one("log-0-2-0"), DiscardLetters("x", None)]
    standing = folded(*records)
    assert standing.needed_from() == 1
    standing.apply(5, SIZE, LettersReplayed("x", 3, 2))
    assert standing.needed_from() == 2
    standing.apply(6, SIZE, DiscardLetters("y", None))
    assert standing.needed_from() == 7


# the log may be trimmed at any time

CHAINS = [("x", 0), ("x", 1), ("y", 0)]


@st.composite
def histories(draw):
    """Letters told in the order of their chains, now and then again from an earlier one on; commands and their ends."""
    records: list = []
    chains: dict = {chain: [] for chain in CHAINS}
    for _ in range(draw(st.integers(1, 30))):
        kind = draw(st.sampled_from(["new", "new", "again", "replay", "one", "discard", "replayed"]))
        chain = draw(st.sampled_from(CHAINS))
        letters = chains[chain]
        if kind == "new":
            letters.append(a_letter(len(letters), chain[0], partition=chain[1], arrival_us=draw(st.integers(1, 5))))
            records.append(letters[-1])
        elif kind == "again" and letters:
            records += letters[draw(st.integers(0, len(letters) - 1)) :]
        elif kind == "replay":
            records.append(all_of(chain[0]))
        elif kind == "discard":
            records.append(DiscardLetters(chain[0], None))
        elif kind == "one" and letters:
            records.append(ReplayLetters(chain[0], draw(st.sampled_from(letters)).id, 1, 1))
        elif kind == "replayed" and (pending := folded(*records).replays):
            offset, replay = draw(st.sampled_from(list(pending.items())))
            end = draw(st.sampled_from([letter.offset for letter in replay.letters])) + 1
            records.append(LettersReplayed(replay.command.export, offset, end))
    return records


@given(histories(), st.data())
def test_it_is_the_same_from_a_log_that_was_trimmed(records, data):
    whole = folded(*records)
    at = data.draw(st.integers(0, len(records)), label="trimmed when so many records stood")
    end = data.draw(st.integers(0, folded(*records[:at]).needed_from()), label="up to this one")
    told = Told()
    for record in records[:end]:
        if isinstance(record, DeadLetter):
            told.is_news(record)
    trimmed = StandingLetters(lambda _uid: False, told.before(end))
    for offset, record in list(enumerate(records))[end:]:
        trimmed.apply(offset, SIZE, record)
    for export in ("x", "y"):
        assert there(trimmed, export) == there(whole, export)
    assert to_come(trimmed) == to_come(whole)


@given(histories())
def test_a_letter_comes_again_once_or_stands_or_is_discarded(records):
    standing = StandingLetters(lambda _uid: False)
    taken: list[str] = []
    for offset, record in enumerate(records):
        before = set(standing.replays)
        standing.apply(offset, SIZE, record)
        for new in set(standing.replays) - before:
            replay = standing.replays[new]
            taken += [f"{replay.command.export} {letter.id}" for letter in replay.letters]
    assert len(taken) == len(set(taken))
    for export in ("x", "y"):
        assert not {f"{export} {letter}" for letter in there(standing, export)} & set(taken)


def test_told_holds_the_last_of_each_chain_of_exports_that_live():
    told = Told(LettersTold(3, (ToldUntil("x", "log", 0, 1, 7), ToldUntil("gone", "log", 0, 1, 7))))
    assert [told.is_news(a_letter(1, index=index)) for index in (6, 7, 8)] == [False, False, True]
    assert told.is_news(a_letter(0, "y", partition=3))
    told.forget({"gone"}.__contains__)
    assert told.before(9) == LettersTold(9, (ToldUntil("x", "log", 0, 1, 8), ToldUntil("y", "log", 3, 0, 0)))
