"""The first import source: made once, with the first API token, and opened by the token of the settings."""

import pytest

from app.errors import DefinitionRefused
from app.import_sources import TOKEN_PREFIX, ImportSources
from app.model.change import AddToken, Change, CreateImportSource
from app.model.draft import ImportSourceDraft
from app.model.import_source import ImportToken, Region, SourceState
from app.token_texts import token_hash
from tables.receivers import Receivers
from tests.fakes import PROJECT

FIRST = ImportSourceDraft("import_api", 7723)


class Keeper:
    """A log that is never behind. What is in `quicker` comes before the next change."""

    def __init__(self) -> None:
        self.receivers = Receivers()
        self.quicker: list[Change] = []

    async def submit(self, change: Change) -> None:
        for one in [*self.quicker, change]:
            self.receivers.apply(self.receivers.revision, one)
        self.quicker.clear()

    async def catch_up(self) -> None:
        """There is nothing to read."""


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def sources(keeper) -> ImportSources:
    return ImportSources(keeper)


async def test_the_token_of_the_settings_opens_it(sources):
    await sources.ensure_first(FIRST, "given")
    source = sources.of_token("given")
    assert (source.schema, source.client_id, source.region, source.active) == ("import_api", 7723, Region.US, True)


async def test_without_one_the_first_api_token_does(sources, keeper):
    for text in ("first", "second"):
        await keeper.submit(AddToken(PROJECT, token_hash(text)))
    await sources.ensure_first(FIRST, None)
    assert sources.of_token("first").schema == "import_api"
    assert sources.of_token("second") is None


async def test_it_is_made_without_a_token_when_all_are_revoked(sources):
    await sources.ensure_first(FIRST, None)
    assert sources.find("import_api").tokens == ()


async def test_another_start_changes_nothing(sources):
    await sources.ensure_first(FIRST, "given")
    before = sources.find("import_api")
    for token in ("given", None):
        await sources.ensure_first(FIRST, token)
    assert sources.find("import_api") == before


async def test_another_token_in_the_settings_replaces_that_one(sources):
    await sources.ensure_first(FIRST, "given")
    await sources.add_token("import_api", "mine")
    await sources.ensure_first(FIRST, "other")
    assert [sources.of_token(token) is not None for token in ("given", "mine", "other")] == [False, True, True]


async def test_two_tokens_of_its_own_leave_no_room_for_that_of_the_settings(sources):
    await sources.ensure_first(FIRST, None)
    for token in ("one", "two"):
        await sources.add_token("import_api", token)
    with pytest.raises(DefinitionRefused, match="at most 2 tokens"):
        await sources.ensure_first(FIRST, "given")


async def test_whoever_deleted_it_does_not_want_another(sources):
    await sources.ensure_first(FIRST, "given")
    await sources.update("import_api", state=SourceState.DELETED)
    await sources.ensure_first(FIRST, "other")
    assert sources.all() == []
    assert sources.of_token("given").state is SourceState.DELETED
    assert sources.of_token("other") is None


async def test_a_token_that_opens_another_source_stays_there(sources):
    await sources.ensure_first(FIRST, None)
    await sources.create(ImportSourceDraft("mine", 1234), "given")
    await sources.ensure_first(FIRST, "given")
    assert sources.of_token("given").schema == "mine"


async def test_another_worker_that_is_quicker_makes_it(sources, keeper):
    token = ImportToken("theirs", token_hash("given"), 1, by_operator=True)
    keeper.quicker.append(CreateImportSource("theirs", "x", FIRST.name, FIRST.client_id, "t", 1, tokens=(token,)))
    await sources.ensure_first(FIRST, "given")
    assert sources.of_token("given").uid == "theirs"
    assert len(sources.all()) == 1


async def test_a_made_token_is_long_and_says_what_it_is(sources):
    source, text = await sources.create(FIRST)
    assert text.startswith(TOKEN_PREFIX)
    assert len(text) > 40
    assert sources.of_token(text) == source
    _, other = await sources.add_token("import_api")
    assert other != text


async def test_what_is_refused_stands_in_no_log(sources, keeper):
    await sources.ensure_first(FIRST, "given")
    revision = keeper.receivers.revision
    with pytest.raises(DefinitionRefused):
        await sources.create(ImportSourceDraft("Import-API", 1234))
    assert keeper.receivers.revision == revision


async def test_an_unknown_source_is_not_found(sources):
    with pytest.raises(DefinitionRefused) as refused:
        await sources.update("nobody", state=SourceState.PAUSED)
    assert refused.value.rule == "importSourceNotFound"
