"""What a destination promises to those who read a pipeline's tables: queries, on connections of their own.

So no load waits for a query, and no query for a load.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from app.model.pipeline import Pipeline
from app.model.relation import Relation, View
from app.model.result import ResultColumn, ResultRow

VALUE_BYTES_MAX = 64 * 1024 * 1024


class Question(msgspec.Struct, frozen=True):
    """A query about a pipeline's tables and views, in the database's own dialect, with bare names."""

    schema: str
    export: str
    relations: tuple[Relation, ...]
    views: tuple[View, ...]
    sql: str


def question_about(pipeline: Pipeline, sql: str) -> Question:
    """With the tables and views that the destination has."""
    export = pipeline.export
    return Question(pipeline.schema, export.uid, export.mapping.relations, pipeline.program.views, sql)


class Leash:
    """What holds a query: the time that it has, and a way to end it from another thread."""

    def __init__(self, time_max_s: float) -> None:
        self.time_max_s = time_max_s
        self._until_s = time.monotonic() + time_max_s
        self._cancel: Callable[[], None] | None = None
        self._is_cancelled = False

    @property
    def is_over(self) -> bool:
        """Whether the query must end. Cheap."""
        return self._is_cancelled or time.monotonic() >= self._until_s

    @property
    def time_left_s(self) -> float:
        """Until it must end by itself."""
        return max(0.0, self._until_s - time.monotonic())

    @property
    def why(self) -> str:
        """In words."""
        return "it was cancelled" if self._is_cancelled else f"it took more than {self.time_max_s:g} s"

    def attach(self, cancel: Callable[[], None]) -> None:
        """Have this called when the query is cancelled; at once if it has been."""
        self._cancel = cancel
        if self._is_cancelled:
            cancel()

    def cancel(self) -> None:
        """End the query soon, whatever it does."""
        self._is_cancelled = True
        if self._cancel is not None:
            self._cancel()


class Reading(Protocol):
    """A query that runs. Its calls block, and come from one thread at a time."""

    @property
    def columns(self) -> Sequence[ResultColumn]:
        """Of all its rows."""

    def take(self, rows_max: int) -> list[ResultRow]:
        """The next rows; none at the end. Raises QueryRefused or Retryable."""

    def close(self) -> None:
        """Give back what is held."""


class Reader(Protocol):
    """Runs queries in one database, any number at a time, each in a thread of its own."""

    def open(self, question: Question, leash: Leash) -> Reading:
        """Begin a query. It sees one state of the tables, only those of the pipeline, and changes nothing.

        Raises QueryRefused, Retryable.
        """
