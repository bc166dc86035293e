"""What a command loads before it does anything: it is typed more often than a worker is started."""

import subprocess
import sys

import pytest

from tests.cli.serving import ROOT

SAY = "; print(*sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[1:])))"
OF_A_WORKER = ("aiohttp", "faust", "msgspec", "pydantic", "pydantic_settings")


@pytest.mark.parametrize(
    ("module", "not_loaded"),
    [("app.main", (*OF_A_WORKER, "httpx", "rich")), ("app.cli.commands", OF_A_WORKER)],
)
def test_commands_load_nothing_that_only_a_worker_needs(module: str, not_loaded: tuple[str, ...]) -> None:
    done = subprocess.run(  # noqa: S603 -- our own code
        [sys.executable, "-c", f"import sys, {module}{SAY}", *not_loaded, "click"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["click"]
