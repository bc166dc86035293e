"""What a command prints: tables for people, plain columns for pipes, JSON for scripts."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

TAB = "\t"


def plain(value: object) -> str:
    """As text without control characters: what came from outside must not steer a terminal."""
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else "\N{MIDDLE DOT}" for character in text)


class Output:
    """`as_json` prints what the API said, and nothing else. Progress and advice go to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(highlight=False, soft_wrap=False)
        self.aside = Console(stderr=True, highlight=False)

    @property
    def for_people(self) -> bool:
        """Whether a person reads it."""
        return not self.as_json and self.console.is_terminal

    def json(self, content: object) -> None:
        """One line."""
        click.echo(json.dumps(content, ensure_ascii=self.console.is_terminal))  # a terminal obeys some characters

    def say(self, text: str, style: str = "") -> None:
        """A line for people; nothing when JSON is wanted."""
        if not self.as_json:
            self.console.print(Text(plain(text), style), soft_wrap=True)

    def advise(self, text: str) -> None:
        """A line on standard error."""
        if not self.as_json:
            self.aside.print(Text(plain(text)), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], content: object) -> None:
        """A list: a table on a terminal, columns with tabs in a pipe, `content` as JSON."""
        if self.as_json:
            self.json(content)
        elif self.console.is_terminal:
            self.console.print(rich_table(columns, rows))
        else:
            for row in [columns, *rows]:
                click.echo(TAB.join(plain(cell) for cell in row))

    def members(self, members: Mapping[str, object], content: object) -> None:
        """One thing, member by member."""
        if self.as_json:
            self.json(content)
            return
        width = max(map(len, members), default=0)
        for name, value in members.items():
            self.console.print(Text.assemble((f"{name:<{width}}  ", "bold"), plain(value)), soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: float | None) -> Iterator["Bar"]:
        """A bar on standard error while something goes on; None: nobody knows how much."""
        moving = SpinnerColumn() if total is None else BarColumn()
        columns = [TextColumn("{task.description}"), moving, *([] if total is None else [MofNCompleteColumn()])]
        with Progress(
            *columns,
            TimeElapsedColumn(),
            console=self.aside,
            transient=True,
            disable=self.as_json or not self.aside.is_terminal,
        ) as progress:
            yield Bar(progress, progress.add_task(what, total=total))


class Bar:
    """How far something is."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress = progress
        self._task = task

    def at(self, done: float, total: float | None = None) -> None:
        """So much is done."""
        self._progress.update(self._task, completed=done, total=total)


def rich_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Numbers to the right."""
    kept = [list(row) for row in rows]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, name in enumerate(columns):
        cells = [row[number] for row in kept if row[number] != ""]
        is_number = bool(cells) and all(isinstance(cell, int) for cell in cells)
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in kept:
        table.add_row(*(Text(plain(cell)) for cell in row))
    return table


def flush_lines() -> None:
    """Let a pipe have what was printed."""
    sys.stdout.flush()
