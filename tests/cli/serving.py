"""The server that the commands talk to."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import Result

from tests.server import TOKEN

ROOT = Path(__file__).parents[2]
Run = Callable[..., Result]  # arguments, `code`, `given`, and variables of the environment


class Serving(NamedTuple):
    """Where the server is, and where it keeps everything."""

    url: str
    data_dir: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"FOREBAY_URL": self.url, "FOREBAY_API_TOKEN": TOKEN, "FOREBAY_DATA_DIR": str(self.data_dir)}

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """A command in a process of its own, which a SIGINT ends: also when the tests are a shell's background job.

        Such a job ignores SIGINT, and what it starts inherits that; a handler is not inherited.
        """
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(  # noqa: S603 -- our own command
                [sys.executable, "-m", "app.main", *arguments],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **options,
            )
        finally:
            signal.signal(signal.SIGINT, before)
