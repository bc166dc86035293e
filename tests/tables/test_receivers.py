import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from app.errors import DefinitionRefused
from app.model.api_token import ApiToken
from app.model.change import (
    AddToken,
    Change,
    CreateExport,
    CreateReceiver,
    DeleteExport,
    DeleteReceiver,
    FinishTask,
    RefreshTokens,
    RevokeToken,
    RotateSecret,
    StartTask,
    TaskWork,
    UpdateExport,
    UpdateReceiver,
    decode_change,
    encode_change,
)
from app.model.conditions import Conditions
from app.model.draft import ExportChange, ExportDraft
from app.model.export_token import ExportToken
from app.model.mapping import Mapping, TableId
from app.model.receiver import Deduplication
from app.model.task import Task, TaskStatus, TaskType
from tables.receivers import (
    ERROR_KEPT_US,
    EXPORTS_PER_RECEIVER_MAX,
    MAPPINGS_PER_EXPORT_MAX,
    RECEIVERS_PER_PROJECT_MAX,
    SUCCESS_KEPT_US,
    TASKS_UNFINISHED_PER_PROJECT_MAX,
    TOKENS_MAX,
    TOKENS_PER_PROJECT_MAX,
    Receivers,
)
from tests.fakes import PROJECT, a_mapping, a_receiver, an_export

KINDS = {
    CreateReceiver: TaskType.RECEIVER_CREATE,
    CreateExport: TaskType.EXPORT_CREATE,
    UpdateExport: TaskType.EXPORT_UPDATE,
}


class Folding:
    """Definitions, fed change by change."""

    def __init__(self) -> None:
        self.receivers = Receivers()
        self.offset = 0
        self.tasks = 0

    def take(self, change: Change) -> None:
        offset, self.offset = self.offset, self.offset + 1
        self.receivers.apply(offset, change)

    def refused(self, change: Change) -> str:
        with pytest.raises(DefinitionRefused) as refused:
            self.take(change)
        return refused.value.rule

    def start(self, work: TaskWork, *, at_us: int = 0) -> Task:
        self.tasks += 1
        task = a_task(f"t{self.tasks}", work, at_us)
        self.take(StartTask(task, work))
        return task

    def do(self, work: TaskWork) -> Task:
        task = self.start(work)
        self.take(FinishTask(task.id, 1))
        return self.task(task.id)

    def task(self, task_id: str) -> Task:
        task = self.receivers.task(PROJECT, task_id)
        assert task is not None
        return task


def a_task(task_id: str, work: TaskWork, at_us: int = 0) -> Task:
    return Task(task_id, PROJECT, KINDS[type(work)], at_us, "r")


def create(uid: str = "r", *exports: str, **changes) -> CreateReceiver:
    return CreateReceiver(a_receiver(uid, *(an_export(f"{uid}-{one}", uid) for one in exports), **changes))


def create_export(uid: str, receiver: str = "r") -> CreateExport:
    return CreateExport(receiver, uid, ExportDraft(uid, uid, a_mapping(uid), Conditions()))


@pytest.fixture
def folding() -> Folding:
    return Folding()


# reading


def test_a_receiver_is_found_by_project_and_id(folding):
    folding.do(create("r", "x"))
    assert folding.receivers.receiver(PROJECT, "r").uid == "r"
    assert folding.receivers.receiver(PROJECT + 1, "r") is None
    assert folding.receivers.receiver(PROJECT, "s") is None
    assert folding.receivers.export("r-x").receiver_uid == "r"


def test_receivers_are_listed_by_id(folding):
    for uid in "cab":
        folding.do(create(uid))
    assert [receiver.id for receiver in folding.receivers.of_project(PROJECT)] == ["a", "b", "c"]
    assert folding.receivers.of_project(99) == []


def test_a_task_is_its_projects_alone(folding):
    task = folding.start(create())
    assert folding.receivers.task(PROJECT + 1, task.id) is None


def projects(folding) -> dict[str, int]:
    return {sha256: token.project_id for sha256, token in folding.receivers.tokens.items()}


def test_a_token_opens_its_project(folding):
    folding.take(AddToken(3, "hash"))
    folding.take(AddToken(4, "hash", "id", "why", 77))
    assert folding.receivers.tokens == {"hash": ApiToken("id", 4, "hash", "why", 77)}


def test_a_token_of_the_time_before_ids_has_one_made_of_its_hash(folding):
    folding.take(AddToken(3, "0123456789abcdef" * 4))
    (token,) = folding.receivers.tokens.values()
    assert (token.id, token.description, token.created_us) == ("0123456789abcdef", "", 0)
    folding.take(RevokeToken(token.id))
    assert folding.receivers.tokens == {}


def test_a_revoked_token_opens_nothing_and_is_remembered_to_have_been(folding):
    assert not folding.receivers.had_tokens
    folding.take(AddToken(3, "a", "id-a"))
    folding.take(AddToken(3, "b", "id-b"))
    folding.take(RevokeToken("id-a"))
    assert projects(folding) == {"b": 3}
    assert folding.refused(RevokeToken("id-a")) == "tokenNotFound"
    folding.take(RevokeToken("id-b"))
    assert folding.receivers.had_tokens
    folding.take(AddToken(5, "a", "id-c"))
    assert projects(folding) == {"a": 5}


def test_a_project_has_a_hundred_tokens_at_most_and_those_of_the_settings(folding):
    for number in range(TOKENS_PER_PROJECT_MAX):
        folding.take(AddToken(1, f"hash{number}", f"id{number}"))
    assert folding.refused(AddToken(1, "more")) == "tokenCountLimitReached"
    folding.take(AddToken(1, "hash3", "again"))
    folding.take(AddToken(2, "other"))
    assert folding.refused(AddToken(1, "other")) == "tokenCountLimitReached"
    folding.take(AddToken(1, "given", by_operator=True))
    assert folding.refused(AddToken(1, "more")) == "tokenCountLimitReached"
    for token_id in ("id5", "id6"):
        folding.take(RevokeToken(token_id))
    folding.take(AddToken(1, "more"))


def test_all_projects_together_have_ten_thousand_tokens_at_most(folding):
    for number in range(TOKENS_MAX):
        folding.take(AddToken(number, f"hash{number}"))
    assert folding.refused(AddToken(TOKENS_MAX, "more")) == "tokenCountLimitReached"


def test_the_revision_is_the_offset_of_the_next_change_refused_or_not(folding):
    folding.do(create())
    folding.refused(DeleteReceiver("nobody"))
    assert folding.receivers.revision == 3


# tasks


def test_a_task_processes_until_it_is_finished_and_only_then_is_it_true(folding):
    task = folding.start(create("r", "x"))
    assert folding.task(task.id).status is TaskStatus.PROCESSING
    assert folding.receivers.by_uid == {}
    assert [work for _, work in folding.receivers.unfinished()] == [create("r", "x")]
    folding.take(FinishTask(task.id, 77))
    done = folding.task(task.id)
    assert (done.status, done.finished_us, done.result, done.error) == (TaskStatus.SUCCESS, 77, "receiver created", "")
    assert folding.receivers.unfinished() == []


@pytest.mark.parametrize(
    ("work", "result"),
    [
        (create_export("new"), "export created"),
        (UpdateExport("r", "r-x", ExportChange(name="new")), "export updated"),
    ],
)
def test_a_success_is_told_in_words(folding, work, result):
    folding.do(create("r", "x"))
    assert folding.do(work).result == result


def test_a_task_that_failed_changes_nothing_else(folding):
    task = folding.start(create())
    folding.take(FinishTask(task.id, 5, "the table is another"))
    done = folding.task(task.id)
    assert (done.status, done.result, done.error) == (TaskStatus.ERROR, "", "the table is another")
    assert folding.receivers.by_uid == {}


def test_only_the_first_end_of_a_task_counts(folding):
    task = folding.start(create())
    folding.take(FinishTask(task.id, 5))
    before = folding.task(task.id)
    folding.take(FinishTask(task.id, 9, "too late"))
    folding.take(FinishTask("unknown", 9))
    assert folding.task(task.id) == before
    assert folding.receivers.receiver(PROJECT, "r") is not None


def test_a_task_that_is_started_twice_is_one(folding):
    work = create()
    task = folding.start(work)
    folding.take(FinishTask(task.id, 5))
    folding.take(StartTask(task, work))
    assert folding.task(task.id).status is TaskStatus.SUCCESS
    assert folding.receivers.unfinished() == []


def test_finished_tasks_are_forgotten_in_their_time_errors_later_and_open_ones_never(folding):
    done, failed, still = (folding.start(create(uid)) for uid in "abc")
    folding.take(FinishTask(done.id, 0))
    folding.take(FinishTask(failed.id, 0, "error"))
    folding.start(create("d"), at_us=SUCCESS_KEPT_US)
    assert folding.receivers.task(PROJECT, done.id) is not None
    folding.start(create("e"), at_us=SUCCESS_KEPT_US + 1)
    assert folding.receivers.task(PROJECT, done.id) is None
    assert folding.receivers.task(PROJECT, failed.id) is not None
    folding.start(create("f"), at_us=ERROR_KEPT_US + 1)
    assert folding.receivers.task(PROJECT, failed.id) is None
    assert folding.receivers.task(PROJECT, still.id) is not None


# rules


@pytest.mark.parametrize("error", ["", "bad"])
def test_of_each_projects_finished_tasks_the_newest_are_kept(folding, monkeypatch, error):
    monkeypatch.setattr("tables.receivers.TASKS_KEPT_PER_PROJECT_MAX", 3)
    folding.do(create("r", "x"))
    tasks = []
    for _ in range(5):
        tasks.append(folding.start(UpdateExport("r", "r-x", ExportChange(name="new"))))
        folding.take(FinishTask(tasks[-1].id, 1, error))
    assert [task.id for task in tasks if folding.receivers.task(PROJECT, task.id)] == [task.id for task in tasks[-3:]]


def test_a_project_has_a_thousand_unfinished_tasks_at_most_and_is_told_to_wait(folding):
    works = [create(f"r{number}") for number in range(TASKS_UNFINISHED_PER_PROJECT_MAX)]
    tasks = [folding.start(work) for work in works]
    more = create("more")
    assert folding.refused(StartTask(a_task("more", more), more)) == "tooManyRequests"
    other = StartTask(msgspec.structs.replace(a_task("other", more), project_id=PROJECT + 1), more)
    folding.take(other)
    folding.take(FinishTask(tasks[0].id, 1, "bad"))
    folding.start(more)


def test_a_receivers_id_is_unique_in_its_project(folding):
    folding.do(create("r"))
    again = create("another", id="r")
    assert folding.refused(StartTask(a_task("t", again), again)) == "receiverAlreadyExists"
    folding.do(create("elsewhere", id="r", project_id=2))
    assert folding.receivers.receiver(2, "r").uid == "elsewhere"


def test_of_two_that_race_for_an_id_the_second_fails_at_its_end(folding):
    first, second = folding.start(create("one", id="r")), folding.start(create("two", id="r"))
    folding.take(FinishTask(second.id, 1))
    folding.take(FinishTask(first.id, 2))
    assert folding.task(second.id).status is TaskStatus.SUCCESS
    assert folding.task(first.id).error == 'Receiver "r" already exists in the project'
    assert folding.receivers.receiver(PROJECT, "r").uid == "two"


def test_a_project_has_a_hundred_receivers_at_most(folding):
    for n in range(RECEIVERS_PER_PROJECT_MAX):
        folding.do(create(f"r{n}"))
    more = create("more")
    assert folding.refused(StartTask(a_task("t", more), more)) == "receiverCountLimitReached"
    folding.do(create("elsewhere", project_id=2))
    folding.take(DeleteReceiver("r5"))
    assert folding.do(more).status is TaskStatus.SUCCESS


def test_of_two_that_race_for_the_last_place_the_second_fails(folding):
    for n in range(RECEIVERS_PER_PROJECT_MAX - 1):
        folding.do(create(f"r{n}"))
    first, second = folding.start(create("a")), folding.start(create("b"))
    for task in (first, second):
        folding.take(FinishTask(task.id, 1))
    assert folding.task(first.id).status is TaskStatus.SUCCESS
    assert "maximum is 100" in folding.task(second.id).error


def test_a_receiver_has_twenty_exports_at_most(folding):
    folding.do(create("r", *(f"x{n}" for n in range(EXPORTS_PER_RECEIVER_MAX))))
    more = create_export("more")
    assert folding.refused(StartTask(a_task("t", more), more)) == "exportCountLimitReached"
    many = create("s", *(f"x{n}" for n in range(EXPORTS_PER_RECEIVER_MAX + 1)))
    assert folding.refused(StartTask(a_task("u", many), many)) == "exportCountLimitReached"
    folding.take(DeleteExport("r", "r-x3"))
    assert folding.do(more).status is TaskStatus.SUCCESS


def test_an_exports_id_is_unique_in_its_receiver(folding):
    folding.do(create("r", "x"))
    again = create_export("r-x")
    assert folding.refused(StartTask(a_task("t", again), again)) == "exportAlreadyExists"
    twice = CreateReceiver(a_receiver("s", an_export("x", "s"), an_export("x", "s")))
    assert folding.refused(StartTask(a_task("u", twice), twice)) == "exportAlreadyExists"


def test_of_two_that_race_for_an_exports_id_the_second_fails(folding):
    folding.do(create("r"))
    first, second = folding.start(create_export("x")), folding.start(create_export("x"))
    for task in (first, second):
        folding.take(FinishTask(task.id, 1))
    assert folding.task(second.id).error == 'Export "x" already exists in the receiver'
    assert len(folding.receivers.by_uid["r"].exports) == 1


def test_an_export_has_had_a_hundred_mappings_at_most(folding):
    folding.do(create("r", "x"))
    change = UpdateExport("r", "r-x", ExportChange(mapping=a_mapping("new")))
    for _ in range(MAPPINGS_PER_EXPORT_MAX - 1):
        folding.do(change)
    assert folding.receivers.export("r-x").mapping_number == MAPPINGS_PER_EXPORT_MAX
    assert folding.refused(StartTask(a_task("t", change), change)) == "badRequest"
    assert folding.do(UpdateExport("r", "r-x", ExportChange(count=5))).status is TaskStatus.SUCCESS


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (UpdateReceiver("nobody", "n"), "receiverNotFound"),
        (DeleteReceiver("nobody"), "receiverNotFound"),
        (RotateSecret("nobody", "new", 5), "receiverNotFound"),
        (RefreshTokens("nobody", {}, 5), "receiverNotFound"),
        (DeleteExport("nobody", "x"), "receiverNotFound"),
        (DeleteExport("r", "nothing"), "exportNotFound"),
        (StartTask(a_task("t", create_export("x")), create_export("x", "nobody")), "receiverNotFound"),
        (StartTask(a_task("t", create_export("x")), UpdateExport("r", "nothing", ExportChange())), "exportNotFound"),
        (StartTask(a_task("t", create_export("x")), UpdateExport("nobody", "x", ExportChange())), "receiverNotFound"),
    ],
)
def test_what_is_not_there_cannot_be_changed(folding, change, rule):
    folding.do(create("r", "x"))
    before = msgspec.json.encode(folding.receivers.by_uid)
    assert folding.refused(change) == rule
    assert msgspec.json.encode(folding.receivers.by_uid) == before


# changing and deleting


def test_an_update_changes_what_it_names(folding):
    folding.do(create("r", "x"))
    before = folding.receivers.export("r-x")
    folding.do(UpdateExport("r", "r-x", ExportChange(name="new", count=5)))
    after = folding.receivers.export("r-x")
    assert (after.name, after.conditions.count, after.conditions.time_s) == ("new", 5, before.conditions.time_s)
    assert (after.mapping, after.mapping_number) == (before.mapping, 1)
    assert folding.receivers.by_uid["r"].exports == (after,)


def test_a_mapping_even_an_equal_one_is_a_new_one_and_the_old_ones_are_kept(folding):
    folding.do(create("r", "x"))
    old = folding.receivers.export("r-x").mapping
    folding.do(UpdateExport("r", "r-x", ExportChange(mapping=old)))
    folding.do(UpdateExport("r", "r-x", ExportChange(mapping=a_mapping("new"))))
    assert folding.receivers.export("r-x").mapping_number == 3
    assert [folding.receivers.mapping("r-x", n) for n in (1, 2, 3, 4)] == [old, old, a_mapping("new"), None]


def test_a_receivers_name_and_description_change_apart(folding):
    folding.do(create("r"))
    folding.take(UpdateReceiver("r", name="new"))
    folding.take(UpdateReceiver("r", description="why"))
    receiver = folding.receivers.by_uid["r"]
    assert (receiver.name, receiver.description) == ("new", "why")


def test_where_a_receivers_keys_stand_is_kept_until_it_is_changed_or_taken_away(folding):
    folding.do(create("r"))
    told = []
    for deduplication in (Deduplication("id"), UNSET, Deduplication("order.id"), UNSET, None):
        folding.take(decode_change(encode_change(UpdateReceiver("r", "new", deduplication=deduplication))))
        told.append(folding.receivers.by_uid["r"].deduplication)
    assert told == [
        Deduplication("id"),
        Deduplication("id"),
        Deduplication("order.id"),
        Deduplication("order.id"),
        None,
    ]


def test_a_change_of_a_receiver_from_before_there_were_keys_takes_none_away(folding):
    folding.do(create("r"))
    folding.take(UpdateReceiver("r", deduplication=Deduplication("id")))
    folding.take(decode_change(b'{"type":"update-receiver","receiver_uid":"r","name":"old","description":null}'))
    receiver = folding.receivers.by_uid["r"]
    assert (receiver.name, receiver.deduplication) == ("old", Deduplication("id"))


# tokens of exports


def mapping_in(bucket: str) -> Mapping:
    return msgspec.structs.replace(a_mapping(), table_id=TableId("in", bucket, "t"))


def test_a_new_export_has_the_token_that_its_change_names(folding):
    folding.do(create("r", id="shop"))
    folding.do(CreateExport("r", "uid", ExportDraft("orders", "Orders", a_mapping(), Conditions()), "token-1", 77))
    token = folding.receivers.export("uid").token
    assert token == ExportToken("token-1", "[_internal] Buffer Export orders for Receiver shop", "in.c-b", 77)
    assert folding.receivers.export_token("uid", 1) == token
    assert folding.receivers.export_token("uid", 2) is None


def test_a_receiver_that_comes_with_exports_has_the_tokens_they_came_with(folding):
    token = ExportToken("token-1", "why", "in.c-b", 77)
    folding.do(CreateReceiver(a_receiver("r", an_export("x", token=token))))
    assert folding.receivers.export_token("x", 1) == token


def test_each_mapping_has_a_token_of_its_own_and_the_old_ones_stay_for_the_files_that_wait(folding):
    folding.do(create("r", "x"))
    folding.do(UpdateExport("r", "r-x", ExportChange(mapping=mapping_in("c-new")), "token-2", 5))
    folding.do(UpdateExport("r", "r-x", ExportChange(name="new"), "token-3", 6))
    tokens = [folding.receivers.export_token("r-x", number) for number in (1, 2, 3)]
    assert [token and (token.id, token.bucket) for token in tokens] == [
        ("r-x-1", "in.c-b"),
        ("token-2", "in.c-new"),
        None,
    ]
    assert folding.receivers.export("r-x").token == tokens[1]


OLD_WORKS = b"""[
{"type":"create-receiver","receiver":{"uid":"r","project_id":1,"id":"r","name":"r","secret":"s","exports":[
    {"uid":"x","receiver_uid":"r","id":"x","name":"x","conditions":{"count":1,"size_bytes":1,"time_s":1.0},
    "mapping":{"table_id":{"stage":"in","bucket":"c-b","table":"t"},"columns":[]}}]}},
{"type":"update-export","receiver_uid":"r","export_id":"x",
    "change":{"mapping":{"table_id":{"stage":"in","bucket":"c-new","table":"t"},"columns":[]}}},
{"type":"create-export","receiver_uid":"r","export_uid":"y","draft":{"id":"y","name":"y",
    "mapping":{"table_id":{"stage":"in","bucket":"c-y","table":"t"},"columns":[]},
    "conditions":{"count":1,"size_bytes":1,"time_s":1.0}}}
]"""


def test_a_record_of_the_time_before_tokens_gives_one_of_its_place(folding):
    old = msgspec.json.decode(OLD_WORKS, type=list[TaskWork])
    for work in old:
        folding.do(work)
    found = {(uid, n): folding.receivers.export_token(uid, n) for uid, n in [("x", 1), ("x", 2), ("y", 1)]}
    assert {place: (token.id, token.bucket) for place, token in found.items()} == {
        ("x", 1): ("x-1", "in.c-b"),
        ("x", 2): ("x-2", "in.c-new"),
        ("y", 1): ("y-1", "in.c-y"),
    }


def test_refreshed_tokens_are_those_of_the_present_mappings(folding):
    folding.do(create("r", "x", "y", "z"))
    folding.do(UpdateExport("r", "r-x", ExportChange(mapping=a_mapping("new")), "token-2", 5))
    old = folding.receivers.export_token("r-x", 1)
    folding.take(RefreshTokens("r", {"r-x": "new-x", "r-y": "new-y", "gone": "new"}, 9))
    tokens = {export.uid: export.token for export in folding.receivers.by_uid["r"].exports}
    assert {uid: (token.id, token.created_us) for uid, token in tokens.items()} == {
        "r-x": ("new-x", 9),
        "r-y": ("new-y", 9),
        "r-z": ("r-z-1", 0),
    }
    assert folding.receivers.export_token("r-x", 2) == tokens["r-x"]
    assert folding.receivers.export_token("r-x", 1) == old
    assert tokens["r-x"].description == "[_internal] Buffer Export r-x for Receiver r"


def test_the_tokens_of_a_deleted_export_are_forgotten(folding):
    folding.do(create("r", "x"))
    folding.take(DeleteExport("r", "r-x"))
    assert folding.receivers.export_token("r-x", 1) is None


def secrets(folding) -> tuple[str, str, int]:
    receiver = folding.receivers.by_uid["r"]
    return receiver.secret, receiver.previous_secret, receiver.previous_secret_until_us


def test_a_new_secret_leaves_one_old_one_for_its_time(folding):
    folding.do(create("r", "x", secret="first"))
    assert secrets(folding) == ("first", "", 0)
    folding.take(RotateSecret("r", "second", 50))
    assert secrets(folding) == ("second", "first", 50)
    folding.take(RotateSecret("r", "third", 70))
    assert secrets(folding) == ("third", "second", 70)
    folding.take(UpdateReceiver("r", name="new"))
    assert secrets(folding) == ("third", "second", 70)
    folding.take(RotateSecret("r", "fourth", 0))
    assert secrets(folding) == ("fourth", "", 0)
    assert [export.uid for export in folding.receivers.by_uid["r"].exports] == ["r-x"]


def test_exports_are_sorted_by_id(folding):
    folding.do(create("r"))
    for uid in "cab":
        folding.do(create_export(uid))
    assert [export.id for export in folding.receivers.by_uid["r"].exports] == ["a", "b", "c"]


def test_a_deleted_receiver_takes_its_exports_and_mappings_along_and_its_id_is_free(folding):
    folding.do(create("r", "x"))
    folding.take(DeleteReceiver("r"))
    assert folding.receivers.receiver(PROJECT, "r") is None
    assert folding.receivers.of_project(PROJECT) == []
    assert folding.receivers.export("r-x") is None
    assert folding.receivers.mapping("r-x", 1) is None
    folding.do(create("again", id="r"))
    assert folding.receivers.receiver(PROJECT, "r").uid == "again"


def test_a_deleted_export_leaves_the_others(folding):
    folding.do(create("r", "x", "y"))
    folding.take(DeleteExport("r", "r-x"))
    assert [export.id for export in folding.receivers.by_uid["r"].exports] == ["r-y"]
    assert folding.receivers.export("r-x") is None
    assert folding.receivers.export("r-y") is not None


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (create_export("new"), "Receiver not found in the project"),
        (UpdateExport("r", "r-x", ExportChange(name="new")), "Receiver not found in the project"),
    ],
)
def test_a_task_whose_receiver_was_deleted_meanwhile_fails_at_its_end(folding, work, error):
    folding.do(create("r", "x"))
    task = folding.start(work)
    folding.take(DeleteReceiver("r"))
    folding.take(FinishTask(task.id, 1))
    assert folding.task(task.id).error == error
    assert folding.receivers.by_uid == {}


def test_a_task_whose_export_was_deleted_meanwhile_fails_at_its_end(folding):
    folding.do(create("r", "x"))
    task = folding.start(UpdateExport("r", "r-x", ExportChange(mapping=a_mapping("new"))))
    folding.take(DeleteExport("r", "r-x"))
    folding.take(FinishTask(task.id, 1))
    assert folding.task(task.id).error == 'Export "r-x" not found in the receiver'
    assert folding.receivers.mapping("r-x", 1) is None


# any log


changes_of_tokens = st.builds(AddToken, st.integers(1, 2), st.sampled_from("abc")) | st.builds(
    RevokeToken, st.sampled_from("abc")
)


@st.composite
def logs(draw) -> list[Change]:
    """Changes of all kinds by clients that know little of each other."""
    changes: list[Change] = []
    uids, started = 0, 0
    for _ in range(draw(st.integers(0, 40))):
        receiver = draw(st.sampled_from(["u0", "u1", "u2", "u3"]))
        kind = draw(st.integers(0, 10))
        work: TaskWork | None = None
        if kind <= 1:
            work = create(f"u{uids}", *draw(st.sampled_from([(), ("x",), ("x", "y")])), id=draw(st.sampled_from("abc")))
            uids += 1
        elif kind == 2:
            work = create_export(f"{receiver}-{draw(st.sampled_from('xyz'))}", receiver)
        elif kind == 3:
            mapping = draw(st.sampled_from([None, a_mapping("new")]))
            work = UpdateExport(
                receiver, f"{receiver}-x", ExportChange(name=draw(st.text(max_size=2)), mapping=mapping)
            )
        if work is not None:
            started += 1
            changes.append(StartTask(a_task(f"t{started}", work, len(changes)), work))
        elif kind <= 5:
            changes.append(
                FinishTask(f"t{draw(st.integers(1, started + 1))}", 1, draw(st.sampled_from(["", "", "bad"])))
            )
        elif kind == 6:
            changes.append(UpdateReceiver(receiver, name=draw(st.text(max_size=2))))
        elif kind == 7:
            changes.append(DeleteReceiver(receiver))
        else:
            of_receiver = st.sampled_from(
                [
                    DeleteExport(receiver, f"{receiver}-x"),
                    RotateSecret(receiver, "new", 9),
                    RefreshTokens(receiver, {f"{receiver}-x": "new"}, 9),
                ]
            )
            changes.append(draw(of_receiver | changes_of_tokens))
    return changes


def fold(changes: list[Change], receivers: Receivers | None = None) -> Receivers:
    receivers = receivers or Receivers()
    for change in changes:
        try:
            receivers.apply(receivers.revision, change)
        except DefinitionRefused:
            continue
    return receivers


@given(logs())
def test_two_folds_of_the_same_log_are_equal(changes):
    assert fold(changes) == fold(changes)


@given(logs(), st.data())
def test_a_fold_that_stopped_and_went_on_equals_one_that_did_not(changes, data):
    at = data.draw(st.integers(0, len(changes)))
    assert fold(changes[at:], fold(changes[:at])) == fold(changes)


@given(logs())
def test_a_refused_change_changes_nothing_but_the_revision(changes):
    receivers = Receivers()
    for offset, change in enumerate(changes):
        before = fold(changes[:offset])
        try:
            receivers.apply(offset, change)
        except DefinitionRefused:
            if isinstance(change, StartTask):
                before._forget_old_tasks(change.task)
            before.revision = offset + 1
            assert receivers == before


@given(logs())
def test_the_indexes_tell_the_same_as_the_receivers(changes):
    receivers = fold(changes)
    listed = receivers.of_project(PROJECT)
    assert {receiver.uid for receiver in listed} == receivers.by_uid.keys()
    assert [receiver.id for receiver in listed] == sorted({receiver.id for receiver in listed})
    exports = {export.uid: export for receiver in listed for export in receiver.exports}
    assert all(receivers.export(uid) == export for uid, export in exports.items())
    assert receivers._exports == exports
    numbers = {(uid, number) for uid, export in exports.items() for number in range(1, export.mapping_number + 1)}
    assert receivers._mappings.keys() == receivers._export_tokens.keys() == numbers
    tokens = {(uid, number): receivers.export_token(uid, number) for uid, number in numbers}
    assert all(token.opens(receivers.mapping(*place).table_id) for place, token in tokens.items())
    assert all(export.token == tokens[uid, export.mapping_number] for uid, export in exports.items())


# buckets


def into(bucket: str, table: str = "t") -> Mapping:
    return Mapping(TableId("in", bucket, table), a_mapping().columns)


def created(uid: str, project_id: int, mapping: Mapping) -> CreateReceiver:
    return CreateReceiver(a_receiver(uid, an_export(f"{uid}-x", uid, mapping=mapping), project_id=project_id))


def of_project(folding: Folding, project_id: int, work: TaskWork) -> StartTask:
    folding.tasks += 1
    return StartTask(msgspec.structs.replace(a_task(f"t{folding.tasks}", work), project_id=project_id), work)


def test_a_bucket_is_the_projects_that_first_names_it(folding):
    folding.take(of_project(folding, 1, created("r", 1, into("c-b"))))
    assert folding.refused(of_project(folding, 2, created("s", 2, into("c-b", "other")))) == "bucketNotAvailable"
    assert folding.refused(of_project(folding, 2, created("s", 2, into("C-B")))) == "bucketNotAvailable"
    folding.take(of_project(folding, 2, created("s", 2, into("c-else"))))
    folding.take(of_project(folding, 1, created("q", 1, into("c-b", "more"))))


def test_a_bucket_is_kept_though_what_named_it_is_gone_or_failed(folding):
    folding.take(of_project(folding, 1, created("r", 1, into("c-b"))))
    folding.take(FinishTask("t1", 1, "no such table"))
    assert folding.refused(of_project(folding, 2, created("s", 2, into("c-b")))) == "bucketNotAvailable"


def test_an_update_names_buckets_too(folding):
    folding.do(create("r", "x"))
    folding.take(of_project(folding, PROJECT + 1, created("s", PROJECT + 1, into("c-else"))))
    change = UpdateExport("r", "r-x", ExportChange(mapping=into("c-else")))
    assert folding.refused(of_project(folding, PROJECT, change)) == "bucketNotAvailable"
