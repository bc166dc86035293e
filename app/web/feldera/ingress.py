"""The door for changes of a table's rows: a stream of any length is parsed and made durable while it arrives."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

from aiohttp import web

from app.changes.format import FormatRefused, read_format
from app.changes.names import relation_of
from app.changes.reader import ChangeReader
from app.errors import LogFull
from app.ingest import Place
from app.model.changeset import Changeset
from app.model.event import Event
from app.model.pipeline import Pipeline, PipelineState
from app.web.doors import Doors
from app.web.feldera.access import boolean_of, deployed_pipeline_of
from app.web.feldera.errors import format_refused, not_deployed, parse_errors, paused, unknown_table
from app.web.feldera.pipelines import answer
from app.web.sender import client_ip

LOOKED_EVERY_S = 0.1
EVENTS_BYTES_MAX = 1_000_000  # in one append, unless a single event is larger
PARSED_BYTES_MAX = 4_000_000  # that wait for the append before
PARSED_INLINE_SHARE = 16  # of the largest piece; a larger one is parsed beside the event loop
_ENDPOINT_BYTES = 8


async def ingress(doors: Doors, request: web.Request) -> web.Response:
    """`POST /v0/pipelines/{pipeline}/ingress/{table}`: the answer waits until all changes are durable."""
    pipeline = await deployed_pipeline_of(doors, request)
    force = boolean_of(request, "force", default=False)
    reader = _reader(pipeline, request)
    log = PipelineLog(doors, pipeline, client_ip(request), force=force)
    await log.wait_until_open()
    place = await _take_in(doors, request, reader, log)
    if reader.errors.count:
        raise parse_errors(reader.errors)
    return answer(200, {"token": await doors.completions.token_of(pipeline, place)})


class PipelineLog:
    """The way into the log for one push. What waits, waits so long and no longer."""

    def __init__(self, doors: Doors, pipeline: Pipeline, ip: str, *, force: bool) -> None:
        self._doors = doors
        self._pipeline = pipeline
        self._ip = ip
        self._force = force

    async def wait_until_open(self) -> None:
        """Until the pipeline runs, or is paused and the push forced. Raises FelderaRefusal."""
        until_s = self._waits_until_s()
        while not self._open():
            if _now_s() >= until_s:
                raise paused(self._pipeline)
            await asyncio.sleep(LOOKED_EVERY_S)

    def _open(self) -> bool:
        """By what this worker knows, which follows the log of definitions. Raises FelderaRefusal if it is stopped."""
        now = self._doors.pipelines.find(self._pipeline.name)
        if now is None or not now.deployed or now.export.uid != self._pipeline.export.uid:
            raise not_deployed(now or self._pipeline)
        return self._force or now.state is PipelineState.RUNNING

    async def append(self, changesets: Sequence[Changeset]) -> Place:
        """Durable when it returns. Raises FelderaRefusal, LogFailed; what was appended before stays."""
        arrival_us = self._doors.clock.stamp()
        events = [self._pipeline.event(arrival_us, self._ip, changeset) for changeset in changesets]
        await self.wait_until_open()
        places = [await self._append_when_there_is_room(some) for some in _in_appends(events)]
        return places[-1]

    async def _append_when_there_is_room(self, events: Sequence[Event]) -> Place:
        until_s = self._waits_until_s()
        while True:
            try:
                return await self._doors.ingest.accept(self._pipeline.receiver, events)
            except LogFull:
                if _now_s() >= until_s:
                    raise
            await asyncio.sleep(LOOKED_EVERY_S)

    def _waits_until_s(self) -> float:
        return _now_s() + self._doors.streams.waits_s_max


class Appending:
    """Appends what was parsed, one append after the other, while the next is parsed."""

    def __init__(self, log: PipelineLog) -> None:
        self._log = log
        self._parsed: list[Changeset] = []
        self._parsed_bytes = 0
        self._appending: asyncio.Task[Place] | None = None
        self._place: Place | None = None

    def add(self, changesets: Sequence[Changeset]) -> None:
        """They will be appended."""
        self._parsed += changesets
        self._parsed_bytes += sum(len(memoryview(changeset.changes)) for changeset in changesets)

    async def go_on(self) -> None:
        """Append, unless it is being done; wait only if too much waits for that. Raises as `PipelineLog.append`."""
        if self._appending is not None and (self._appending.done() or self._parsed_bytes > PARSED_BYTES_MAX):
            await self._finish_one()
        if self._appending is None and self._parsed:
            parsed, self._parsed, self._parsed_bytes = self._parsed, [], 0
            self._appending = asyncio.create_task(self._log.append(parsed))

    async def all(self) -> Place | None:
        """Where it all stands, durable; None if there was nothing. Raises as `PipelineLog.append`."""
        while self._appending is not None or self._parsed:
            if self._appending is not None:
                await self._finish_one()
            await self.go_on()
        return self._place

    async def close(self) -> None:
        """Wait for what is under way, of which nobody asks any more."""
        if self._appending is not None:
            await asyncio.wait([self._appending])
            self._appending.exception()  # it was that of the push, or nobody is there to be told

    async def _finish_one(self) -> None:
        if self._appending is not None:
            self._place = await self._appending
            self._appending = None


async def _take_in(doors: Doors, request: web.Request, reader: ChangeReader, log: PipelineLog) -> Place | None:
    """Where all of it stands; None if nothing was in it."""
    appending = Appending(log)
    kept_bytes, inline_bytes_max = 0, reader.piece_bytes_max // PARSED_INLINE_SHARE
    try:
        async for chunk in doors.streams.pieces(request):
            for piece in reader.cut(chunk):
                await appending.go_on()
                appending.add(await doors.decoding.run(piece, reader.feed, inline_bytes_max=inline_bytes_max))
                before, kept_bytes = kept_bytes, reader.kept_bytes
                doors.streams.keep(before, kept_bytes)
            if not request.content.at_eof():  # what comes in one piece is appended in one, too
                await appending.go_on()
        appending.add(reader.finish() if kept_bytes <= inline_bytes_max else await asyncio.to_thread(reader.finish))
        return await appending.all()
    finally:
        doors.streams.keep(kept_bytes, 0)
        await appending.close()


def _reader(pipeline: Pipeline, request: web.Request) -> ChangeReader:
    """Raises FelderaRefusal."""
    name, query = request.match_info["table"], request.query
    relation = relation_of(pipeline.program.relations, name)
    if relation is None:
        raise unknown_table(name, _endpoint(name, query))
    try:
        return ChangeReader(relation, read_format(query))
    except FormatRefused as error:
        raise format_refused(error, _endpoint(relation.name, query), request.query_string) from None


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _endpoint(relation: str, query: Mapping[str, str]) -> str:
    """What the original calls whoever pushes to this table in this format."""
    said = "&".join(sorted(f"{name}={query[name]}" for name in query))
    return f"{relation}.api-ingress-{blake2b(said.encode(), digest_size=_ENDPOINT_BYTES).hexdigest()}"


def _in_appends(events: Sequence[Event]) -> Iterator[list[Event]]:
    some: list[Event] = []
    some_bytes = 0
    for event in events:
        if some and some_bytes + event.size_bytes > EVENTS_BYTES_MAX:
            yield some
            some, some_bytes = [], 0
        some.append(event)
        some_bytes += event.size_bytes
    if some:
        yield some
