"""How a command ends when it does not end well. The exit code says who has to do something.

0  well
1  the server refused, or what was asked about is not well: its words are on standard error
2  the command was not understood (click's own UsageError)
3  no server answered
"""

from typing import IO, Any

import click

REFUSED, NO_SERVER = 1, 3


class Refused(click.ClickException):
    """The server understood, and said no."""

    exit_code = REFUSED

    def show(self, file: IO[Any] | None = None) -> None:
        """On standard error, in one line."""
        click.echo(f"forebay: {self.message}", err=True, file=file)


class NoServer(Refused):
    """Nobody answered, or not to the end."""

    exit_code = NO_SERVER
