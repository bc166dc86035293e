"""The events of one partition, followed from a moment on: which came, and what their cuts made of them."""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from faust.types import TP

from app.model.bound_topic import NOT_BEGUN, CopyKey, Progress
from app.model.claim import decode_claims
from app.model.cut import Cut
from app.model.dead_letter import DeadLetter
from app.model.event import Event, EventIds, Pack, Position
from app.model.export import Export
from app.model.tail import Came, ExportFate, ExportMade, Fate, Fated, Flushed
from app.model.times import iso_ms
from app.streams import CLAIMS, EVENTS
from app.transports.log import Log
from tables.cuts import CutReader
from tables.packs import PackReader
from tables.receivers import Receivers

READ_BYTES_MAX = 256 * 1024
AWAITED_MAX = 50_000
PREVIEW_CHARACTERS_MAX = 200
CONTENT_TYPE_CHARACTERS_MAX = 100
_UTF8_BYTES_MAX = 4


class Awaited(NamedTuple):
    """An event that was told, and whose cut was not."""

    position: Position
    receiver: str
    id: str
    only_export: str
    has_key: bool


class Line(NamedTuple):
    """A line for those who listened to the receiver (its uid) when the event, or the flush marker, came."""

    receiver: str
    position: Position
    said: Came | Fated | Flushed


class FollowedPartition:
    """What came and was not cut yet, of the receivers that somebody listens to.

    Cuts say which exports an event went to; the letters in the log of dead letters say where it did not fit. A cut is
    told when all its letters of such a receiver are there: they come after the cut, which counts them. The claims of
    its events stand in their log before the cut: who has a key and no claim repeats another.
    """

    def __init__(self, log: Callable[[], Log], receivers: Receivers, packs: PackReader, partition: int) -> None:
        self._log = log
        self._receivers = receivers
        self._packs = packs
        self._tp = TP(EVENTS, partition)
        self._claims_tp = TP(CLAIMS, partition)
        self._cuts = CutReader(log, partition)
        self._next = 0
        self._told_to = 0
        self._copied: dict[CopyKey, Progress] = {}
        self._awaited: deque[Awaited] = deque()
        self._markers: deque[Line] = deque()
        self._pending: deque[Cut] = deque()
        self._reasons: dict[tuple[str, Position], str] = {}  # of letters, by export
        self._claims_next = 0
        self._claimed: set[tuple[int, int]] = set()  # offset and index of events that are the first with their key
        self.left_out = False

    @property
    def position(self) -> int:
        """The offset of the next message to read."""
        return self._next

    async def open(self) -> None:
        """Begin at the end. Raises LogFailed."""
        await self._cuts.read()
        self._told_to = self._cuts.fold.end or 0
        self._next = await self.end()
        _, self._claims_next = await self._log().bounds(self._claims_tp)

    async def end(self) -> int:
        """Where the next message will stand. Raises LogFailed."""
        _, end = await self._log().bounds(self._tp)
        return end

    # what came

    async def read_events(self, listened: Collection[str]) -> list[Line]:
        """Those of the next run that belong to these receivers. Raises LogFailed."""
        run = await self._log().read(self._tp, self._next, bytes_max=READ_BYTES_MAX)
        self._next = run.next
        packs = self._packs.read(run.records).packs  # the mapper says what is none
        return [line for offset, pack in packs if self._is_new(pack) for line in self._came(offset, pack, listened)]

    def _is_new(self, pack: Pack) -> bool:
        """Whether it copies of bound topics what was not copied before, as far as is known here."""
        if any(copy.before < self._copied.get(copy.key, NOT_BEGUN) for copy in pack.copies):
            return False
        self._copied.update((copy.key, copy.after) for copy in pack.copies)
        return True

    def _came(self, offset: int, pack: Pack, listened: Collection[str]) -> Iterator[Line]:
        log_id = self._cuts.fold.log_id_at(offset)
        ids = EventIds(log_id, self._tp.partition, offset)
        for index, event in enumerate(pack.events):
            if event.receiver in listened:
                event_id = ids.of(event.arrival_us, index) if event.replay is None else event.replay.event_id
                position = Position(log_id, self._tp.partition, offset, index)
                self._make_room()
                self._awaited.append(Awaited(position, event.receiver, event_id, event.only_export, bool(event.key)))
                yield Line(event.receiver, position, self._line(event, event_id))
        for uid in pack.flush:
            export = self._receivers.export(uid)
            if export is not None and export.receiver_uid in listened:
                self._make_room()
                position = Position(log_id, self._tp.partition, offset, 0)
                self._markers.append(Line(export.receiver_uid, position, Flushed(export.id)))

    def _line(self, event: Event, event_id: str) -> Came:
        only = self._receivers.export(event.only_export)
        return Came(
            id=event_id,
            received_at=iso_ms(event.arrival_us),
            ip=event.ip,
            bytes=len(event.body),
            content_type=_content_type(event),
            preview=_preview(event.body),
            export_id=only.id if only is not None else "",
        )

    def _make_room(self) -> None:
        """When too much waits, forget all of it: its fates are left out, up to the next cut's end."""
        if max(map(len, (self._awaited, self._reasons, self._claimed, self._markers))) >= AWAITED_MAX:
            self.left_out = True
            self._awaited.clear()
            self._markers.clear()
            self._reasons.clear()
            self._claimed.clear()
            self._told_to = self._next

    def forget(self, receivers: Collection[str]) -> None:
        """Nobody listens to these any more."""
        self._awaited = deque(awaited for awaited in self._awaited if awaited.receiver not in receivers)
        self._markers = deque(marker for marker in self._markers if marker.receiver not in receivers)

    # what became of it

    async def read_cuts(self) -> None:
        """Learn what is cut, and then all that was claimed before. Raises LogFailed."""
        self._pending.extend(record for _, record in await self._cuts.read() if isinstance(record, Cut))
        while (run := await self._log().read(self._claims_tp, self._claims_next, bytes_max=READ_BYTES_MAX)).records:
            self._claims_next = run.next
            for record in run.records:
                self._make_room()
                claims = decode_claims(record.value or b"").unpacked()
                self._claimed.update((claim.offset, claim.index) for claim in claims if claim.offset >= self._told_to)

    def hear(self, letter: DeadLetter) -> None:
        """Take a letter of this partition; it may come again. That a row was refused is no cut's doing."""
        if letter.refused_row is None and letter.offset >= self._told_to:
            self._make_room()
            self._reasons[letter.export, letter.position] = letter.reason

    def fates(self) -> list[Line]:
        """What has become of events, as far as all that must be known of it is known here."""
        fates: list[Line] = []
        while self._pending and self._is_known(self._pending[0]):
            cut = self._pending.popleft()
            if cut.begin >= self._told_to:
                fates.extend(self._fates_in(cut))
            else:  # some of its letters were forgotten
                self.left_out |= any([*self._taken(cut.end)])
            while self._markers and self._markers[0].position.offset < cut.end:
                fates.append(self._markers.popleft())
            self._told_to = max(self._told_to, cut.end)
            self._claimed = {place for place in self._claimed if place[0] >= cut.end}
            self._reasons = {key: reason for key, reason in self._reasons.items() if key[1].offset >= cut.end}
        return fates

    def _is_known(self, cut: Cut) -> bool:
        """Whether its events, its definitions and its dead letters are here."""
        if cut.begin < self._told_to:
            return True
        if cut.end > self._next or cut.revision > self._receivers.revision:
            return False
        concerned = {awaited.receiver for awaited in self._awaited if awaited.position.offset < cut.end}
        waited = {uid: count for uid, count in cut.letters.items() if self._receiver_of(uid) in concerned}
        heard = dict.fromkeys(waited, 0)
        for uid, position in self._reasons:
            if uid in heard and cut.begin <= position.offset < cut.end:
                heard[uid] += 1
        return heard == waited

    def _receiver_of(self, export_uid: str) -> str:
        export = self._receivers.export(export_uid)
        return "" if export is None else export.receiver_uid

    def _fates_in(self, cut: Cut) -> Iterator[Line]:
        exports: dict[str, list[Export]] = {}
        for uid in cut.exports:
            export = self._receivers.export(uid)
            if export is not None:
                exports.setdefault(export.receiver_uid, []).append(export)
        for awaited in self._taken(cut.end):
            yield Line(awaited.receiver, awaited.position, self._fate(awaited, exports.get(awaited.receiver, [])))

    def _fate(self, awaited: Awaited, exports: list[Export]) -> Fated:
        """Exports that were deleted since are none any more."""
        if awaited.has_key and awaited.position[2:] not in self._claimed:
            return Fated(awaited.id, Fate.DEDUPLICATED, ())
        made = [
            self._made(awaited.position, export)
            for export in sorted(exports, key=lambda export: export.id)
            if awaited.only_export in {"", export.uid}
        ]
        again = bool(awaited.only_export)
        return Fated(awaited.id, Fate.ROUTED if made else Fate.UNROUTED, tuple(made), again)

    def _made(self, position: Position, export: Export) -> ExportMade:
        reason = self._reasons.get((export.uid, position))
        if reason is None:
            return ExportMade(export.id, ExportFate.MAPPED)
        return ExportMade(export.id, ExportFate.DEAD_LETTER, str(position).replace("/", "-"), reason)

    def _taken(self, end: int) -> Iterator[Awaited]:
        while self._awaited and self._awaited[0].position.offset < end:
            yield self._awaited.popleft()


def _content_type(event: Event) -> str:
    """The only header that is told: others may hold secrets."""
    found = (value for name, value in event.headers if name.lower() == "content-type")
    return next(found, "")[:CONTENT_TYPE_CHARACTERS_MAX]


def _preview(body: bytes) -> str:
    beginning = body[: PREVIEW_CHARACTERS_MAX * _UTF8_BYTES_MAX]
    return beginning.decode("utf-8", "replace")[:PREVIEW_CHARACTERS_MAX]
