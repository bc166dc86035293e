"""target-stitch, Stitch's own Singer target, fed with what taps write: its states come out, and the rows are right."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.environments import environment
from tests.clients.singer_taps import (
    NULLABLE_INTEGER,
    NULLABLE_NUMBER,
    NULLABLE_TEXT,
    ORDERS,
    activate,
    lines,
    order,
    record,
    schema,
    state,
)
from tests.flows.stitch_client import CLIENT_ID, StitchClient
from tests.server import TOKEN

RUN_MAX_S = 120


@dataclass(frozen=True)
class Ended:
    """A run of the target."""

    code: int
    states: list[Any]
    said: str


class Target:
    """The program, configured for our server."""

    def __init__(self, directory: Path, stitch: StitchClient, token: str = TOKEN) -> None:
        self._program = environment("target-stitch") / "target-stitch"
        self._config = directory / "target-stitch.json"
        url = f"{stitch.server.url}/v2/import/batch"
        content = {
            "client_id": CLIENT_ID,
            "token": token,
            "small_batch_url": url,
            "big_batch_url": url,
            "batch_size_preferences": {},
            "disable_collection": True,
        }
        self._config.write_text(json.dumps(content))

    async def fed(self, messages: Iterable[dict[str, Any]], *options: str) -> Ended:
        """It ends when its input has."""
        command = [self._program, "--config", self._config, *options]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        output, said = await asyncio.wait_for(process.communicate(lines(messages)), RUN_MAX_S)
        states = [json.loads(line) for line in output.splitlines()]
        return Ended(process.returncode or 0, states, said.decode())


@pytest.fixture
def target(tmp_path: Path, stitch: StitchClient) -> Target:
    return Target(tmp_path, stitch)


async def test_orders_with_lines_in_lines(tmp_path: Path, either: StitchClient) -> None:
    target = Target(tmp_path, either)
    monday, tuesday = "2026-01-05T08:00:00Z", "2026-01-06T08:00:00.123000Z"
    ended = await target.fed(
        [
            ORDERS,
            *(order(number, monday, number) for number in range(4)),
            state(bookmarks={"orders": {"updated_at": monday}}),
            order(3, tuesday, 1, test=True, customer=None),
            order(4, tuesday, 2),
            state(bookmarks={"orders": {"updated_at": tuesday}}),
        ],
        "--max-batch-records",
        "4",
    )
    assert ended.code == 0, ended.said
    assert ended.states[-1] == {"bookmarks": {"orders": {"updated_at": tuesday}}}
    await either.until_loaded(6)
    assert either.rows("orders", "id", "updated_at", "total_price", "test", "customer__id") == [
        (0, "2026-01-05T08:00:00.000000Z", "0.0", 0, 9_007_199_254_740_993),
        (1, "2026-01-05T08:00:00.000000Z", "19.9", 0, 9_007_199_254_740_993),
        (2, "2026-01-05T08:00:00.000000Z", "39.8", 0, 9_007_199_254_740_993),
        (3, "2026-01-06T08:00:00.123000Z", "19.9", 1, None),
        (4, "2026-01-06T08:00:00.123000Z", "39.8", 0, 9_007_199_254_740_993),
    ]
    of_an_order = ("_sdc_source_key_id", "_sdc_level_0_id")
    assert either.rows("orders__line_items", *of_an_order, "id", "sku", "price") == [
        (1, 0, 10, "SKU-0", "19.9"),
        (2, 0, 20, "SKU-0", "19.9"),
        (2, 1, 21, "SKU-1", "19.9"),
        (3, 0, 30, "SKU-0", "19.9"),
        (4, 0, 40, "SKU-0", "19.9"),
        (4, 1, 41, "SKU-1", "19.9"),
    ]
    taxes = either.rows("orders__line_items__tax_lines", *of_an_order, "_sdc_level_1_id", "title", "price", "rate")
    assert taxes == [(2, 1, 0, "VAT", "3.79", 0.19), (4, 1, 0, "VAT", "3.79", 0.19)]
    assert either.rows("orders__tags", *of_an_order, "value") == [
        (1, 0, "new"),
        (2, 0, "new"),
        (2, 1, "gift"),
        (4, 0, "new"),
    ]
    extracted = either.rows("orders", "_sdc_extracted_at")
    assert extracted == [("2026-01-31T12:00:00.000000Z",)] * 5


async def test_a_table_is_replaced_by_each_full_run(tmp_path: Path, either: StitchClient) -> None:
    target = Target(tmp_path, either)

    def full_run(version: int, *numbers: int) -> list[dict[str, Any]]:
        records = [record("clients", {"id": number, "name": f"v{version}"}, version=version) for number in numbers]
        described = schema("clients", {"id": {"type": "integer"}, "name": NULLABLE_TEXT}, "id")
        return [described, *records, activate("clients", version), state(clients={"version": version})]

    first = await target.fed(full_run(1_700_000_000_000, 1, 2, 3))
    assert (first.code, first.states) == (0, [{"clients": {"version": 1_700_000_000_000}}]), first.said
    cut_short = await target.fed(full_run(1_700_000_000_001, 1)[:-2])
    assert (cut_short.code, cut_short.states) == (0, []), cut_short.said
    await either.until_loaded(5)
    assert either.rows("clients", "id", "name") == [(number, "v1700000000000") for number in (1, 2, 3)]
    last = await target.fed(full_run(1_700_000_000_002, 2, 3, 4), "--max-batch-records", "2")
    assert (last.code, last.states) == (0, [{"clients": {"version": 1_700_000_000_002}}]), last.said
    await either.until_loaded(9)
    assert either.rows("clients", "id", "name") == [(number, "v1700000000002") for number in (2, 3, 4)]


async def test_a_stream_without_keys_is_appended(stitch: StitchClient, target: Target) -> None:
    cells = [{"row": number // 2, "cell": "same"} for number in range(6)]
    described = schema("sheet", {"row": NULLABLE_INTEGER, "cell": NULLABLE_TEXT})
    ended = await target.fed([described, *(record("sheet", cell) for cell in cells), state(row=6)])
    assert (ended.code, ended.states) == (0, [{"row": 6}]), ended.said
    await stitch.until_loaded(6)
    assert stitch.rows("sheet", "row", "cell") == [(number // 2, "same") for number in range(6)]
    assert len(set(stitch.rows("sheet", "__sdc_primary_key"))) == 6


async def test_a_schema_may_change_midway(stitch: StitchClient, target: Target) -> None:
    identity = {"id": {"type": "integer"}}
    ended = await target.fed(
        [
            schema("users", {**identity, "age": NULLABLE_INTEGER, "zip": NULLABLE_INTEGER}, "id"),
            record("users", {"id": 1, "age": 30, "zip": 11000}),
            state(users=1),
            schema("users", {**identity, "age": NULLABLE_NUMBER, "zip": NULLABLE_TEXT, "city": NULLABLE_TEXT}, "id"),
            record("users", {"id": 2, "age": 30.5, "zip": "K1A 0B1", "city": "Ottawa"}),
            state(users=2),
        ]
    )
    assert (ended.code, ended.states) == (0, [{"users": 1}, {"users": 2}]), ended.said
    await stitch.until_loaded(2)
    columns = ("id", "age", "age__do", "zip", "zip__st", "city")
    assert stitch.rows("users", *columns) == [
        (1, 30, None, 11000, None, None),
        (2, None, 30.5, None, "K1A 0B1", "Ottawa"),
    ]


async def test_streams_in_turn_have_one_state(stitch: StitchClient, target: Target) -> None:
    described = {"id": {"type": "integer"}}
    both = [record(("left", "right")[number % 2], {"id": number}) for number in range(10)]
    streams = [schema("left", described, "id"), schema("right", described, "id")]
    ended = await target.fed([*streams, *both, state(currently_syncing=None)])
    assert (ended.code, ended.states) == (0, [{"currently_syncing": None}]), ended.said
    await stitch.until_loaded(10)
    assert stitch.rows("left", "id") == [(0,), (2,), (4,), (6,), (8,)]
    assert stitch.rows("right", "id") == [(1,), (3,), (5,), (7,), (9,)]


async def test_what_is_refused_keeps_its_state_back(stitch: StitchClient, target: Target) -> None:
    ended = await target.fed(
        [
            schema("users", {"id": {"type": "integer"}, "name": {"type": "string"}}, "id"),
            record("users", {"id": 1, "name": "good"}),
            state(users=1),
            record("users", {"id": 2, "name": 7}),
            state(users=2),
        ]
    )
    assert (ended.code, ended.states) == (1, [])
    assert "#/name: expected type: String, found: Integer" in ended.said
    assert (await stitch.ledger())["accepted"] == 0


async def test_another_token_is_refused(tmp_path: Path, stitch: StitchClient) -> None:
    ended = await Target(tmp_path, stitch, "of-nobody").fed(
        [schema("users", {"id": {"type": "integer"}}, "id"), record("users", {"id": 1}), state(users=1)]
    )
    assert (ended.code, ended.states) == (1, [])
    assert "401: {'message': 'Not Authorized'}" in ended.said
