"""Programs that we are measured against: each in a virtual environment of its own, kept in the cache."""

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "forebay-benchmarks"
QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR", "LOGLEVEL": "ERROR"}


def environment(package: str) -> Path:
    """The folder with the programs of an environment that has the package; made when it is not there."""
    folder = CACHE / package
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", package], check=True, stdout=sys.stderr)
        (folder / "complete").touch()
    return folder / "bin"


def asked(command: Sequence[str], fed: Path | None = None, **settings: str) -> str:
    """What the program printed; `fed` is its standard input. Raises SystemExit with what it said if it failed."""
    with (fed or Path(os.devnull)).open("rb") as given:
        done = subprocess.run(
            command,
            stdin=given,
            capture_output=True,
            timeout=1800,
            check=False,
            env={**os.environ, **QUIET, **settings},
        )
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stdout.decode()[-2000:]}{done.stderr.decode()[-2000:]}")
    return done.stdout.decode()
