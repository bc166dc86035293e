import subprocess
import sys

import pytest

from benchmarks.load import body_of


def test_the_benchmarks_run_and_print_a_table() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "map", "push", "agent"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 -- ours
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[lines.index("") + 1].startswith("| measurement ")
    assert sum(line.startswith(("| map", "| push", "| agent")) for line in lines) == 8


def test_loading_into_postgresql_is_measured() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "append", "upsert"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 -- ours
    assert done.returncode == 0, done.stderr
    assert sum(line.startswith(("| append", "| upsert")) for line in done.stdout.splitlines()) == 2


def test_an_unknown_measurement_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "speed"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "there is no measurement speed" in done.stderr


@pytest.mark.parametrize("size_bytes", [180, 200, 1024])
def test_bodies_have_the_size_that_the_table_names(size_bytes):
    assert {len(body_of(number, size_bytes)) for number in (0, 996, 999_999)} == {size_bytes}
