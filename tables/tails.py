"""Tails: what comes to a receiver and what becomes of it, told live to whoever listens. Read from the logs."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from faust.types import TP

from app import clock
from app.errors import LogFailed
from app.model.dead_letter import decode_dead_letter
from app.model.letter_record import is_letter
from app.model.receiver import Receiver
from app.model.tail import Ended, Ending, Flushed, Heartbeat, Listening, Skipped, TailLine
from app.model.times import iso_ms
from app.streams import DEAD_LETTERS, Streams
from app.transports.log import Log
from tables.fates import READ_BYTES_MAX, FollowedPartition, Line
from tables.packs import PackReader
from tables.receivers import Receivers

logger = logging.getLogger(__name__)

TAILS_MAX = 16
LINES_WAITING_MAX = 20_000
LINES_TAKEN_MAX = 500
FOLLOW_EVERY_S = 0.1
HEARTBEAT_EVERY_S = 5.0

SAID = {
    Ending.TOO_SLOW: "lines came faster than they were read: listen anew, and read faster",
    Ending.DELETED: "the receiver is deleted",
    Ending.REVOKED: "the token opens the project no more",
    Ending.SHUTDOWN: "the server stops: listen anew when it is back",
    Ending.FAILED: "the log could not be followed: listen anew",
}
LEFT_OUT = "too many events wait for their cut: the fates of some are not told, the ledger counts them"


class Tail:
    """What one listener has not taken yet. One that does not keep up is left behind, and told so."""

    def __init__(self, receiver: Receiver, closed: Callable[["Tail"], None]) -> None:
        self.receiver = receiver
        self._closed = closed
        self._starts: Sequence[int] | None = None
        self._lines: deque[TailLine] = deque()
        self._rung = asyncio.Event()
        self._ended = False
        self._flushed: dict[str, set[int]] = {}  # by export: the partitions

    @property
    def is_over(self) -> bool:
        """Whether the last line was taken."""
        return self._ended and not self._lines

    async def take(self, *, timeout_s: float) -> list[TailLine]:
        """The next lines, as soon as there are some; none after `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        taken = [self._lines.popleft() for _ in range(min(len(self._lines), LINES_TAKEN_MAX))]
        if not self._lines and not self._ended:
            self._rung.clear()
        return taken

    def close(self) -> None:
        """Nobody listens any more."""
        if not self._ended:
            self._ended = True
            self._closed(self)

    def begin(self, starts: Sequence[int]) -> None:
        """Listen to what stands at these offsets (by partition) and behind them."""
        self._starts = starts
        self.tell(Listening(self.receiver.id, iso_ms(clock.now_us())))

    def hear(self, line: Line) -> None:
        """Take a line of an event if it concerns this listener."""
        if self._starts is None or line.receiver != self.receiver.uid:
            return
        if line.position.offset < self._starts[line.position.partition]:
            return
        if not isinstance(line.said, Flushed) or self._is_everywhere(line.said, line.position.partition):
            self.tell(line.said)

    def _is_everywhere(self, flushed: Flushed, partition: int) -> bool:
        """Whether this partition was the last one to come to a marker of the export since the beginning."""
        partitions = self._flushed.setdefault(flushed.export_id, set())
        partitions.add(partition)
        if self._starts is None or len(partitions) < len(self._starts):
            return False
        del self._flushed[flushed.export_id]
        return True

    def tell(self, line: TailLine) -> None:
        """Add a line; one too many is the end."""
        if self._ended:
            return
        if len(self._lines) >= LINES_WAITING_MAX:
            self.break_off(Ending.TOO_SLOW)
            return
        self._lines.append(line)
        self._rung.set()

    def break_off(self, why: Ending) -> None:
        """Forget what was not taken, and add the last line."""
        self._lines.clear()
        self.end(why)

    def end(self, why: Ending) -> None:
        """Add the last line."""
        if not self._ended:
            self._lines.append(Ended(why, SAID[why]))
            self._rung.set()
            self.close()


class Tails:
    """Follows the logs while somebody listens, once for all of them. Nothing is read while nobody does."""

    def __init__(
        self,
        streams: Streams,
        log: Callable[[], Log],
        receivers: Receivers,
        packs: PackReader,
        stopping: Callable[[], bool],
    ) -> None:
        self._streams = streams
        self._log = log
        self._receivers = receivers
        self._packs = packs
        self._stopping = stopping
        self._tails: list[Tail] = []
        self._beginning = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self._partitions: list[FollowedPartition] = []
        self._letters_next: list[int] = []
        self._listened: set[str] = set()

    async def open(self, receiver: Receiver) -> Tail | None:
        """Listen to a receiver from now on; None if too many do. Raises LogFailed."""
        if len(self._tails) >= TAILS_MAX:
            return None
        tail = Tail(receiver, self._tails.remove)
        self._tails.append(tail)
        try:
            async with self._beginning:
                if self._following is None or self._following.done():
                    await self._begin()
            # Before the ends are asked for: a turn that goes on meanwhile reads beyond them for this one too.
            self._listened.add(receiver.uid)
            tail.begin([await partition.end() for partition in self._partitions])
        except BaseException:
            tail.close()
            raise
        return tail

    async def _begin(self) -> None:
        numbers = range(self._streams.partitions)
        self._listened = set()
        # Dead letters first: those of every cut that is read from now on stand behind this.
        self._letters_next = [(await self._log().bounds(TP(DEAD_LETTERS, number)))[1] for number in numbers]
        self._partitions = [FollowedPartition(self._log, self._receivers, self._packs, number) for number in numbers]
        for partition in self._partitions:
            await partition.open()
        self._following = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        try:
            beaten_s = asyncio.get_running_loop().time()
            while self._tails and not self._stopping():
                moved = await self._turn()
                if asyncio.get_running_loop().time() - beaten_s >= HEARTBEAT_EVERY_S:
                    beaten_s = asyncio.get_running_loop().time()
                    self._tell_all(Heartbeat(iso_ms(clock.now_us())))
                await asyncio.sleep(0 if moved else FOLLOW_EVERY_S)
            self._end_all(Ending.SHUTDOWN)
        except LogFailed as error:
            logger.warning("tails end: %s", error)
            self._end_all(Ending.FAILED)
        except Exception:
            logger.exception("tails end by a fault of ours")
            self._end_all(Ending.FAILED)

    async def _turn(self) -> bool:
        """Tell what is new; whether there was anything."""
        self._look_around()
        moved = False
        for partition in self._partitions:
            position = partition.position
            self._hear(await partition.read_events(self._listened))
            moved = moved or partition.position > position
            await asyncio.sleep(0)  # whoever listens takes it before more comes
            await partition.read_cuts()
        for number in range(len(self._letters_next)):
            await self._read_letters(number)
        for partition in self._partitions:
            self._hear(partition.fates())
            if partition.left_out:
                self._tell_all(Skipped(LEFT_OUT))
                partition.left_out = False
        return moved

    def _look_around(self) -> None:
        """See who listens to what by now."""
        for tail in list(self._tails):
            if tail.receiver.uid in self._receivers.deleted:
                tail.end(Ending.DELETED)
        listened = {tail.receiver.uid for tail in self._tails}
        for partition in self._partitions:
            partition.forget(self._listened - listened)
        self._listened = listened

    async def _read_letters(self, number: int) -> None:
        tp = TP(DEAD_LETTERS, number)
        while (run := await self._log().read(tp, self._letters_next[number], bytes_max=READ_BYTES_MAX)).records:
            for record in run.records:
                value = record.value or b""
                if is_letter(value) and self._concerns(record.key or b""):
                    letter = decode_dead_letter(value)
                    self._partitions[letter.partition].hear(letter)
            self._letters_next[number] = run.next

    def _concerns(self, key: bytes) -> bool:
        """Of an export that is not known yet it may: its receiver may have it by the time that its cut is told."""
        export = self._receivers.export(key.decode().partition("/")[0])
        return export is None or export.receiver_uid in self._listened

    def _hear(self, lines: Iterable[Line]) -> None:
        for line in lines:
            for tail in list(self._tails):
                tail.hear(line)

    def _tell_all(self, line: TailLine) -> None:
        for tail in list(self._tails):
            tail.tell(line)

    def _end_all(self, why: Ending) -> None:
        for tail in list(self._tails):
            tail.end(why)
