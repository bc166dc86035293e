"""What a server under test runs: loaded once by a process that each server is forked from, as loading takes longest."""

import os

import app.worker  # noqa: F401 -- and all that a worker loads
from app.main import main


def serve(environment: dict[str, str], log: str, options: list[str]) -> None:
    """`forebay serve` in a process group of its own; what it says goes to a file."""
    os.setpgid(0, 0)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.close(said)
    os.environ.clear()
    os.environ.update(environment)
    main(["serve", *options])
