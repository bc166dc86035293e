"""The command `forebay`."""

import os
import signal
import sys

import click

from app.logs import LogFormat


class Commands(click.Group):
    """Those that talk to a server are loaded when one is asked for: a worker starts faster without them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return sorted([*super().list_commands(ctx), *_clients()])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """By its name."""
        return super().get_command(ctx, cmd_name) or _clients().get(cmd_name)


def _clients() -> dict[str, click.Command]:
    from app.cli.commands import COMMANDS  # noqa: PLC0415 -- see Commands

    return {command.name: command for command in COMMANDS if command.name}


@click.group(cls=Commands)
@click.version_option(package_name="forebay")
def main() -> None:
    """Take in pushed events, keep them safe, and load them into SQL tables."""


@main.command(short_help="Start a worker.")
@click.option("--log-level", default="warning", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", default=LogFormat.TEXT.value, type=click.Choice([one.value for one in LogFormat]))
def serve(log_level: str, log_format: str) -> None:
    """Start a worker: the doors on FOREBAY_PORT, and everything behind them. Settings are FOREBAY_… variables."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end_at_once)
    from app.worker import run  # noqa: PLC0415 -- other commands need none of it

    run(log_level, LogFormat(log_format))


def _end_at_once(*_: object) -> None:
    """Until the worker stops in order: a start may wait for Kafka, and a first process dies by no signal."""
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
