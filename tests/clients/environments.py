"""Virtual environments for clients that are not ours: made once, kept in the cache, made anew for new pins."""

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "forebay-tests"


def environment(client: str) -> Path:
    """The folder with the programs of an environment that has what `<client>.txt` pins."""
    pins = HERE / f"{client}.txt"
    known_by = hashlib.sha256(sys.version.encode() + pins.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"{client}-{known_by}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two sessions of tests may come at once
        if not (folder / "complete").exists():
            _make(folder, pins)
    return folder / "bin"


def _make(folder: Path, pins: Path) -> None:
    venv.create(folder, with_pip=True, clear=True)
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", pins]
    subprocess.run(pip, check=True, stdout=sys.stderr)  # noqa: S603 -- our own pins; they name every package
    (folder / "complete").touch()
