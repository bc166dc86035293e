import json

from web_fakes import a_receiver

from app.model.event import Position
from app.model.tail import Ending, Fate, Fated
from tables.fates import Line

TAIL = "/v1/receivers/receiver-1/tail"
POSITION = Position("life", 0, 0, 0)


async def test_lines_come_one_by_one_until_the_end(client, house, auth):
    house.definitions.known["receiver-1"] = a_receiver()
    async with client.get(TAIL, headers=auth) as answer:
        assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
        assert answer.headers["X-Request-Id"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        first = json.loads(await answer.content.readline())
        assert (first["type"], first["receiverId"]) == ("listening", "receiver-1")
        house.tails[0].hear(Line("uid-receiver-1", POSITION, Fated("the-id", Fate.UNROUTED)))
        assert json.loads(await answer.content.readline()) == {"type": "fate", "id": "the-id", "fate": "unrouted"}
        house.tails[0].end(Ending.DELETED)
        last = json.loads(await answer.content.readline())
        assert last == {"type": "end", "reason": "deleted", "message": "the receiver is deleted"}
        assert await answer.content.read() == b""
    assert house.tails == []


async def test_a_tail_ends_when_its_token_is_revoked_and_tells_nothing_more(client, house, auth):
    house.definitions.known["receiver-1"] = a_receiver()
    async with client.get(TAIL, headers=auth) as answer:
        assert json.loads(await answer.content.readline())["type"] == "listening"
        house.definitions.token_revoked = True
        house.tails[0].hear(Line("uid-receiver-1", POSITION, Fated("the-id", Fate.UNROUTED)))
        last = json.loads(await answer.content.readline())
        assert last == {"type": "end", "reason": "revoked", "message": "the token opens the project no more"}
        assert await answer.content.read() == b""
    assert house.tails == []


async def test_the_head_of_a_tail_listens_to_nothing(client, house, auth):
    house.definitions.known["receiver-1"] = a_receiver()
    async with client.head(TAIL, headers=auth) as answer:
        assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
    assert house.tails == []


async def test_one_tail_too_many_is_refused(client, house, auth):
    house.definitions.known["receiver-1"] = a_receiver()
    house.tails_max = 0
    async with client.get(TAIL, headers=auth) as answer:
        assert (answer.status, (await answer.json())["error"]) == (429, "buffer.tooManyRequests")


async def test_a_tail_begins_now_and_belongs_to_a_receiver_that_is_there(client, house, auth):
    async with client.get(TAIL, headers=auth) as answer:
        assert (answer.status, (await answer.json())["error"]) == (404, "buffer.receiverNotFound")
    house.definitions.known["receiver-1"] = a_receiver()
    async with client.get(f"{TAIL}?from=beginning", headers=auth) as answer:
        said = await answer.json()
    assert (answer.status, said["error"]) == (400, "buffer.badRequest")
    assert said["message"] == '"from" must be "now": what came before is not told.'
