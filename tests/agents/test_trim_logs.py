from typing import Any

from agents.trim_logs import Trimmer
from app.destinations.base import Watermark
from app.model.change import DeleteExport
from app.slicing.bounded_staging import BoundedStaging
from tests.agents.bench import Bench, Worker
from tests.fakes import a_receiver, an_export
from tests.sim_loop import simulated


class Nothing:
    def opened(self) -> list[Any]:
        return []


def trimmer(worker: Worker) -> Trimmer:
    owned: Any = Nothing()
    return Trimmer(
        lambda: worker.log,
        worker.keeper,
        worker.loads,
        BoundedStaging(worker.bench.staging, 1),
        *[owned] * 4,
        events_retention_s=0,
        log_bytes_max=1,
        disk_reserve_bytes=0,
        free_bytes=lambda: 1,
    )


@simulated
async def test_the_watermarks_of_a_deleted_export_are_forgotten_and_no_others():
    bench = Bench()
    bench.define(a_receiver("r", an_export("x"), an_export("y")))
    for export in ("x", "y", "not-known-here-yet"):
        bench.destination.marks[export, "life", 0] = Watermark(export, "life", 0, 5, 5, 0)
    worker = bench.worker()
    await worker.keeper.catch_up()
    await trimmer(worker).forget_deleted()
    assert len(bench.destination.marks) == 3
    bench.change(DeleteExport("r", "x"))
    await worker.keeper.catch_up()
    await trimmer(worker).forget_deleted()
    assert {mark.export for mark in bench.destination.watermarks()} == {"y", "not-known-here-yet"}
