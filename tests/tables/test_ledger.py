from faust.types import TP

from app.destinations.base import Watermark
from app.model.cut import Cut, ExportCounts, Life, ReceiverCounts, encode_cut
from app.model.slice import Slice
from app.model.staged import StagedFile
from app.slicing.cut_log import CutLog
from app.streams import CUTS
from app.transports.log import NewRecord
from tables.ledger import ExportLedger, Ledger, ReceiverLedger
from tests.fakes import FakeLog, FakeStore, a_receiver, an_export, fake_streams

PARTITIONS = 2
RECEIVER = a_receiver("r", an_export("x"))


class Books:
    """A ledger above a log of cuts and a destination's watermarks."""

    def __init__(self) -> None:
        self.store = FakeStore(PARTITIONS)
        self.log = FakeLog(self.store)
        self.marks: list[Watermark] = []
        self.ledger = Ledger(fake_streams(PARTITIONS), lambda: self.log, self._watermarks)
        self.folds = [CutLog() for _ in range(PARTITIONS)]
        for n in range(PARTITIONS):
            self.put(n, Life(f"log{n}", 0, None, None))

    async def _watermarks(self, exports) -> list[Watermark]:
        return [mark for mark in self.marks if mark.export in exports]

    def put(self, partition: int, record) -> int:
        self.folds[partition].apply(record)
        return self.store.add(NewRecord(CUTS, partition, None, encode_cut(record)))

    def cut(self, partition: int, accepted: int, routed: int, dead: int = 0, *, checkpoint: bool = False) -> int:
        """One more message, whose events went to the export if they were routed."""
        fold = self.folds[partition]
        begin, log_id = fold.end or 0, fold.log_id or ""
        chain = fold.chains.get(("x", log_id))
        total = (chain.events_total if chain else 0) + routed - dead
        staged = StagedFile(str(begin), 0, 0)
        part = Slice("x", 1, log_id, partition, None, begin, begin + 1, staged, 0, routed - dead, total, 0, 0)
        everything = {"export_lives": lambda _uid: True, "receiver_lives": lambda _uid: True}
        return self.put(
            partition,
            Cut(
                log_id,
                begin,
                begin + 1,
                0,
                0,
                slices=(part,) if routed > dead else (),
                receivers={"r": ReceiverCounts(accepted=accepted, unrouted=accepted - routed)},
                exports={"x": ExportCounts(routed, dead)},
                checkpoint=fold.totals(**everything) if checkpoint else None,
            ),
        )

    def load(self, partition: int, end: int, events_total: int, dead_total: int = 0) -> None:
        self.marks.append(Watermark("x", self.folds[partition].log_id or "", partition, end, events_total, dead_total))

    async def of(self) -> ReceiverLedger:
        return await self.ledger.of(RECEIVER)

    async def of_export(self) -> ExportLedger:
        return (await self.of()).exports[0]


async def test_before_anything_everything_is_nought():
    assert await Books().of() == ReceiverLedger(0, 0, 0, 0, (ExportLedger("x", 0, 0, 0, 0),))


async def test_what_was_dead_and_comes_again_is_buffered_and_no_more_dead():
    books = Books()
    books.cut(0, accepted=5, routed=5, dead=4)
    books.cut(1, accepted=0, routed=0, dead=-3)
    assert await books.of_export() == ExportLedger("x", routed=5, buffered=4, loaded=0, dead_lettered=1)


async def test_it_sums_the_cuts_of_all_partitions():
    books = Books()
    books.cut(0, accepted=5, routed=4, dead=1)
    books.cut(1, accepted=3, routed=3)
    assert await books.of() == ReceiverLedger(8, 0, 1, 7, (ExportLedger("x", 7, 6, 0, 1),))


async def test_what_lies_below_a_watermark_is_loaded():
    books = Books()
    books.cut(0, 5, 5)
    books.cut(0, 2, 2)
    books.load(0, end=1, events_total=5)
    assert await books.of_export() == ExportLedger("x", routed=7, buffered=2, loaded=5, dead_lettered=0)


async def test_what_the_destination_refused_is_dead():
    books = Books()
    books.cut(0, 5, 5, dead=1)
    books.load(0, end=1, events_total=4, dead_total=3)
    assert await books.of_export() == ExportLedger("x", routed=5, buffered=0, loaded=1, dead_lettered=4, expired=3)


async def test_it_goes_on_where_it_stopped():
    books = Books()
    books.cut(0, 5, 5)
    await books.of()
    books.cut(0, 2, 2)
    assert (await books.of()).accepted == 7


async def test_cuts_that_do_not_count_are_not_counted():
    books = Books()
    books.cut(0, 5, 5)
    books.store.add(NewRecord(CUTS, 0, None, encode_cut(Cut("log0", 0, 1, 0, 0, receivers={"r": ReceiverCounts(99)}))))
    assert (await books.of()).accepted == 5


async def test_it_knows_only_the_exports_that_live():
    books = Books()
    books.cut(0, 5, 5)
    ledger = await books.ledger.of(a_receiver("r"))
    assert (ledger.accepted, ledger.exports) == (5, ())


async def test_a_watermark_that_an_older_log_does_not_reach_loads_no_more_than_the_log_has():
    books = Books()
    books.cut(0, 5, 5)
    books.load(0, end=9, events_total=50)
    assert await books.of_export() == ExportLedger("x", routed=5, buffered=0, loaded=5, dead_lettered=0)


async def test_a_watermark_of_a_chain_that_the_log_does_not_know_is_not_its():
    books = Books()
    books.marks.append(Watermark("x", "another log", 0, 9, 50, 0))
    assert await books.of_export() == ExportLedger("x", 0, 0, 0, 0)


async def test_lives_of_the_log_add_up():
    books = Books()
    books.cut(0, 5, 5)
    books.load(0, end=1, events_total=5)
    books.put(0, Life("again", 1, "log0", 1))
    books.cut(0, 2, 2)
    assert await books.of_export() == ExportLedger("x", routed=7, buffered=2, loaded=5, dead_lettered=0)
    books.load(0, end=2, events_total=2)
    assert await books.of_export() == ExportLedger("x", routed=7, buffered=0, loaded=7, dead_lettered=0)


async def test_after_a_checkpoint_nothing_of_what_was_trimmed_is_missing():
    books = Books()
    books.cut(0, 5, 5)
    trimmed = books.cut(0, 2, 2, checkpoint=True)
    await books.log.delete_before(_tp(0), trimmed)
    assert (await books.of()).accepted == 7


async def test_what_was_trimmed_before_it_was_read_is_not_missing_either():
    books = Books()
    books.cut(0, 5, 5)
    await books.of()
    for _ in range(3):
        books.cut(0, 1, 1)
    trimmed = books.cut(0, 2, 2, checkpoint=True)
    await books.log.delete_before(_tp(0), trimmed)
    assert (await books.of()).accepted == 10
    books.cut(0, 1, 1)
    assert (await books.of()).accepted == 11


def _tp(partition: int) -> TP:
    return TP(CUTS, partition)
