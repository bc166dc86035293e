import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DefinitionRefused
from app.model.change import (
    AddImportToken,
    AddToken,
    Change,
    CreateImportSource,
    ImportChange,
    RevokeImportToken,
    UpdateImportSource,
    decode_change,
    encode_change,
)
from app.model.import_source import NO_PROJECT, ImportSource, ImportToken, Region, SourceState, is_reserved, schema_of
from app.model.mapping import MappingKind
from app.slicing.due import age_max_us
from tables.import_sources import conditions_of
from tables.receivers import MAPPINGS_PER_EXPORT_MAX, Receivers, receivers_loaded_within
from tests.fakes import PROJECT


class Folding:
    """Definitions, fed change by change."""

    def __init__(self, interval_s: float = 5.0) -> None:
        self.receivers = receivers_loaded_within(interval_s)
        self.sources = self.receivers.import_sources

    def take(self, change: Change) -> None:
        self.receivers.apply(self.receivers.revision, decode_change(encode_change(change)))

    def refused(self, change: Change) -> str:
        with pytest.raises(DefinitionRefused) as refused:
            self.take(change)
        return refused.value.rule

    def source(self, name: str) -> ImportSource:
        source = self.sources.find(name)
        assert source is not None
        return source


def create(uid: str = "s", name: str | None = None, *tokens: str, **changes) -> CreateImportSource:
    given = {"client_id": 7723, "token_id": f"{uid}-token", "created_us": 9, **changes}
    return CreateImportSource(uid, f"{uid}-x", uid if name is None else name, tokens=tuple(map(token, tokens)), **given)


def token(sha256: str, *, by_operator: bool = False) -> ImportToken:
    return ImportToken(f"{sha256}-id", sha256, 1, by_operator)


def delete(uid: str) -> UpdateImportSource:
    return UpdateImportSource(uid, state=SourceState.DELETED)


@pytest.fixture
def folding() -> Folding:
    return Folding()


# names


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("Customer Records", "customer_records"),
        ("import_api", "import_api"),
        ("Größe 2.0", "gr__e_2_0"),
        ("A-b", "a_b"),
    ],
)
def test_the_schema_is_made_of_the_name(name, schema):
    assert schema_of(name) == schema


@pytest.mark.parametrize("name", ["in", "Out", "sys", "pg_temp", "information_schema", "sqlite_x", "_forebay", "é", ""])
def test_what_is_for_something_else_is_no_schema(folding, name):
    assert is_reserved(schema_of(name))
    assert folding.refused(create("s", name)) == "importSchemaNotAvailable"


def test_a_schema_is_one_sources(folding):
    folding.take(create("s", "Customer Records"))
    assert folding.refused(create("t", "customer-records")) == "importSourceAlreadyExists"
    assert [source.uid for source in folding.sources.all()] == ["s"]


def test_a_new_name_does_not_change_the_schema(folding):
    folding.take(create("s", "Old"))
    folding.take(UpdateImportSource("s", name="New"))
    assert (folding.source("old").name, folding.sources.find("new")) == ("New", None)


def test_a_projects_bucket_is_no_schema_and_the_other_way_round(folding):
    folding.receivers._buckets["shop"] = PROJECT
    assert folding.refused(create("s", "Shop")) == "importSchemaNotAvailable"
    assert folding.sources.find("shop") is None
    assert not folding.sources.had_any


# what it is to the core


def test_a_source_is_a_receiver_with_one_export_of_documents(folding):
    folding.take(create("s", append_only=True))
    receiver = folding.receivers.by_uid["s"]
    export = folding.receivers.export("s-x")
    assert receiver.exports == (export,)
    assert receiver.keyed
    assert (export.mapping.kind, export.mapping.append_only) == (MappingKind.DOCUMENTS, True)
    assert folding.receivers.mapping("s-x", 1) == export.mapping
    assert folding.receivers.export_token("s-x", 1).opens(export.mapping.table_id)
    assert folding.receivers.export_name("s-x") == "s/documents"


def test_the_buffer_api_does_not_see_it(folding):
    folding.take(create("s"))
    assert folding.receivers.receiver(NO_PROJECT, "s") is None
    assert folding.receivers.of_project(NO_PROJECT) == []


def test_its_documents_are_loaded_within_the_interval():
    for interval_s, closed_s in ((1.0, 0.5), (5.0, 4.5), (60.0, 59.5)):
        folding = Folding(interval_s)
        folding.take(create("s"))
        conditions = folding.source("s").export.conditions
        assert conditions == conditions_of(interval_s)
        assert conditions.time_s == closed_s
        assert age_max_us(conditions.time_s) < closed_s * 1_000_000 / 2


def test_append_only_is_a_new_mapping_and_an_equal_one_is_none(folding):
    folding.take(create("s"))
    folding.take(UpdateImportSource("s", append_only=False, token_id="same"))
    assert folding.source("s").export.mapping_number == 1
    folding.take(UpdateImportSource("s", append_only=True, token_id="other", token_created_us=7))
    export = folding.receivers.export("s-x")
    assert (export.mapping_number, export.mapping.append_only, export.token.id) == (2, True, "other")
    assert folding.source("s").append_only
    assert folding.receivers.mapping("s-x", 1).append_only is False
    assert folding.receivers.export_token("s-x", 1).id == "s-token"


def test_it_has_no_more_mappings_than_an_export(folding):
    folding.take(create("s"))
    for number in range(1, MAPPINGS_PER_EXPORT_MAX):
        folding.take(UpdateImportSource("s", append_only=number % 2 == 1))
    before = folding.source("s")
    change = UpdateImportSource("s", append_only=not before.append_only)
    assert folding.refused(change) == "importSourceMappingLimitReached"
    assert folding.source("s") == before


# states


def test_a_paused_source_is_known_by_its_token_and_may_be_resumed(folding):
    folding.take(create("s", None, "a"))
    folding.take(UpdateImportSource("s", state=SourceState.PAUSED))
    assert not folding.sources.of_token("a").active
    folding.take(UpdateImportSource("s", state=SourceState.ACTIVE))
    assert folding.sources.of_token("a").active


def test_what_a_deleted_source_accepted_still_loads(folding):
    folding.take(create("s", None, "a"))
    export = folding.source("s").export
    folding.take(delete("s"))
    assert (folding.sources.find("s").state, folding.sources.all()) == (SourceState.DELETED, [])
    assert folding.receivers.export("s-x") == export
    assert folding.receivers.export_token("s-x", 1) == export.token
    assert folding.receivers.deleted == set()
    assert folding.sources.of_token("a").state is SourceState.DELETED


def test_a_deleted_source_is_never_changed_again(folding):
    folding.take(create("s", None, "a"))
    folding.take(delete("s"))
    changes: list[ImportChange] = [
        delete("s"),
        UpdateImportSource("s", state=SourceState.ACTIVE),
        AddImportToken("s", token("b")),
        RevokeImportToken("s", "a-id"),
    ]
    assert {folding.refused(change) for change in changes} == {"importSourceNotFound"}


def test_the_schema_of_a_deleted_source_may_be_anothers(folding):
    folding.take(create("s", "Shop", "a"))
    folding.take(delete("s"))
    folding.take(create("t", "Shop", "b"))
    assert folding.source("shop").uid == "t"
    assert folding.source("s").state is SourceState.DELETED
    names = {folding.receivers.export_name(uid) for uid in ("s-x", "t-x")}
    assert names == {"shop-s/documents", "shop/documents"}  # metrics tell them apart


def test_too_many_deleted_sources_are_forgotten_in_the_end(folding, monkeypatch):
    monkeypatch.setattr("tables.import_sources.DELETED_IMPORT_SOURCES_MAX", 1)
    for uid in "ab":
        folding.take(create(uid, "Shop", f"{uid}-token"))
        folding.take(delete(uid))
    assert folding.sources.find("a") is folding.sources.of_token("a-token") is None
    assert folding.receivers.deleted == {"a", "a-x"}
    assert folding.receivers.by_uid.keys() == {"b"}


def test_so_many_sources_may_stand(folding, monkeypatch):
    monkeypatch.setattr("tables.import_sources.IMPORT_SOURCES_MAX", 1)
    folding.take(create("s"))
    assert folding.refused(create("t")) == "importSourceCountLimitReached"
    folding.take(delete("s"))
    folding.take(create("t"))


# tokens


def test_a_token_opens_its_source_until_it_is_revoked(folding):
    folding.take(create("s", None, "a", region=Region.EU))
    assert folding.sources.of_token("a").region is Region.EU
    folding.take(RevokeImportToken("s", "a-id"))
    assert folding.sources.of_token("a") is None
    assert folding.refused(RevokeImportToken("s", "a-id")) == "importTokenNotFound"


def test_a_source_has_at_most_two_tokens(folding):
    folding.take(create("s", None, "a"))
    folding.take(AddImportToken("s", token("b")))
    assert folding.refused(AddImportToken("s", token("c"))) == "importTokenCountLimitReached"
    folding.take(RevokeImportToken("s", "a-id"))
    folding.take(AddImportToken("s", token("c")))
    assert [folding.sources.of_token(one) is not None for one in "abc"] == [False, True, True]


def test_a_token_opens_one_source(folding):
    folding.take(create("s", None, "a"))
    assert folding.refused(create("t", None, "a")) == "importTokenAlreadyExists"
    assert folding.refused(create("t", None, "b", "b")) == "importTokenAlreadyExists"
    assert folding.refused(AddImportToken("s", token("a"))) == "importTokenAlreadyExists"
    assert folding.sources.find("t") is None


def test_the_token_of_a_deleted_source_may_open_another(folding):
    folding.take(create("s", "Shop", "a"))
    folding.take(delete("s"))
    folding.take(create("t", "Shop", "a"))
    assert folding.sources.of_token("a").uid == "t"
    assert folding.source("s").tokens == ()


def test_a_token_of_the_settings_replaces_the_one_before(folding):
    folding.take(create("s", None, "a"))
    for one in ("b", "c"):
        folding.take(AddImportToken("s", token(one, by_operator=True)))
    assert [one.sha256 for one in folding.source("s").tokens] == ["a", "c"]
    assert folding.sources.of_token("b") is None


def test_a_token_of_a_project_may_open_a_source_as_well(folding):
    folding.take(AddToken(PROJECT, "a"))
    folding.take(create("s", None, "a"))
    assert folding.sources.of_token("a").uid == "s"


# properties


uids = st.sampled_from(["u1", "u2", "u3"])
hashes = st.sampled_from("pqr")
changes_of_sources = st.one_of(
    st.builds(
        lambda uid, name, hashed: create(uid, name, *hashed),
        uids,
        st.sampled_from(["A", "B"]),
        st.lists(hashes, max_size=2),
    ),
    st.builds(
        UpdateImportSource,
        uids,
        state=st.none() | st.sampled_from(SourceState),
        append_only=st.none() | st.booleans(),
        token_id=st.just("new"),
    ),
    st.builds(lambda uid, one, by: AddImportToken(uid, token(one, by_operator=by)), uids, hashes, st.booleans()),
    st.builds(lambda uid, one: RevokeImportToken(uid, f"{one}-id"), uids, hashes),
)


@st.composite
def logs(draw) -> list[Change]:
    """No uid is given twice, as it is made up."""
    changes = draw(st.lists(changes_of_sources, max_size=20))
    seen: set[str] = set()
    kept: list[Change] = []
    for change in changes:
        if isinstance(change, CreateImportSource):
            if change.uid in seen:
                continue
            seen.add(change.uid)
        kept.append(change)
    return kept


@given(logs())
def test_a_refused_change_changes_nothing(changes):
    folding = Folding()
    for change in changes:
        before = msgspec.msgpack.encode(seen(folding.receivers))
        try:
            folding.take(change)
        except DefinitionRefused:
            assert msgspec.msgpack.encode(seen(folding.receivers)) == before


@given(logs())
def test_tokens_and_schemas_lead_to_the_sources_that_have_them(changes):
    folding = Folding()
    for change in changes:
        try:
            folding.take(change)
        except DefinitionRefused:
            continue
    sources = [folding.source(uid) for uid in folding.receivers.by_uid]
    held = {one.sha256: source.uid for source in sources for one in source.tokens}
    assert held == folding.sources._of_tokens
    assert all(len(source.tokens) <= 2 for source in sources)
    living = {source.schema: source.uid for source in sources if source.state is not SourceState.DELETED}
    assert living == folding.sources._uids
    assert all(folding.receivers.by_uid[source.uid] == source.receiver for source in sources)


def seen(receivers: Receivers) -> list[object]:
    sources = receivers.import_sources
    return [
        sources.had_any,
        sources._by_uid,
        sources._uids,
        sources._of_tokens,
        list(sources._deleted),
        receivers.by_uid,
    ]
