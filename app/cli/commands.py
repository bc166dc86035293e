"""All commands that talk to a server."""

import click

from app.cli.dead_letters import dead_letters
from app.cli.exports import exports
from app.cli.files import files
from app.cli.ledger import ledger
from app.cli.receivers import receivers
from app.cli.send import send
from app.cli.stitch_sources import stitch_sources
from app.cli.tail import tail
from app.cli.tokens import tokens

COMMANDS: tuple[click.Command, ...] = (
    receivers,
    exports,
    files,
    dead_letters,
    stitch_sources,
    tokens,
    ledger,
    tail,
    send,
)
