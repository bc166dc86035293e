"""A worker's process: `forebay serve`."""

import gc
import logging
import logging.config
import os
import resource
import signal
import threading

import faust

from app.errors import ForebayError
from app.house import House
from app.logs import LogFormat, logging_config
from app.settings import read_settings

logger = logging.getLogger(__name__)

GARBAGE_LOOKED_FOR_EVERY_OBJECTS = 50_000
STOP_MAX_S = 8.0


class Worker(faust.Worker):
    """Ends in good order on SIGINT and SIGTERM. The debugger that Faust ties to other signals stays away.

    What the order waits for (a broker, a destination) may never answer: then it ends without.
    """

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        end_within(STOP_MAX_S, exit_code=0)
        super()._schedule_shutdown(signal)

    def _crash(self, reason: BaseException) -> None:
        end_within(STOP_MAX_S, exit_code=1)
        super()._crash(reason)

    def _install_signal_handlers_unix(self) -> None:
        self.loop.add_signal_handler(signal.SIGINT, self._on_sigint)
        self.loop.add_signal_handler(signal.SIGTERM, self._on_sigterm)


def run(log_level: str, log_format: LogFormat) -> None:
    """Serve until a signal ends it, by the settings in the environment. Raises SystemExit."""
    config = logging_config(log_format, log_level)
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


def end_within(seconds: float, *, exit_code: int) -> None:
    """Let the process end by then, whatever it waits for. Nothing is lost: the next start goes on as after a kill."""

    def end() -> None:
        logger.warning("the stop takes longer than %s s: it is not waited for", seconds)
        logging.shutdown()
        os._exit(exit_code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


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
