"""One process, durable acknowledgements, and clear words when something is in the way."""

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from faust.types import TP

from app.errors import LogFailed, LogFull, LogLocked, SettingInvalid
from app.transports.embedded import Sync, open_log
from app.transports.embedded.volume import Volume
from app.transports.log import NewRecord

APPENDER = Path(__file__).with_name("appender.py")
TP0 = TP("t", 0)


def record(value: bytes) -> NewRecord:
    return NewRecord("t", 0, None, value)


def start_appender(directory: Path, life: str = "life") -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603  (our own script)
        [sys.executable, APPENDER, directory, life], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


async def pragma(volume: Volume, text: str) -> int:
    """Run one in the thread that writes."""
    (value,) = await volume._writer.call(lambda: volume._store.connection.execute(f"PRAGMA {text}").fetchone())
    return int(value)


async def test_a_second_process_is_refused_and_a_kill_lets_go(tmp_path):
    with start_appender(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(
            LogLocked, match=rf"the log in {tmp_path} is in use by another process \(id {process.pid}\)"
        ):
            async with open_log(tmp_path):
                pass
        process.kill()
        process.wait()
        async with open_log(tmp_path) as log:
            assert (await log.bounds(TP0))[1] > 0
        process.communicate()


async def test_the_same_process_shares_it_and_can_open_it_again(tmp_path):
    for _ in range(2):
        async with open_log(tmp_path) as one, open_log(tmp_path) as two:
            await one.create_topic("t", 1)
            await one.append([record(b"a")])
            assert (await two.bounds(TP0))[1] > 0
    async with open_log(tmp_path) as log:
        assert await log.bounds(TP0) == (0, 2)


async def test_a_closed_log_says_so(tmp_path):
    async with open_log(tmp_path) as log:
        pass
    with pytest.raises(LogFailed, match="is not open"):
        await log.append([record(b"a")])


async def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogFailed, match=f"cannot keep a log in {tmp_path}/file/log: Not a directory"):
        async with open_log(tmp_path / "file" / "log"):
            pass


async def test_less_durability_is_said_aloud(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        async with open_log(tmp_path / "a", Sync.FULL):
            assert caplog.text == ""
        async with open_log(tmp_path / "b", Sync.NORMAL):
            assert "may take records that were acknowledged" in caplog.text
        async with open_log(tmp_path / "c", Sync.OFF):
            assert "damage the file" in caplog.text


async def test_one_directory_has_one_durability(tmp_path):
    async with open_log(tmp_path):
        with pytest.raises(SettingInvalid, match="is open with sync=full"):
            async with open_log(tmp_path, Sync.OFF):
                pass


async def test_a_full_disk_is_told_to_all_who_wait_and_then_tried_anew(tmp_path):
    async with open_log(tmp_path) as log:
        await log.create_topic("t", 1)
        volume = log.volume
        pages = await pragma(volume, "page_count")
        await pragma(volume, f"max_page_count = {pages}")
        results = await asyncio.gather(
            *(log.append([record(b"x" * 50_000)]) for _ in range(10)), return_exceptions=True
        )
        assert all(isinstance(result, LogFull) for result in results)
        assert await log.bounds(TP0) == (0, 0)
        await pragma(volume, "max_page_count = 1000000")
        assert await log.append([record(b"x")]) == [0]


async def test_more_than_may_wait_is_refused_at_once(tmp_path):
    volume = Volume(tmp_path, Sync.OFF, pending_bytes_max=10_000)
    try:
        with pytest.raises(LogFull, match="more than 10000 bytes would wait"):
            volume._writer.append(0, [record(b"x" * 10_000)])
    finally:
        volume.close()
        await asyncio.sleep(0)


async def test_what_waits_at_the_end_is_written(tmp_path):
    async with open_log(tmp_path) as log:
        await log.create_topic("t", 1)
        appends = [asyncio.ensure_future(log.append([record(b"%d" % number)])) for number in range(100)]
        await asyncio.sleep(0)
    assert [await append for append in appends] == [[number] for number in range(100)]
    async with open_log(tmp_path) as log:
        assert await log.bounds(TP0) == (0, 100)


async def test_whoever_stops_waiting_harms_nobody(tmp_path):
    async with open_log(tmp_path) as log:
        await log.create_topic("t", 1)
        given_up = asyncio.ensure_future(log.append([record(b"a")]))
        await asyncio.sleep(0)
        given_up.cancel()
        assert await log.append([record(b"b")]) == [1]


async def test_after_each_kill_all_that_was_acknowledged_is_there_once(tmp_path):
    acknowledged: list[tuple[int, int, str]] = []
    for life in range(4):
        with start_appender(tmp_path, str(life)) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(300 + 137 * life)]
            process.kill()
            lines += process.communicate()[0].splitlines(keepends=True)
        whole = [line.split() for line in lines if line.endswith("\n")]
        acknowledged += [(int(partition), int(offset), value) for partition, offset, value in whole]
        stored = await everything(tmp_path)
        assert len({value for _, _, value in stored}) == len(stored)
        assert set(acknowledged) <= set(stored)
    assert len(acknowledged) > 1_000


async def everything(directory: Path) -> list[tuple[int, int, str]]:
    found = []
    async with open_log(directory) as log:
        for partition in range(2):
            at, end = await log.bounds(TP("t", partition))
            while at < end:
                run = await log.read(TP("t", partition), at, bytes_max=1 << 20)
                found += [(partition, one.offset, (one.value or b"").rstrip(b".").decode()) for one in run.records]
                at = run.next
            assert [offset for number, offset, _ in found if number == partition] == list(range(end))
    return found


async def test_a_writer_that_dies_lets_nobody_wait(tmp_path, caplog):
    async with open_log(tmp_path) as log:
        await log.create_topic("t", 1)
        volume = log.volume
        volume._writer._house = Broken()
        with pytest.raises(LogFailed, match=r"the writer of .* died|is closed"):  # noqa: PT012 -- sooner or later
            for _ in range(3):
                await log.append([record(b"a")])
    assert "died" in caplog.text


class Broken:
    """Housekeeping with a bug."""

    def wait_s(self) -> float:
        return 0.0

    def step(self) -> None:
        raise ZeroDivisionError
