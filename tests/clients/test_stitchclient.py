"""stitchclient, Stitch's own Python client, which writes Transit: what it pushed is called back, and rows are right."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.environments import environment
from tests.flows.stitch_client import CLIENT_ID, StitchClient
from tests.server import TOKEN

PUSHER = Path(__file__).with_name("by_stitchclient.py")
ALL_PUSHED = "all are pushed"
RUN_MAX_S = 120


@dataclass(frozen=True)
class Ended:
    """A run of the client, and which messages it called back, batch by batch: as it went on, and at its end."""

    code: int
    called_back: list[list[int]]
    flushed: list[list[int]]
    said: str


async def pushed(stitch: StitchClient, messages: list[dict[str, Any]], **settings: Any) -> Ended:
    url = f"{stitch.server.url}/v2/import/push"
    ours = {"client_id": CLIENT_ID, "token": TOKEN, "override_stitch_url": url, **settings}
    pipe = asyncio.subprocess.PIPE
    program = environment("stitchclient") / "python"
    process = await asyncio.create_subprocess_exec(program, PUSHER, stdin=pipe, stdout=pipe, stderr=pipe)
    asked = json.dumps({"settings": ours, "messages": messages}).encode()
    output, said = await asyncio.wait_for(process.communicate(asked), RUN_MAX_S)
    printed = [json.loads(line) for line in output.splitlines()]
    assert ALL_PUSHED in printed, said.decode()
    at = printed.index(ALL_PUSHED)
    return Ended(process.returncode or 0, printed[:at], printed[at + 1 :], said.decode())


def upsert(sequence: int, **data: Any) -> dict[str, Any]:
    return {"action": "upsert", "sequence": sequence, "data": data}


async def test_what_json_has_no_type_for(either: StitchClient) -> None:
    uuid = "00000000-0000-0000-0000-000000000005"
    typed = upsert(
        2**63 - 1,
        id=2**53 + 1,
        at={"at": "2018-04-30T17:00:00.250+00:00"},
        price={"decimal": "12.340"},
        uuid={"uuid": uuid},
        text="~^`",
        nested={"nothing": None, "list": [{"decimal": "0.10"}, {"decimal": "2"}]},
    )
    ended = await pushed(either, [typed], table_name="typed", key_names=["id"])
    assert (ended.code, ended.flushed) == (0, [[0]]), ended.said
    await either.until_loaded(1)
    columns = ("id", "_sdc_sequence", "at", "price", "uuid", "text")
    assert either.rows("typed", *columns) == [
        (2**53 + 1, 2**63 - 1, "2018-04-30T17:00:00.250000Z", "12.340", uuid, "~^`")
    ]
    assert either.rows("typed__nested__list", "_sdc_level_0_id", "value") == [(0, "0.10"), (1, "2")]


async def test_batches_end_where_the_client_ends_them(stitch: StitchClient) -> None:
    messages = [upsert(number, id=number % 7, name="x" * 500) for number in range(60)]
    settings = {"table_name": "batched", "key_names": ["id"], "max_batch_size_bytes": 4000}
    ended = await pushed(stitch, messages, **settings)
    assert ended.code == 0, ended.said
    assert len(ended.called_back + ended.flushed) > 5
    assert [number for batch in ended.called_back + ended.flushed for number in batch] == list(range(60))
    await stitch.until_loaded(60)
    assert stitch.rows("batched", "id", "_sdc_sequence") == sorted((number % 7, number) for number in range(53, 60))


async def test_a_batch_is_sent_when_it_is_old_enough(stitch: StitchClient) -> None:
    messages = [upsert(number, id=number) for number in range(3)]
    ended = await pushed(stitch, messages, table_name="slow", key_names=["id"], batch_delay_seconds=0)
    assert (ended.code, ended.called_back, ended.flushed) == (0, [[0], [1], [2]], []), ended.said
    await stitch.until_loaded(3)
    assert stitch.rows("slow", "id") == [(0,), (1,), (2,)]


async def test_tables_and_keys_may_be_the_messages_own(stitch: StitchClient) -> None:
    named = [
        {**upsert(1, id=1, name="one"), "table_name": "users", "key_names": ["id"]},
        {**upsert(2, code="a", line=1), "table_name": "codes", "key_names": ["code", "line"]},
        {**upsert(3, id=1, name="two"), "table_name": "users", "key_names": ["id"]},
    ]
    ended = await pushed(stitch, named)
    assert (ended.code, ended.flushed) == (0, [[0, 1, 2]]), ended.said
    await stitch.until_loaded(3)
    assert stitch.rows("users", "id", "name") == [(1, "two")]
    assert stitch.rows("codes", "code", "line") == [("a", 1)]


async def test_a_refused_batch_is_not_called_back(stitch: StitchClient) -> None:
    nameless = {**upsert(1, id=1), "table_name": " ", "key_names": ["id"]}
    ended = await pushed(stitch, [nameless])
    assert ended.code == 1
    assert ended.flushed == []
    assert "can\\'t be blank" in ended.said  # quoted within quotes
    assert (await stitch.ledger())["accepted"] == 0
