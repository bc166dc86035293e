import re
from urllib.parse import quote

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from web_fakes import CREATED_US, PROJECT, PUBLIC_URL, SECRET, TOKEN, a_receiver, a_task, an_export, finished
from yarl import URL

from app.errors import DefinitionRefused, LogFull
from app.model.bound_topic import Binding, StartFrom
from app.model.dead_letter import DeadLetter
from app.model.event import Event
from app.model.receiver import Deduplication
from app.model.task import TaskStatus, TaskType
from tables.ledger import ExportLedger, ReceiverLedger

EXPORT = {
    "id": "export-1",
    "receiverId": "receiver-1",
    "name": "Export 1",
    "mapping": {
        "tableId": "in.c-bucket.table",
        "incremental": True,
        "columns": [
            {"primaryKey": False, "type": "id", "name": "id"},
            {"primaryKey": False, "type": "body", "name": "body"},
        ],
    },
    "conditions": {"count": 123, "size": "456B", "time": "30s"},
}
RECEIVER = {
    "id": "receiver-1",
    "url": f"{PUBLIC_URL}/v1/import/{PROJECT}/receiver-1/{SECRET}",
    "name": "Receiver 1",
    "description": "",
    "exports": [EXPORT],
}
NOT_FOUND = {
    "statusCode": 404,
    "error": "buffer.receiverNotFound",
    "message": 'Receiver "nope" not found in the project.',
}


@pytest.fixture(autouse=True)
def _receiver(house):
    house.definitions.known["receiver-1"] = a_receiver("receiver-1", an_export())


async def test_a_new_receiver_is_a_task(client, house, auth) -> None:
    response = await client.post("/v1/receivers", json={"name": "My Receiver"}, headers=auth)
    assert response.status == 202
    assert await response.json() == {
        "id": "my-receiver/receiver.create/2023-01-01T00:00:00.123Z_abcde",
        "type": "receiver.create",
        "url": f"{PUBLIC_URL}/v1/tasks/my-receiver/receiver.create/2023-01-01T00:00:00.123Z_abcde",
        "status": "processing",
        "isFinished": False,
        "createdAt": "2023-01-01T00:00:00.123Z",
    }
    ((act, project, draft),) = house.definitions.asked
    assert (act, project, draft.id, draft.name, draft.exports) == (
        "create_receiver",
        PROJECT,
        "my-receiver",
        "My Receiver",
        (),
    )


async def test_receivers_are_read(client, auth) -> None:
    assert await (await client.get("/v1/receivers", headers=auth)).json() == {"receivers": [RECEIVER]}
    assert await (await client.get("/v1/receivers/receiver-1", headers=auth)).json() == RECEIVER


async def test_a_receiver_is_updated_and_deleted_at_once(client, house, auth) -> None:
    response = await client.patch("/v1/receivers/receiver-1", json={"name": "New"}, headers=auth)
    assert (response.status, await response.json()) == (200, {**RECEIVER, "name": "New"})
    response = await client.delete("/v1/receivers/receiver-1", headers=auth)
    assert (response.status, await response.read()) == (200, b"")
    assert house.definitions.asked == [
        ("update_receiver", PROJECT, "receiver-1", "New", None, UNSET, UNSET),
        ("delete_receiver", PROJECT, "receiver-1"),
    ]


async def test_where_the_key_of_an_event_stands_is_set_kept_and_taken_away(client, house, auth) -> None:
    by_order = {"deduplication": {"path": "order.id"}}
    await client.post("/v1/receivers", json={"name": "R", **by_order}, headers=auth)
    assert house.definitions.asked[0][2].deduplication == Deduplication("order.id")
    house.definitions.known["receiver-1"] = replace(
        house.definitions.known["receiver-1"], deduplication=Deduplication("order.id")
    )
    answer = await client.patch("/v1/receivers/receiver-1", json={"name": "New"}, headers=auth)
    assert await answer.json() == {**RECEIVER, **by_order, "name": "New"}
    answer = await client.patch("/v1/receivers/receiver-1", json={"deduplication": {"path": "id"}}, headers=auth)
    assert (await answer.json())["deduplication"] == {"path": "id"}
    answer = await client.patch("/v1/receivers/receiver-1", json={"deduplication": None}, headers=auth)
    assert await answer.json() == RECEIVER


@pytest.mark.parametrize(
    ("deduplication", "error"),
    [
        ({}, "buffer.missingField"),
        ({"path": ""}, "buffer.invalidLength"),
        ({"path": "x" * 1025}, "buffer.invalidLength"),
        ({"path": ".[."}, "buffer.badRequest"),
        ({"path": 1}, "buffer.decodePayload"),
        ("id", "buffer.decodePayload"),
    ],
)
async def test_where_the_key_of_an_event_stands_must_be_a_path(client, house, auth, deduplication, error) -> None:
    for method, path, name in (("POST", "/v1/receivers", {"name": "R"}), ("PATCH", "/v1/receivers/receiver-1", {})):
        answer = await client.request(method, path, json={**name, "deduplication": deduplication}, headers=auth)
        assert (answer.status, (await answer.json())["error"]) == (400, error)
    assert house.definitions.asked == []


async def test_the_topics_of_a_receiver_are_set_kept_and_taken_away(client, house, auth) -> None:
    topics = {"kafka": {"topics": ["a.b_c-D", "e"], "from": "earliest"}}
    await client.post("/v1/receivers", json={"name": "R", **topics}, headers=auth)
    bound = Binding(("a.b_c-D", "e"), StartFrom.EARLIEST)
    assert house.definitions.asked[0][2].kafka == bound
    house.definitions.known["receiver-1"] = replace(house.definitions.known["receiver-1"], kafka=bound)
    answer = await client.patch("/v1/receivers/receiver-1", json={"name": "New"}, headers=auth)
    assert await answer.json() == {**RECEIVER, **topics, "name": "New"}
    answer = await client.patch("/v1/receivers/receiver-1", json={"kafka": {"topics": ["x"]}}, headers=auth)
    assert (await answer.json())["kafka"] == {"topics": ["x"], "from": "latest"}
    answer = await client.patch("/v1/receivers/receiver-1", json={"kafka": None}, headers=auth)
    assert await answer.json() == RECEIVER


@pytest.mark.parametrize(
    ("kafka", "error"),
    [
        ({}, "buffer.missingField"),
        ({"topics": []}, "buffer.invalidLength"),
        ({"topics": [f"t{number}" for number in range(11)]}, "buffer.invalidLength"),
        ({"topics": ["x" * 250]}, "buffer.invalidLength"),
        ({"topics": [""]}, "buffer.invalidLength"),
        ({"topics": ["a", "a"]}, "buffer.badRequest"),
        ({"topics": [".."]}, "buffer.badRequest"),
        ({"topics": ["a b"]}, "buffer.badRequest"),
        ({"topics": ["t"], "from": "middle"}, "buffer.invalidEnumValue"),
        ({"topics": "t"}, "buffer.decodePayload"),
    ],
)
async def test_topics_must_be_names_of_some(client, house, auth, kafka, error) -> None:
    for method, path, name in (("POST", "/v1/receivers", {"name": "R"}), ("PATCH", "/v1/receivers/receiver-1", {})):
        answer = await client.request(method, path, json={**name, "kafka": kafka}, headers=auth)
        assert (answer.status, (await answer.json())["error"]) == (400, error)
    assert house.definitions.asked == []


async def test_exports_are_read(client, auth) -> None:
    path = "/v1/receivers/receiver-1/exports"
    assert await (await client.get(path, headers=auth)).json() == {"exports": [EXPORT]}
    assert await (await client.get(f"{path}/export-1", headers=auth)).json() == EXPORT


async def test_exports_are_made_changed_and_deleted(client, house, auth) -> None:
    path = "/v1/receivers/receiver-1/exports"
    made = await client.post(path, json={"name": "Export 2", "mapping": EXPORT["mapping"]}, headers=auth)
    assert (made.status, (await made.json())["type"]) == (202, "export.create")
    changed = await client.patch(f"{path}/export-1", json={"conditions": {"time": "1m40s"}}, headers=auth)
    assert (changed.status, (await changed.json())["type"]) == (200, "export.update")
    deleted = await client.delete(f"{path}/export-1", headers=auth)
    assert (deleted.status, await deleted.read()) == (200, b"")
    create, update, delete = house.definitions.asked
    assert (create[3].id, create[3].conditions.count) == ("export-2", 1000)
    assert (update[3], update[4].time_s, update[4].count, update[4].mapping) == ("export-1", 100.0, None, None)
    assert delete == ("delete_export", PROJECT, "receiver-1", "export-1")


@pytest.mark.parametrize("path", ["/v1/tasks/{id}", "/v1/receivers/receiver-1/tasks/{id}"])
async def test_a_task_is_read_at_both_addresses(client, house, auth, path) -> None:
    task = finished(a_task("receiver-1", TaskType.EXPORT_CREATE, "export-1"), result="export created")
    house.definitions.tasks[task.id] = task
    response = await client.get(path.format(id=task.id), headers=auth)
    assert await response.json() == {
        "id": task.id,
        "type": "export.create",
        "url": f"{PUBLIC_URL}/v1/tasks/{task.id}",
        "status": "success",
        "isFinished": True,
        "createdAt": "2023-01-01T00:00:00.123Z",
        "finishedAt": "2023-01-01T00:00:01.624Z",
        "duration": 1500,
        "result": "export created",
        "outputs": {"receiverId": "receiver-1", "exportId": "export-1"},
    }


async def test_a_failed_task_says_why_and_has_no_outputs(client, house, auth) -> None:
    task = finished(a_task("r", TaskType.RECEIVER_CREATE), status=TaskStatus.ERROR, error="no table")
    house.definitions.tasks[task.id] = task
    body = await (await client.get(f"/v1/tasks/{task.id}", headers=auth)).json()
    assert (body["status"], body["isFinished"], body["error"]) == ("error", True, "no table")
    assert not {"result", "outputs"} & set(body)


async def test_a_task_of_another_receiver_is_not_found_below_this_one(client, house, auth) -> None:
    task = a_task("other", TaskType.RECEIVER_CREATE)
    house.definitions.tasks[task.id] = task
    response = await client.get(f"/v1/receivers/receiver-1/tasks/{task.id}", headers=auth)
    assert await response.json() == {
        "statusCode": 404,
        "error": "buffer.taskNotFound",
        "message": f'Task "{task.id}" not found in the project.',
    }


async def test_dead_letters_keep_the_whole_event(client, house, auth) -> None:
    headers = (("Content-Type", "text/plain"), ("X-A", "1"))
    text = Event("uid-receiver-1", CREATED_US, "1.2.3.4", headers, b"caf\xc3\xa9")
    binary = Event("uid-receiver-1", CREATED_US, "1.2.3.4", headers, b"\xff")
    house.letters.there = [
        DeadLetter("uid-export-1", "log", 0, offset, 0, "no such path", event)
        for offset, event in enumerate((text, binary))
    ]
    response = await client.get("/v1/receivers/receiver-1/exports/export-1/dead-letters", headers=auth)
    event = {
        "receivedAt": "2023-01-01T00:00:00.123Z",
        "ip": "1.2.3.4",
        "headers": [["Content-Type", "text/plain"], ["X-A", "1"]],
    }
    assert await response.json() == {
        "deadLetters": [
            {"id": "log-0-0-0", "reason": "no such path", "event": {**event, "body": "café"}},
            {"id": "log-0-1-0", "reason": "no such path", "event": {**event, "bodyBase64": "/w=="}},
        ]
    }
    one = await client.get("/v1/receivers/receiver-1/exports/export-1/dead-letters/log-0-1-0", headers=auth)
    assert await one.json() == (await response.json())["deadLetters"][1]


LETTERS = "/v1/receivers/receiver-1/exports/export-1/dead-letters"


def two_letters(house) -> list[DeadLetter]:
    event = Event("uid-receiver-1", CREATED_US, "1.2.3.4", (), b"{}")
    house.letters.there = [DeadLetter("uid-export-1", "log", 0, offset, 0, "no path", event) for offset in range(2)]
    return list(house.letters.there)


async def test_a_dead_letter_is_replayed_and_is_there_no_more(client, house, auth) -> None:
    first, second = two_letters(house)
    response = await client.post(f"{LETTERS}/log-0-0-0/replay", headers=auth)
    assert (response.status, await response.json()) == (202, {"id": "log-0-0-0"})
    assert (house.letters.replayed, house.letters.there) == ([first], [second])


async def test_all_dead_letters_are_replayed_and_counted(client, house, auth) -> None:
    letters = two_letters(house)
    for count in (2, 0):
        response = await client.post(f"{LETTERS}/replay", headers=auth)
        assert (response.status, await response.json()) == (202, {"deadLetters": count})
    assert (house.letters.replayed, house.letters.there) == (letters, [])


async def test_a_dead_letter_is_discarded(client, house, auth) -> None:
    _, second = two_letters(house)
    response = await client.delete(f"{LETTERS}/log-0-0-0", headers=auth)
    assert (response.status, await response.read()) == (200, b"")
    assert (house.letters.replayed, house.letters.there) == ([], [second])


async def test_all_dead_letters_are_discarded_and_counted(client, house, auth) -> None:
    two_letters(house)
    response = await client.delete(LETTERS, headers=auth)
    assert (response.status, await response.json()) == (200, {"deadLetters": 2})
    assert (house.letters.replayed, house.letters.there) == ([], [])


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/replay"), ("DELETE", "")])
async def test_a_dead_letter_that_is_not_there_is_said_not_to_be(client, house, auth, method, path) -> None:
    two_letters(house)
    response = await client.request(method, f"{LETTERS}/log-0-9-0{path}", headers=auth)
    assert await response.json() == {
        "statusCode": 404,
        "error": "buffer.deadLetterNotFound",
        "message": 'Dead letter "log-0-9-0" not found in the export.',
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/replay"), ("POST", "/x/replay"), ("DELETE", ""), ("DELETE", "/x"), ("GET", "/x")],
)
async def test_dead_letters_are_opened_by_the_token_only(client, house, method, path) -> None:
    two_letters(house)
    response = await client.request(method, LETTERS + path, headers={"X-StorageApi-Token": "wrong"})
    assert response.status == 401
    assert len(house.letters.there) == 2


async def test_a_log_without_room_takes_no_replay(client, house, auth) -> None:
    two_letters(house)
    house.letters.fail_with = LogFull("no room")
    response = await client.post(f"{LETTERS}/replay", headers=auth)
    assert (response.status, response.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("limit=x", "buffer.invalidFieldType", 'Invalid value "x" for "limit", must be a integer.'),
        ("limit=0", "buffer.invalidRange", "Limit must be greater or equal than 1 but got value 0."),
        ("limit=1001", "buffer.invalidRange", "Limit must be lesser or equal than 1000 but got value 1001."),
        ("offset=-1", "buffer.invalidFieldType", 'Invalid value "-1" for "offset", must be a integer.'),
    ],
)
async def test_a_page_of_dead_letters_must_be_one(client, auth, query, error, message) -> None:
    response = await client.get(f"/v1/receivers/receiver-1/exports/export-1/dead-letters?{query}", headers=auth)
    assert await response.json() == {"statusCode": 400, "error": error, "message": message}


async def test_the_ledger_is_read(client, house, auth) -> None:
    export = ExportLedger("export-1", routed=3, buffered=0, loaded=2, dead_lettered=1, expired=1)
    house.ledger = ReceiverLedger(accepted=4, deduplicated=0, unrouted=1, routed=3, exports=(export,))
    response = await client.get("/v1/receivers/receiver-1/ledger", headers=auth)
    assert await response.json() == {
        "accepted": 4,
        "deduplicated": 0,
        "unrouted": 1,
        "routed": 3,
        "exports": [{"exportId": "export-1", "routed": 3, "buffered": 0, "loaded": 2, "deadLettered": 1, "expired": 1}],
        "refused": 0,
        "lost": 0,
    }


@pytest.mark.parametrize("export_id", ["a{b}", "a/b", "a%2Fb", "a b?", "ř", "a:b", ".."])
async def test_an_export_is_found_whatever_its_id(client, house, auth, export_id) -> None:
    house.definitions.known["receiver-1"] = a_receiver("receiver-1", an_export(export_id))
    path = URL(f"/v1/receivers/receiver-1/exports/{quote(export_id, safe='').replace('.', '%2E')}", encoded=True)
    response = await client.get(path, headers=auth)
    assert (response.status, (await response.json())["id"]) == (200, export_id)


# errors


@pytest.mark.parametrize("path", ["", "/exports", "/ledger", "/exports/x", "/exports/x/dead-letters"])
async def test_an_unknown_receiver_is_not_found(client, auth, path) -> None:
    response = await client.get(f"/v1/receivers/nope{path}", headers=auth)
    assert (response.status, await response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize("path", ["", "/dead-letters"])
async def test_an_unknown_export_is_not_found(client, auth, path) -> None:
    response = await client.get(f"/v1/receivers/receiver-1/exports/nope{path}", headers=auth)
    assert await response.json() == {
        "statusCode": 404,
        "error": "buffer.exportNotFound",
        "message": 'Export "nope" not found in the receiver.',
    }


@pytest.mark.parametrize(
    ("refused", "request_line"),
    [
        (("receiverNotFound", 404), "PATCH /v1/receivers/x"),
        (("receiverNotFound", 404), "DELETE /v1/receivers/x"),
        (("receiverNotFound", 404), "DELETE /v1/receivers/x/exports/y"),
        (("exportNotFound", 404), "DELETE /v1/receivers/x/exports/y"),
        (("exportNotFound", 404), "PATCH /v1/receivers/x/exports/y"),
        (("receiverAlreadyExists", 409), "POST /v1/receivers"),
        (("exportAlreadyExists", 409), "POST /v1/receivers"),
        (("receiverCountLimitReached", 409), "POST /v1/receivers"),
        (("exportCountLimitReached", 409), "POST /v1/receivers"),
        (("badRequest", 400), "PATCH /v1/receivers/x/exports/y"),
    ],
)
async def test_what_the_definitions_refuse_is_said_in_their_words(client, house, auth, refused, request_line) -> None:
    rule, status = refused
    house.definitions.refuse = DefinitionRefused(rule, 'receiver "x" is one too many')
    response = await client.request(*request_line.split(), json={"name": "x"}, headers=auth)
    assert await response.json() == {
        "statusCode": status,
        "error": f"buffer.{rule}",
        "message": 'Receiver "x" is one too many.',
    }


async def test_a_token_must_be_there_and_right(client, house) -> None:
    missing = await client.get("/v1/receivers")
    assert (missing.status, await missing.json()) == (
        400,
        {
            "statusCode": 400,
            "error": "buffer.missingField",
            "message": '"X-StorageApi-Token" is missing from header.',
        },
    )
    wrong = await client.get("/v1/receivers", headers={"X-StorageApi-Token": "x"})
    assert (wrong.status, (await wrong.json())["error"]) == (401, "storage.tokenInvalid")
    assert not house.definitions.asked


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-StorageApi-Token": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer {TOKEN}", "X-StorageApi-Token": ""}, 200),
        ({"Authorization": "Bearer wrong", "X-StorageApi-Token": TOKEN}, 200),
        ({"Authorization": f"Bearer {TOKEN}", "X-StorageApi-Token": "wrong"}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 400),
        ({"Authorization": TOKEN}, 400),
    ],
)
async def test_a_token_may_stand_in_either_header_and_the_own_one_wins(client, headers, status) -> None:
    assert (await client.get("/v1/receivers", headers=headers)).status == status


async def test_the_body_is_checked_before_the_token(client) -> None:
    response = await client.post("/v1/receivers", json={"name": ""})
    assert (await response.json())["error"] == "buffer.invalidLength"
    response = await client.post("/v1/receivers", json={"name": "x", "exports": [bad_export()]})
    assert (await response.json())["error"] == "buffer.missingField"  # of the header: tables are looked at later


def bad_export() -> dict:
    return {"name": "e", "mapping": {"tableId": "nonsense", "columns": [{"type": "id", "name": "id"}]}}


async def test_an_unknown_path_is_answered_in_the_form_of_its_api(client) -> None:
    response = await client.get("/v1/foo/<bar>&")
    assert response.status == 404
    assert response.content_type == "application/json"
    assert await response.text() == (
        "{\n"
        '  "statusCode": 404,\n'
        '  "error": "buffer.endpointNotFound",\n'
        '  "message": "No endpoint found for path \\"/v1/foo/\\u003cbar\\u003e\\u0026\\"."\n'
        "}"
    )
    assert (await client.post("/v1/tasks/")).status == 404
    assert (await client.get("/v1/receivers/a%0Ab/c")).content_type == "application/json"
    assert (await client.get("/a%0Ab")).content_type == "application/json"
    house = await client.get("/v1x")
    assert (house.status, (await house.json())["message"]) == (404, 'No endpoint found for path "/v1x".')


async def test_a_wrong_method_names_the_right_ones(client, auth) -> None:
    response = await client.put("/v1/receivers", headers=auth)
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert (await response.json())["error"] == "buffer.methodNotAllowed"


@pytest.mark.parametrize("path", ["/v1", "/v1/receivers", "/v1/import/1/r/s", "/v1/tasks/a/b", "/v1/receivers/r"])
async def test_browsers_may_ask_before_they_send(client, house, path) -> None:
    house.is_ready = False
    response = await client.options(path, headers={"Origin": "http://x", "Access-Control-Request-Method": "POST"})
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Access-Control-Allow-Methods"] == "GET, POST, PATCH, DELETE"
    assert response.headers["Access-Control-Allow-Headers"] == (
        "Content-Type, X-StorageApi-Token, Authorization, Idempotency-Key"
    )


async def test_every_answer_has_a_request_id_of_its_own(client, auth) -> None:
    paths = ["/v1", "/v1/receivers", "/v1/nope", "/nope", "/health-check", "/ready", "/"]
    ids = [(await client.get(path, headers=auth)).headers["X-Request-Id"] for path in paths * 50]
    assert all(re.fullmatch("[0-9A-Za-z]{15}", request_id) for request_id in ids)
    assert len(set(ids)) == len(ids)


async def test_a_fault_of_ours_tells_nothing_but_its_id(client, house, auth, caplog) -> None:
    house.definitions.break_with = ZeroDivisionError("password is 123")
    response = await client.get("/v1/receivers/receiver-1", headers=auth)
    body = await response.json()
    assert (response.status, body["error"]) == (500, "buffer.internalError")
    assert body["exceptionId"] == f"forebay-buffer-{response.headers['X-Request-Id']}"
    assert "123" not in await response.text()
    (record,) = caplog.records
    assert response.headers["X-Request-Id"] in record.getMessage()
    assert response.headers["X-Request-Id"] == record.request_id


async def test_a_refusal_that_is_no_fault_of_the_client_can_be_found_by_its_id(client, house, auth, caplog) -> None:
    caplog.set_level("INFO")
    house.is_ready = False
    response = await client.get("/v1/receivers", headers=auth)
    (record,) = [record for record in caplog.records if record.name == "app.web.views"]
    assert (response.status, record.request_id) == (503, response.headers["X-Request-Id"])
    assert record.getMessage() == f"request {record.request_id} to /v1/receivers is answered 503: notReady"


async def test_the_house_says_what_is_here_and_whether_it_is_ready(client, house) -> None:
    assert await (await client.get("/health-check")).text() == "OK"
    assert await (await client.get("/ready")).json() == {"ready": True, "waitingFor": []}
    assert (await (await client.get("/v1")).json())["api"] == "buffer"
    house.is_ready = False
    waiting = await client.get("/ready")
    assert (waiting.status, waiting.headers["Retry-After"]) == (503, "1")
    assert await waiting.json() == {"ready": False, "waitingFor": ["recovery of tables"]}
    for path in ("/", "/v1", "/health-check"):
        assert (await client.get(path)).status == 200
    assert (await client.get("/v1/receivers")).status == 503
    assert (await client.post("/ready")).status == 405
