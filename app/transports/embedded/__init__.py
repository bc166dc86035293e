"""The log in a directory of this machine: a Faust transport on SQLite, for one process (docs/decisions/0002)."""

from app.transports.embedded.log import EmbeddedLog, open_log
from app.transports.embedded.store import Sync, TopicOptions
from app.transports.embedded.transport import Transport

__all__ = ["EmbeddedLog", "Sync", "TopicOptions", "Transport", "open_log"]
