"""What clients do meanwhile: push events, change definitions; and what they remember of the answers."""

import asyncio
import itertools
import json
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from tests.crash.changes import Changes
from tests.crash.documents import Documents
from tests.server import TOKEN

MENDED = "mended"  # an export whose dead letters may fit later
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=10)
NO_HEADERS: Mapping[str, str] = {}
HEADERS = {"X-StorageApi-Token": TOKEN, "Content-Type": "application/json"}


@dataclass
class Pushed:
    """One event that was sent; `accepted`: a 2xx came."""

    name: str
    receiver: str
    number: int
    accepted: bool = False
    answered_at: int = -1  # of the answer that accepted it, among the numbers
    dead_for_path: bool = False
    door: str = ""  # the worker that was asked last


@dataclass
class Wanted:
    """An export as the clients know it: what a door that knew it took from then on must be in its table or dead."""

    receiver: str
    export: str
    table: str
    since: int
    known_since: dict[str, int] = field(default_factory=dict)  # by door
    deleted: bool = False  # asked for, whether or not an answer came


@dataclass
class Memory:
    """All that the clients know."""

    events: list[Pushed] = field(default_factory=list)
    exports: list[Wanted] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)
    keyed: dict[str, tuple[int, int]] = field(default_factory=dict)  # key → (greatest sent, greatest accepted)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    lost: list[tuple[int, int]] = field(default_factory=list)  # what only a log that was replaced had known
    copied_at: int = 0
    unanswered: list[tuple[Pushed, str]] = field(default_factory=list)  # with a key: to be sent again, with its body
    documents: Documents = field(init=False)
    changes: Changes = field(init=False)

    def __post_init__(self) -> None:
        """Documents and changes are numbered with the events, and lost with them."""
        self.documents = Documents(self.numbers, self.lost)
        self.changes = Changes(self.numbers, self.lost)

    def log_copied(self) -> None:
        """A copy of the log was kept now."""
        self.copied_at = next(self.numbers)

    def log_put_back(self) -> None:
        """The log is as it was when it was copied: it knows nothing of what came between."""
        window = self.copied_at, next(self.numbers)
        self.lost.append(window)
        self.exports = [wanted for wanted in self.exports if wanted.since < window[0]]
        self.urls = {name: url for name, url in self.urls.items() if name in {"spread", "keyed"}}
        self.keyed = {key: (sent, 0) for key, (sent, _) in self.keyed.items()}
        self.changes.log_put_back(self.copied_at)
        self.unanswered.clear()  # only the log that is gone may know them, and the table

    def may_be_loaded_again(self, event: Pushed) -> bool:
        """Whether a log that was replaced may have replayed it: the one that is there does not know."""
        return event.dead_for_path and any(event.number < end for _, end in self.lost)

    def required(self, event: Pushed, wanted: Wanted) -> bool:
        """Whether the export must have the event: it was accepted, by a log that is still there, and wanted then."""
        if event.number <= wanted.known_since.get(event.door, event.number):
            return False
        return event.accepted and not any(start < event.answered_at < end for start, end in self.lost)


class Clients:
    """Push events and change definitions until told to stop; a server that goes away is what they expect."""

    def __init__(self, url: str, memory: Memory, dice: random.Random, pause_s: float = 0.0) -> None:
        self._url = url
        self._memory = memory
        self._dice = dice
        self._pause_s = pause_s

    async def define(self, session: aiohttp.ClientSession) -> None:
        """The receivers that every story has."""
        await self.create_receiver(
            session,
            "spread",
            [
                _export("all", "in.c-crash.all", 1),
                _export("some", "in.c-crash.some", 40, template=True),
                _mended(),
                _export("patient", "in.c-crash.patient", 10_000_000, time="24h"),  # loads by flushes alone
            ],
        )
        await self.create_receiver(session, "keyed", [_keyed_export()])

    async def create_receiver(
        self, session: aiohttp.ClientSession, name: str, exports: list[dict[str, object]]
    ) -> None:
        """Create it and wait for its task."""
        await self._task(session, "POST", "/v1/receivers", {"name": name, "exports": exports})
        receiver = await self._get(session, f"/v1/receivers/{name}")
        self._memory.urls[name] = path_of(receiver["url"])
        for export in receiver["exports"]:
            self._know(name, export["id"], export["mapping"]["tableId"])

    async def push_on(self, session: aiohttp.ClientSession) -> None:
        """Push to whatever receiver there is, until cancelled."""
        while True:
            await asyncio.sleep(self._pause_s)
            if self._dice.random() < 0.5 and self._memory.unanswered:
                await self.push_again(session)
            else:
                receiver = self._dice.choice([name for name in self._memory.urls if name != "keyed"])
                await self.push(session, receiver)

    async def push(self, session: aiohttp.ClientSession, receiver: str) -> bool:
        """One event; whether it was accepted."""
        memory = self._memory
        number = next(memory.numbers)
        event = Pushed(f"n{number}", receiver, number, dead_for_path=self._dice.random() < 0.1)
        memory.events.append(event)
        body = {"name": event.name, "filler": "x" * self._dice.choice((10, 10, 1000, 20_000))}
        if not event.dead_for_path:
            body["wanted"] = event.name
        return await self._try(session, event, json.dumps(body), has_key=self._dice.random() < 0.5)

    async def push_again(self, session: aiohttp.ClientSession) -> bool:
        """Repeat a request whose answer did not come; whether it is accepted now."""
        event, body = self._memory.unanswered.pop(0)
        return await self._try(session, event, body, has_key=True)

    async def push_all_again(self, session: aiohttp.ClientSession) -> None:
        """Until each request with a key has its answer."""
        while self._memory.unanswered:
            assert await self.push_again(session), "a server in good health accepts"

    async def _try(self, session: aiohttp.ClientSession, event: Pushed, body: str, *, has_key: bool) -> bool:
        key = {"Idempotency-Key": event.name} if has_key else {}
        event.door = self._url
        try:
            event.accepted = await self._post(session, self._memory.urls[event.receiver], body, key)
            event.answered_at = next(self._memory.numbers)
        finally:
            if has_key and not event.accepted:
                self._memory.unanswered.append((event, body))
        return event.accepted

    async def push_fillers(self, session: aiohttp.ClientSession, count: int) -> None:
        """Events that nobody asks for later: they close the files that hold the others."""
        for _ in range(count):
            assert await self.push(session, "spread"), "a server in good health accepts"
            self._memory.events[-1].accepted = False
        for _ in range(3):
            assert await self._post(session, self._memory.urls["keyed"], json.dumps({"key": "filler", "value": 0}))
        await self._request(session, "POST", "/v1/receivers/spread/exports/patient/flush", None)

    async def flush_on(self, session: aiohttp.ClientSession) -> None:
        """Flush whatever export there is, until cancelled."""
        while True:
            await asyncio.sleep(self._dice.uniform(0, 0.3))
            wanted = self._dice.choice([wanted for wanted in self._memory.exports if not wanted.deleted])
            with suppress(Refused):
                path = f"/v1/receivers/{wanted.receiver}/exports/{wanted.export}/flush"
                await self._request(session, "POST", path, None)

    async def replay_on(self, session: aiohttp.ClientSession) -> None:
        """Mend one export and break it again, and replay dead letters of any, until cancelled."""
        while True:
            await asyncio.sleep(self._dice.uniform(0, 0.3))
            wanted = self._dice.choice([wanted for wanted in self._memory.exports if not wanted.deleted])
            with suppress(Refused):
                if self._dice.random() < 0.3:
                    change = {"mapping": _mapping_for_all() if self._dice.random() < 0.7 else _mended()["mapping"]}
                    await self._task(session, "PATCH", f"/v1/receivers/spread/exports/{MENDED}", change)
                await self._replay(session, f"/v1/receivers/{wanted.receiver}/exports/{wanted.export}/dead-letters")
                await self._replay(session, f"/v1/receivers/spread/exports/{MENDED}/dead-letters")

    async def _replay(self, session: aiohttp.ClientSession, letters: str) -> None:
        if self._dice.random() < 0.5:
            await self._request(session, "POST", f"{letters}/replay", None)
            return
        answer = await self._get(session, f"{letters}?limit=3")
        for letter in answer["deadLetters"]:  # type: ignore[attr-defined]
            await self._request(session, "POST", f"{letters}/{letter['id']}/replay", None)

    async def push_keyed_on(self, session: aiohttp.ClientSession, key: str) -> None:
        """Push ever greater values of one key, one after another."""
        memory = self._memory
        while True:
            await asyncio.sleep(self._pause_s)
            sent, accepted = memory.keyed.get(key, (0, 0))
            memory.keyed[key] = (sent + 1, accepted)
            if await self._post(session, memory.urls["keyed"], json.dumps({"key": key, "value": sent + 1})):
                memory.keyed[key] = (sent + 1, sent + 1)

    async def change_on(self, session: aiohttp.ClientSession) -> None:
        """Change definitions, until cancelled."""
        while True:
            await asyncio.sleep(self._dice.uniform(0, 0.3))
            try:
                await self._change(session)
            except Refused:
                continue

    async def _change(self, session: aiohttp.ClientSession) -> None:
        mine = [wanted for wanted in self._memory.exports if wanted.export.startswith("extra") and not wanted.deleted]
        number = next(self._memory.numbers)
        if self._dice.random() < 0.55 or not mine:
            await self._create_export(session, f"extra{number}")
        elif self._dice.random() < 0.5:
            await self._delete_export(session, self._dice.choice(mine))
        else:
            await self._remap_export(session, self._dice.choice(mine))

    async def _create_export(self, session: aiohttp.ClientSession, name: str) -> None:
        export = _export(name, f"in.c-crash.{name}", self._dice.choice((1, 5)))
        await self._task(session, "POST", "/v1/receivers/spread/exports", export)
        self._know("spread", name, f"in.c-crash.{name}")

    async def _delete_export(self, session: aiohttp.ClientSession, wanted: Wanted) -> None:
        wanted.deleted = True
        await self._request(session, "DELETE", f"/v1/receivers/spread/exports/{wanted.export}", None)

    async def _remap_export(self, session: aiohttp.ClientSession, wanted: Wanted) -> None:
        """The same columns into the same table: a new mapping, a new file, and nothing lost or doubled between."""
        mapping = _export(wanted.export, wanted.table, 1)["mapping"]
        await self._task(session, "PATCH", f"/v1/receivers/spread/exports/{wanted.export}", {"mapping": mapping})

    def _know(self, receiver: str, export: str, table: str) -> None:
        memory = self._memory
        since = next(memory.numbers)
        memory.exports.append(Wanted(receiver, export, table, since, {self._url: since}))

    async def _task(self, session: aiohttp.ClientSession, method: str, path: str, body: object) -> None:
        task = await self._request(session, method, path, body)
        while not task["isFinished"]:
            await asyncio.sleep(0.02)
            task = await self._get(session, path_of(task["url"]))
        if task["status"] != "success":
            raise Refused(task["error"])

    async def _get(self, session: aiohttp.ClientSession, path: str) -> dict[str, object]:
        return await self._request(session, "GET", path, None)

    async def _request(self, session: aiohttp.ClientSession, method: str, path: str, body: object) -> dict[str, object]:
        data = None if body is None else json.dumps(body)
        async with session.request(
            method, self._url + path, data=data, headers=HEADERS, timeout=REQUEST_TIMEOUT
        ) as answer:
            text = await answer.text()
            if answer.status >= 300:
                raise Refused(text)
            return json.loads(text) if text else {}

    async def _post(
        self, session: aiohttp.ClientSession, path: str, body: str, headers: Mapping[str, str] = NO_HEADERS
    ) -> bool:
        json_headers = {"Content-Type": "application/json", **headers}
        url = self._url + path
        try:
            async with session.post(url, data=body, headers=json_headers, timeout=REQUEST_TIMEOUT) as answer:
                assert answer.status in {200, 429, 503}, await answer.text()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.05)
            return False


def path_of(url: object) -> str:
    """The address at any worker."""
    return "/v1/" + str(url).partition("/v1/")[2]


class Refused(Exception):
    """The server said no to a change."""


def _export(name: str, table: str, count: int, *, time: str = "30s", template: bool = False) -> dict[str, object]:
    columns: list[dict[str, object]] = [{"type": "id", "name": "id"}, {"type": "body", "name": "body"}]
    if template:
        columns.append(
            {"type": "template", "name": "wanted", "template": {"language": "jsonnet", "content": "Body('wanted')"}}
        )
    else:
        columns.append({"type": "path", "name": "wanted", "path": "wanted"})
    return {
        "name": name,
        "mapping": {"tableId": table, "columns": columns},
        "conditions": {"count": count, "time": time},
    }


def _mended() -> dict[str, object]:
    return _export(MENDED, "in.c-crash.mended", 1)


def _mapping_for_all() -> dict[str, object]:
    columns = [
        {"type": "id", "name": "id"},
        {"type": "body", "name": "body"},
        {"type": "path", "name": "wanted", "path": "wanted", "defaultValue": "none"},
    ]
    return {"tableId": "in.c-crash.mended", "columns": columns}


def _keyed_export() -> dict[str, object]:
    columns = [
        {"type": "path", "name": "key", "path": "key", "rawString": True, "primaryKey": True},
        {"type": "path", "name": "value", "path": "value"},
    ]
    return {
        "name": "latest",
        "mapping": {"tableId": "in.c-crash.latest", "columns": columns},
        "conditions": {"count": 3, "time": "30s"},
    }
