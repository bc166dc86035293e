import asyncio
from dataclasses import replace

import pytest
from web_fakes import TOKEN

from app.errors import LogFailed, LogFull, ProgramRefused, Rejected, Retryable
from app.model.change import CreatePipeline, PipelineCleared, PipelineFailed, PipelineStarted
from app.model.pipeline import Program, ProgramStatus
from app.pipelines import COMPILING_MAX
from app.web.feldera.payloads import DESCRIPTION_CHARACTERS_MAX, KEPT_CHARACTERS_MAX, TAGS_MAX
from app.web.feldera.routes import FELDERA

PIPELINES = "/v0/pipelines"
SHOP = f"{PIPELINES}/shop"
TABLE = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, note VARCHAR(9) DEFAULT 'x');"
STATUS_MEMBERS = {
    "id",
    "name",
    "description",
    "tags",
    "created_at",
    "version",
    "platform_version",
    "program_version",
    "program_status",
    "program_status_since",
    "program_error",
    "refresh_version",
    "storage_status",
    "storage_status_details",
    "bootstrap_policy",
    "deployment_id",
    "deployment_initial",
    "deployment_error",
    "deployment_status",
    "deployment_status_since",
    "deployment_desired_status",
    "deployment_desired_status_since",
    "deployment_resources_status",
    "deployment_resources_status_since",
    "deployment_resources_desired_status",
    "deployment_resources_desired_status_since",
    "deployment_runtime_status",
    "deployment_runtime_status_details",
    "deployment_runtime_status_since",
    "deployment_runtime_desired_status",
    "deployment_runtime_desired_status_since",
}
LONG_MEMBERS = {"runtime_config", "program_code", "udf_rust", "udf_toml", "program_config", "program_info"}


async def made(client, **changes) -> dict:
    response = await client.post(PIPELINES, json={"name": "shop", "program_code": TABLE, **changes})
    assert response.status == 201, await response.text()
    return await response.json()


async def told(client, path: str = SHOP) -> dict:
    response = await client.get(path)
    assert response.status == 200, await response.text()
    return await response.json()


async def asked(client, method: str, path: str, **options) -> tuple[int, str]:
    """The status and the code of what must be an error of this API's form."""
    response = await client.request(method, path, **options)
    content = await response.json()
    assert content["message"]
    assert set(content) == {"message", "error_code", "details"}
    return response.status, content["error_code"]


async def post(client, what: str, **query) -> int:
    response = await client.post(f"{SHOP}/{what}", params=query)
    assert response.content_type == "application/json"
    return response.status


class Owner:
    """Whoever owns the definitions does what stands there, when the test says so."""

    def __init__(self, house) -> None:
        self._folded = house.folded
        self._pipelines = house.folded.receivers.pipelines

    async def prepare(self) -> None:
        for pipeline in self._pipelines.unfinished():
            if pipeline.clearing:
                await self._folded.submit(PipelineCleared(pipeline.uid, pipeline.clearing))
            else:
                await self._folded.submit(PipelineStarted(pipeline.uid, pipeline.deployment_id, 5, "k"))

    async def fail(self, reason: str) -> None:
        (pipeline,) = self._pipelines.unfinished()
        await self._folded.submit(PipelineFailed(pipeline.uid, pipeline.deployment_id, 5, reason))


@pytest.fixture
def owner(house) -> Owner:
    return Owner(house)


async def started(client, owner, **query) -> None:
    await made(client)
    assert await post(client, "start", **query) == 202
    await owner.prepare()


# made and told


async def test_a_pipeline_is_made_and_told_whole(client, house):
    pipeline = await made(
        client,
        description="all sales",
        tags=["b", "a"],
        runtime_config={"workers": 8, "resources": {"cpu": 1.50}},
        program_config={"profile": "dev"},
        udf_rust="// rust",
        udf_toml=None,
        cache=True,
    )
    assert set(pipeline) == STATUS_MEMBERS | LONG_MEMBERS
    assert pipeline == await told(client)
    assert (pipeline["name"], pipeline["description"], pipeline["tags"]) == ("shop", "all sales", ["b", "a"])
    assert pipeline["runtime_config"] == {"workers": 8, "resources": {"cpu": 1.5}}
    assert (pipeline["program_config"], pipeline["udf_rust"], pipeline["udf_toml"]) == (
        {"profile": "dev"},
        "// rust",
        "",
    )
    assert (pipeline["version"], pipeline["program_version"], pipeline["program_status"]) == (1, 1, "Success")
    assert pipeline["program_error"] == {
        "sql_compilation": {"exit_code": 0, "messages": []},
        "rust_compilation": None,
        "system_error": None,
    }
    assert (pipeline["deployment_status"], pipeline["deployment_desired_status"]) == ("Stopped", "Stopped")
    assert (pipeline["storage_status"], pipeline["deployment_id"]) == ("Cleared", None)
    ((schema, relations, _),) = house.destination.checked
    assert (schema, [relation.name for relation in relations]) == ("shop", ["t"])


async def test_the_schema_of_a_program_is_told(client):
    code = TABLE + 'CREATE TABLE "U" (m MAP<VARCHAR, INT ARRAY>, r ROW(x DECIMAL(5, 2))); CREATE VIEW v AS SELECT 1;'
    info = (await made(client, program_code=code))["program_info"]
    assert (info["input_connectors"], info["output_connectors"]) == ({}, {})
    t, u = info["schema"]["inputs"]
    assert t == {
        "name": "t",
        "case_sensitive": False,
        "fields": [
            {
                "name": "id",
                "case_sensitive": False,
                "columntype": {"type": "BIGINT", "nullable": False},
                "lateness": None,
                "default": None,
                "unused": False,
                "watermark": None,
            },
            {
                "name": "note",
                "case_sensitive": False,
                "columntype": {"type": "VARCHAR", "nullable": True, "precision": 9},
                "lateness": None,
                "default": "'x'",
                "unused": False,
                "watermark": None,
            },
        ],
        "materialized": True,
        "properties": {},
        "primary_key": ["id"],
    }
    assert (u["name"], u["case_sensitive"], u["materialized"], u["primary_key"]) == ("U", True, False, None)
    integer = {"type": "INTEGER", "nullable": True}
    assert [field["columntype"] for field in u["fields"]] == [
        {
            "type": "MAP",
            "nullable": True,
            "key": {"type": "VARCHAR", "nullable": False},
            "value": {"type": "ARRAY", "nullable": True, "component": integer},
        },
        {
            "type": "STRUCT",
            "nullable": True,
            "fields": [
                {
                    "name": "x",
                    "case_sensitive": False,
                    "columntype": {"type": "DECIMAL", "nullable": False, "precision": 5, "scale": 2},
                    "lateness": None,
                    "default": None,
                    "unused": False,
                    "watermark": None,
                }
            ],
        },
    ]
    (view,) = info["schema"]["outputs"]
    assert (view["name"], [field["name"] for field in view["fields"]]) == ("v", ["n"])


async def test_selectors_leave_out_what_is_long(client):
    await made(client)
    assert set(await told(client, f"{SHOP}?selector=all")) == STATUS_MEMBERS | LONG_MEMBERS
    assert set(await told(client, f"{SHOP}?selector=status")) == STATUS_MEMBERS
    assert set(await told(client, f"{SHOP}?selector=status_with_connectors")) == STATUS_MEMBERS | {"connectors"}
    for path in (f"{SHOP}?selector=some", f"{PIPELINES}?selector="):
        response = await client.get(path)
        assert (response.status, response.content_type) == (400, "text/plain")
        assert (await response.text()).startswith("Query deserialize error: ")


async def test_pipelines_are_listed_by_name(client):
    await made(client, name="b")
    await made(client, name="a")
    assert [pipeline["name"] for pipeline in await told(client, PIPELINES)] == ["a", "b"]
    assert set((await told(client, f"{PIPELINES}?selector=status"))[0]) == STATUS_MEMBERS


async def test_a_pipeline_that_another_worker_has_just_made_is_found(client, house):
    house.folded.elsewhere.append(CreatePipeline("u", "x", "k", 1, "shop", Program("", ProgramStatus.SUCCESS, 1)))
    assert (await told(client))["id"] == "u"


# programs


async def test_a_program_with_errors_is_kept_with_their_places(client):
    pipeline = await made(client, program_code="CREATE TABLE t (\n  a FLOAT\n);")
    assert (pipeline["program_status"], pipeline["program_info"]) == ("SqlError", None)
    compilation = pipeline["program_error"]["sql_compilation"]
    assert compilation["exit_code"] == 1
    assert compilation["messages"] == [
        {
            "start_line_number": 2,
            "start_column": 5,
            "end_line_number": 2,
            "end_column": 9,
            "warning": False,
            "error_type": "Not supported",
            "message": "FLOAT is not a type: databases do not agree on its size. Use REAL or DOUBLE",
            "snippet": "    2|  a FLOAT\n          ^^^^^\n",
        }
    ]
    assert await asked(client, "POST", f"{SHOP}/start") == (400, "StartFailedDueToFailedCompilation")


async def test_what_the_destination_cannot_run_is_an_error_of_the_program_until_it_can(client, house):
    house.destination.fail_with = ProgramRefused("v", "no such table: x")
    code = TABLE + "\nCREATE VIEW v AS SELECT * FROM x;"
    pipeline = await made(client, program_code=code)
    (message,) = pipeline["program_error"]["sql_compilation"]["messages"]
    assert (pipeline["program_status"], message["message"]) == ("SqlError", "no such table: x")
    assert (message["start_line_number"], message["error_type"]) == (2, "Compilation error")
    house.destination.fail_with = None
    response = await client.patch(SHOP, json={"program_code": code})
    assert (await response.json())["program_status"] == "Success"


async def test_warnings_are_told_with_a_program_that_can_be_run(client):
    pipeline = await made(client, program_code="CREATE TABLE t (a INT) WITH ('connectors' = '[]')")
    compilation = pipeline["program_error"]["sql_compilation"]
    assert (pipeline["program_status"], compilation["exit_code"]) == ("Success", 0)
    assert [message["warning"] for message in compilation["messages"]] == [True]


@pytest.mark.parametrize("error", [Retryable("it is away", after_s=1), Rejected("no permission")])
async def test_while_the_destination_cannot_be_asked_no_program_is_taken(client, house, error):
    house.destination.fail_with = error
    body = {"name": "shop", "program_code": TABLE}
    assert await asked(client, "POST", PIPELINES, json=body) == (503, "DestinationUnavailable")
    assert await told(client, PIPELINES) == []


async def test_so_many_programs_are_compiled_at_once_and_no_more(client, house):
    house.destination.hangs = asyncio.Event()
    waiting = [asyncio.ensure_future(made(client, name=f"p{number}")) for number in range(COMPILING_MAX)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while True:
            response = await client.post(PIPELINES, json={"name": "late", "program_code": "DROP TABLE t"})
            if response.status == 429:
                break
            await client.delete(f"{PIPELINES}/late")
    assert response.headers["Retry-After"] == "1"
    assert (await response.json())["error_code"] == "TooManyRequests"
    house.destination.hangs.set()
    assert [pipeline["name"] for pipeline in await asyncio.gather(*waiting)] == [
        f"p{number}" for number in range(COMPILING_MAX)
    ]
    await made(client, name="late")


# changed


async def test_a_patch_changes_what_it_names(client):
    before = await made(client, description="old", tags=["x"], runtime_config={"workers": 1})
    response = await client.patch(SHOP, json={"description": "new", "tags": None, "udf_toml": "[t]"})
    after = await response.json()
    assert response.status == 200
    assert (after["description"], after["tags"], after["udf_toml"]) == ("new", ["x"], "[t]")
    assert (after["version"], after["runtime_config"]) == (before["version"] + 1, {"workers": 1})
    assert after["refresh_version"] > before["refresh_version"]
    again = await client.patch(SHOP, json={"description": "new"})
    assert (await again.json())["version"] == after["version"]


async def test_another_program_is_compiled_and_gets_another_version(client, house):
    await made(client, udf_rust="kept")
    response = await client.patch(SHOP, json={"program_code": "CREATE TABLE u (a INT)"})
    after = await response.json()
    assert (after["program_version"], after["udf_rust"]) == (2, "kept")
    assert [table["name"] for table in after["program_info"]["schema"]["inputs"]] == ["u"]
    checked = len(house.destination.checked)
    response = await client.patch(SHOP, json={"program_code": "CREATE TABLE u (a INT)"})
    assert (await response.json())["program_version"] == 2
    assert len(house.destination.checked) == checked


async def test_a_put_makes_or_replaces(client):
    body = {"name": "shop", "program_code": TABLE, "description": "first"}
    response = await client.put(SHOP, json=body)
    assert (response.status, (await response.json())["description"]) == (201, "first")
    response = await client.put(SHOP, json={"name": "shop", "program_code": ""})
    after = await response.json()
    assert (response.status, after["description"], after["program_code"]) == (200, "", "")
    assert await asked(client, "PUT", f"{PIPELINES}/other", json=body) == (400, "CannotRenameNonExistingPipeline")


async def test_a_pipeline_without_tables_can_have_another_name(client):
    await made(client)
    response = await client.patch(SHOP, json={"name": "store"})
    assert (response.status, (await response.json())["name"]) == (200, "store")
    assert await asked(client, "GET", SHOP) == (404, "UnknownPipelineName")
    await made(client)
    assert await asked(client, "PATCH", SHOP, json={"name": "Store"}) == (409, "DuplicateName")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "EmptyName"),
        ("x" * 64, "TooLongName"),
        ("bad name", "NameDoesNotMatchPattern"),
        ("-x", "NameDoesNotMatchPattern"),
        ("x_", "NameDoesNotMatchPattern"),
        ("ü", "NameDoesNotMatchPattern"),
        ("x\n", "NameDoesNotMatchPattern"),
    ],
)
async def test_not_every_name_is_one(client, name, code):
    assert await asked(client, "POST", PIPELINES, json={"name": name, "program_code": ""}) == (400, code)
    await made(client)
    assert await asked(client, "PATCH", SHOP, json={"name": name}) == (400, code)


async def test_a_name_that_is_taken_is_refused_before_its_program_is_compiled(client, house):
    await made(client, name="a-1")
    checked = len(house.destination.checked)
    for name, code in (("a-1", "DuplicateName"), ("A-1", "DuplicateName"), ("pg_x", "NameNotAvailable")):
        assert await asked(client, "POST", PIPELINES, json={"name": name, "program_code": ""}) == (409, code)
    assert len(house.destination.checked) == checked


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"name": "shop", "program_code": "", "runtime_config": {"x": "\xff"}}',
        {"program_code": ""},
        {"name": "shop"},
        {"name": 1, "program_code": ""},
        {"name": "shop", "program_code": None},
        {"name": "shop", "program_code": "", "tags": "a"},
        {"name": "shop", "program_code": "", "tags": ["a"] * (TAGS_MAX + 1)},
        {"name": "shop", "program_code": "", "tags": ["a" * 256]},
        {"name": "shop", "program_code": "", "runtime_config": []},
        {"name": "shop", "program_code": "", "program_config": {"x": "y" * KEPT_CHARACTERS_MAX}},
        {"name": "shop", "program_code": "", "description": "x" * (DESCRIPTION_CHARACTERS_MAX + 1)},
        {"name": "shop", "program_code": "", "udf_rust": "x" * (KEPT_CHARACTERS_MAX + 1)},
    ],
)
async def test_a_body_of_another_form_is_refused(client, body):
    options = {"data": body} if isinstance(body, bytes) else {"json": body}
    assert await asked(client, "POST", PIPELINES, **options) == (400, "InvalidRequestBody")


# its life


async def test_a_start_is_provisioning_until_the_tables_are_there(client, owner):
    await made(client)
    assert await post(client, "start") == 202
    pipeline = await told(client)
    assert (pipeline["deployment_status"], pipeline["deployment_desired_status"]) == ("Provisioning", "Running")
    assert (pipeline["deployment_resources_status"], pipeline["deployment_resources_desired_status"]) == (
        "Provisioning",
        "Provisioned",
    )
    assert (pipeline["deployment_runtime_status"], pipeline["storage_status"]) == (None, "InUse")
    await owner.prepare()
    pipeline = await told(client)
    assert (pipeline["deployment_status"], pipeline["deployment_initial"]) == ("Running", "Running")
    assert (pipeline["deployment_runtime_status"], pipeline["deployment_resources_status"]) == (
        "Running",
        "Provisioned",
    )
    assert pipeline["deployment_id"]
    assert await post(client, "start") == 202
    assert (await told(client))["deployment_id"] == pipeline["deployment_id"]


async def test_a_pipeline_is_paused_resumed_and_stopped(client, owner):
    await started(client, owner, initial="paused")
    for act, status in (
        ("pause", "Paused"),
        ("resume", "Running"),
        ("resume", "Running"),
        ("pause", "Paused"),
        ("stop", "Stopped"),
        ("stop", "Stopped"),
    ):
        assert await post(client, act) == 202
        pipeline = await told(client)
        assert (pipeline["deployment_status"], pipeline["deployment_desired_status"]) == (status, status)
    assert (pipeline["storage_status"], pipeline["deployment_id"]) == ("InUse", None)


async def test_a_failed_start_is_told_until_it_is_dismissed(client, owner):
    await made(client)
    await post(client, "start")
    await owner.fail("no route to it")
    pipeline = await told(client)
    assert (pipeline["deployment_status"], pipeline["deployment_desired_status"]) == ("Stopped", "Stopped")
    assert pipeline["deployment_error"] == {"message": "no route to it", "error_code": "StartFailed", "details": {}}
    refused = await asked(client, "POST", f"{SHOP}/start?dismiss_error=false")
    assert refused == (400, "CannotStartWithUndismissedError")
    assert await post(client, "dismiss_error") == 200
    assert (await told(client))["deployment_error"] is None
    assert await post(client, "start", dismiss_error="false", initial="running") == 202


async def test_what_is_deployed_is_neither_changed_nor_cleared_nor_deleted(client, owner):
    await started(client, owner)
    for body in ({"program_code": ""}, {"name": "x"}, {"runtime_config": {}}, {"udf_rust": "x"}):
        refused = await asked(client, "PATCH", SHOP, json={"runtime_config": {"a": 1}, **body})
        assert refused == (400, "UpdateRestrictedToStopped"), body
    put = {"name": "shop", "program_code": TABLE, "runtime_config": {"workers": 1}}
    assert await asked(client, "PUT", SHOP, json=put) == (400, "UpdateRestrictedToStopped")
    assert await asked(client, "DELETE", SHOP) == (400, "DeleteRestrictedToFullyStopped")
    assert await asked(client, "POST", f"{SHOP}/clear") == (400, "StorageStatusImmutableUnlessStopped")
    assert (await client.patch(SHOP, json={"description": "new", "tags": ["t"]})).status == 200


async def test_a_clear_and_then_a_delete_forget_everything(client, owner):
    await started(client, owner)
    await post(client, "stop", force="true")
    assert await asked(client, "DELETE", SHOP) == (400, "DeleteRestrictedToClearedStorage")
    assert await post(client, "clear") == 202
    assert (await told(client))["storage_status"] == "Clearing"
    assert await asked(client, "POST", f"{SHOP}/start") == (400, "CannotStartWhileClearingStorage")
    assert await asked(client, "DELETE", SHOP) == (400, "DeleteRestrictedToClearedStorage")
    await owner.prepare()
    assert (await told(client))["storage_status"] == "Cleared"
    assert await post(client, "clear") == 202
    response = await client.delete(SHOP)
    assert (response.status, await response.read()) == (200, b"")
    assert await asked(client, "GET", SHOP) == (404, "UnknownPipelineName")
    await made(client)


async def test_while_there_are_tables_a_program_may_only_grow(client, owner):
    await started(client, owner)
    await post(client, "stop")
    refused = await asked(client, "PATCH", SHOP, json={"program_code": "CREATE TABLE u (a INT)"})
    assert refused == (400, "EditRestrictedToClearedStorage")
    assert await asked(client, "PATCH", SHOP, json={"name": "x"}) == (400, "EditRestrictedToClearedStorage")
    grown = TABLE.replace("'x'", "'x', more INT") + "CREATE TABLE u (a INT);"
    assert (await client.patch(SHOP, json={"program_code": grown})).status == 200


async def test_a_start_that_leads_elsewhere_is_refused(client, owner):
    await started(client, owner)
    assert await asked(client, "POST", f"{SHOP}/start?initial=paused") == (400, "InitialImmutableUnlessStopped")
    assert await asked(client, "POST", f"{SHOP}/start?initial=standby") == (400, "InitialStandbyNotAllowed")


@pytest.mark.parametrize("query", ["initial=sleeping", "initial=", "dismiss_error=1", "dismiss_error=True"])
async def test_a_malformed_query_is_answered_as_plain_text(client, query):
    await made(client)
    response = await client.post(f"{SHOP}/start?{query}")
    assert (response.status, response.content_type) == (400, "text/plain")


@pytest.mark.parametrize(
    ("act", "code"), [("pause", "PauseWhileNotProvisioned"), ("resume", "ResumeWhileNotProvisioned")]
)
async def test_only_what_is_deployed_is_paused_and_resumed(client, act, code):
    await made(client)
    assert await asked(client, "POST", f"{SHOP}/{act}") == (400, code)
    await post(client, "start")
    assert await asked(client, "POST", f"{SHOP}/{act}") == (400, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        *(("POST", f"/{act}") for act in ("start", "pause", "resume", "stop", "clear", "dismiss_error")),
    ],
)
async def test_a_pipeline_that_there_is_not_is_said(client, method, path):
    body = {"json": {}} if method == "PATCH" else {}
    response = await client.request(method, f"{PIPELINES}/no%20such{path}", **body)
    content = await response.json()
    assert (response.status, content["error_code"]) == (404, "UnknownPipelineName")
    assert content["message"] == "Unknown pipeline name 'no such'"
    assert content["details"] == {"pipeline_name": "no such"}


# the service


async def test_what_clients_ask_first(client, house):
    config = await told(client, "/v0/config")
    assert (config["edition"], config["version"]) == ("Open source", "0.369.0")
    assert await told(client, "/v0/cluster_healthz") == {"all_healthy": True}
    assert (await told(client, "/"))["feldera"].endswith("/v0/config")
    house.is_ready = False
    response = await client.get("/v0/cluster_healthz")
    assert (response.status, await response.json()) == (503, {"all_healthy": False})
    response = await client.get(PIPELINES)
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert (await response.json())["error_code"] == "Initializing"


async def test_unknown_addresses_and_methods_are_answered_in_this_form(client):
    assert await asked(client, "GET", "/v0/nothing") == (404, "UnknownPath")
    assert await asked(client, "GET", "/v0/") == (404, "UnknownPath")
    response = await client.get(f"{PIPELINES}/shop/logs")
    assert "docs/apis/feldera.md" in (await response.json())["message"]
    response = await client.put(PIPELINES)
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert (await response.json())["error_code"] == "MethodNotAllowed"


@pytest.mark.parametrize(
    ("error", "answer"),
    [(LogFull("full"), (429, "TooManyRequests")), (LogFailed("away"), (503, "LogUnavailable"))],
)
async def test_a_log_that_takes_nothing_is_told_with_when_to_try_again(client, house, monkeypatch, error, answer):
    async def fail(_change) -> None:
        raise error

    monkeypatch.setattr(house.folded, "submit", fail)
    response = await client.post(PIPELINES, json={"name": "shop", "program_code": ""})
    assert (response.status, (await response.json())["error_code"]) == answer
    assert response.headers["Retry-After"] == "1"


# who may


@pytest.fixture
def asks_keys(house) -> None:
    """To be used before the client, which is made with the doors."""
    house.doors = replace(house.doors, feldera_asks_keys=True)


@pytest.mark.usefixtures("asks_keys")
@pytest.mark.parametrize("key", [TOKEN, f"apikey:{TOKEN}"])
async def test_a_token_of_a_project_opens_when_keys_are_asked_for(client, key):
    response = await client.get(PIPELINES, headers={"Authorization": f"Bearer {key}"})
    assert (response.status, await response.json()) == (200, [])


@pytest.mark.usefixtures("asks_keys")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer apikey:wrong"},
        {"Authorization": "Bearer apikey:"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v0/config"), ("GET", PIPELINES), ("POST", PIPELINES), ("DELETE", SHOP), ("POST", f"{SHOP}/clear")],
)
async def test_nothing_else_opens_when_keys_are_asked_for(client, headers, method, path):
    response = await client.request(method, path, headers=headers)
    assert response.status == 401
    assert await response.json() == {"message": "Unauthorized API key", "error_code": "AuthenticationFailed"}


async def test_nobody_is_asked_for_a_key_by_default(client):
    response = await client.get(PIPELINES, headers={"Authorization": "Bearer whatever"})
    assert response.status == 200


@pytest.mark.usefixtures("asks_keys")
async def test_no_route_is_open_when_keys_are_asked_for(client):
    for route in FELDERA.routes:
        path = route.path.replace("{", "").replace("}", "")
        response = await client.request(route.method, path)
        assert response.status == 401, route.path
