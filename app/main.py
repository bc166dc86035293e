"""The command `forebay`."""

import gc
import logging
import logging.config
import resource
import signal
import sys

import click
import faust

from app.errors import ForebayError
from app.logs import LogFormat, logging_config
from app.settings import read_settings

GARBAGE_LOOKED_FOR_EVERY_OBJECTS = 50_000


class Worker(faust.Worker):
    """Ends in good order on SIGINT and SIGTERM. The debugger that Faust ties to other signals stays away."""

    def _install_signal_handlers_unix(self) -> None:
        self.loop.add_signal_handler(signal.SIGINT, self._on_sigint)
        self.loop.add_signal_handler(signal.SIGTERM, self._on_sigterm)


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
    from app.house import House  # noqa: PLC0415 -- other commands need none of it

    config = logging_config(LogFormat(log_format), log_level)
    if config is not None:
        logging.config.dictConfig(config)  # Faust does so too, but something may be said before
    try:
        house = House(read_settings())
        house.check_start()
    except ForebayError as error:
        raise SystemExit(f"forebay: {error}") from None
    logging.captureWarnings(capture=True)
    worker = Worker(house.app, loglevel=log_level, quiet=True, redirect_stdouts=False, logging_config=config)
    open_files_enough()
    settle_garbage()
    worker.spinner = None  # it writes to the terminal, even where there is none
    worker.execute_from_commandline()


def open_files_enough() -> None:
    """As many connections and files as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def settle_garbage() -> None:
    """Take what the start has made out of the garbage collector's sight, and let it look less often.

    Most objects of a request die by reference count; looking for cycles took a fifth of the time under load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_LOOKED_FOR_EVERY_OBJECTS, 20, 50)


if __name__ == "__main__":
    main(sys.argv[1:])
