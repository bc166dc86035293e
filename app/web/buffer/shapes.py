"""Bodies of answers, as the API's document promises them. answers.py writes them, and tests hold it to this.

A member that may be absent is never null, unless its type says so.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from app.mapping.engines import Engine
from app.model.column import ColumnType
from app.model.file import FileState, FlushReason
from app.model.task import TaskStatus, TaskType
from app.web.buffer.error_names import ERRORS

Absent = SkipJsonSchema[None]  # null stands for absent in these models only, not on the wire
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-02T15:04:05.123Z"])]
Count = Annotated[int, Field(ge=0)]


class Shape(BaseModel):
    """Members are camelCase."""

    model_config = ConfigDict(alias_generator=to_camel)


class Index(Shape):
    """What answers here."""

    api: Literal["buffer"]
    documentation: Annotated[str, Field(description="Where the documentation of the API stands.")]


class Template(Shape):
    """A program that makes a column's value."""

    language: Literal["jsonnet"]
    content: str
    raw_string: Annotated[bool | Absent, Field(description="Absent when false.")] = None


class Column(Shape):
    """A column of the table, and where its value comes from."""

    primary_key: bool
    type: ColumnType
    name: str
    template: Annotated[Template | Absent, Field(description="Of the type `template`.")] = None
    path: Annotated[str | Absent, Field(description="Of the type `path`.")] = None
    default_value: Annotated[str | Absent, Field(description="Of the type `path`, if there is one.")] = None
    raw_string: Annotated[bool | Absent, Field(description="Of the type `path`; absent when false.")] = None


class Mapping(Shape):
    """The table, and how an event becomes a row of it."""

    table_id: Annotated[str, Field(examples=["in.c-shop.orders"])]
    incremental: bool
    columns: list[Column]


class Conditions(Shape):
    """When buffered rows are loaded: as soon as one condition is met."""

    count: Annotated[int, Field(description="Rows.")]
    size: Annotated[str, Field(description="Bytes of CSV.", examples=["5MB"])]
    time: Annotated[str, Field(description="Since the oldest buffered event arrived.", examples=["5m0s"])]


class Export(Shape):
    """A receiver's events, mapped into one table under some conditions."""

    id: Annotated[str, Field(examples=["orders"])]
    receiver_id: Annotated[str, Field(examples=["shop"])]
    name: Annotated[str, Field(examples=["Orders"])]
    mapping: Mapping
    conditions: Conditions


class Deduplication(Shape):
    """What tells a repeated event."""

    path: Annotated[str, Field(description="A path to one value of the body.", examples=["order.id"])]


class Kafka(Shape):
    """The topics that a receiver takes events from."""

    topics: list[str]
    start: Annotated[
        Literal["earliest", "latest"], Field(alias="from", description="Where a topic is begun that was never read.")
    ]


class Receiver(Shape):
    """An address that takes events, and the exports that want them."""

    id: Annotated[str, Field(examples=["shop"])]
    url: Annotated[str, Field(description="Takes the events. The secret in it is all that a sender needs.")]
    name: Annotated[str, Field(examples=["Shop"])]
    description: str
    exports: list[Export]
    deduplication: Annotated[Deduplication | Absent, Field(description="If there is one.")] = None
    kafka: Annotated[Kafka | Absent, Field(description="If it is bound to topics.")] = None
    previous_secret_valid_until: Annotated[
        Moment | Absent,
        Field(description="Of a receiver whose secret was changed: so long the one before is taken too."),
    ] = None


class Receivers(Shape):
    """All receivers of the project, sorted by id."""

    receivers: list[Receiver]


class Exports(Shape):
    """All exports of the receiver, sorted by id."""

    exports: list[Export]


class TaskOutputs(Shape):
    """What the task was about."""

    receiver_id: str
    export_id: Annotated[str | Absent, Field(description="Of a task about an export.")] = None


class Task(Shape):
    """A change of the definitions that takes a while: ask at `url` until `isFinished`."""

    id: Annotated[
        str, Field(description="Holds slashes.", examples=["shop/receiver.create/2026-01-02T15:04:05.123Z_abcde"])
    ]
    type: TaskType
    url: Annotated[str, Field(description="Where the task can be read.")]
    status: TaskStatus
    is_finished: bool
    created_at: Moment
    finished_at: Annotated[Moment | Absent, Field(description="Once it is finished.")] = None
    duration: Annotated[Count | Absent, Field(description="Milliseconds, once it is finished.")] = None
    result: Annotated[str | Absent, Field(description="With success, in words.")] = None
    error: Annotated[str | Absent, Field(description="With an error, in words.")] = None
    outputs: Annotated[TaskOutputs | Absent, Field(description="With success.")] = None


class File(Shape):
    """What is loaded together."""

    id: Annotated[str | Absent, Field(description="Once it is closed.")] = None
    state: FileState
    rows: Count
    bytes: Annotated[Count, Field(description="Of CSV.")]
    events: Count
    attempts: Annotated[Count, Field(description="Those that failed.")]
    closed_by: Annotated[FlushReason | Absent, Field(description="Why it was closed, once it is.")] = None
    error: Annotated[str | Absent, Field(description="Of a file that failed or was dropped: why.")] = None
    opened_at: Annotated[Moment, Field(description="When its first event arrived.")]
    closed_at: Annotated[Moment | Absent, Field(description="Once it is closed.")] = None
    changed_at: Annotated[Moment, Field(description="Since when its state is as it is.")]
    retry_at: Annotated[Moment | Absent, Field(description="Of a failed file: when it is tried again.")] = None
    splitting: Annotated[bool | Absent, Field(description="It is to be loaded without what is refused of it.")] = None
    refused_rows: Annotated[
        int | Absent, Field(description="Rows that were left out when it was split: dead letters.")
    ] = None


class Files(Shape):
    """Files in the order in which they load."""

    files: list[File]


class Flush(Shape):
    """What will be loaded: all events of the export that were answered before."""

    export_id: str
    requested_at: Moment


class ExportLedger(Shape):
    """Events of one export: `routed = buffered + loaded + deadLettered`."""

    export_id: str
    routed: Annotated[Count, Field(description="Accepted for this export.")]
    buffered: Annotated[Count, Field(description="Mapped or waiting, and not loaded yet.")]
    loaded: Annotated[Count, Field(description="In the table.")]
    dead_lettered: Annotated[
        Count, Field(description="Could not be mapped, or their file could not be loaded in its time.")
    ]
    expired: Annotated[Count, Field(description="Of these, those whose file could not be loaded in its time.")]


class Ledger(Shape):
    """Events of the receiver: `accepted = deduplicated + unrouted + routed`."""

    accepted: Annotated[Count, Field(description="Answered with 200, and cut since.")]
    deduplicated: Annotated[Count, Field(description="Repeats of an event that was accepted before.")]
    unrouted: Annotated[Count, Field(description="Came when the receiver had no export.")]
    routed: Annotated[Count, Field(description="Came when it had one.")]
    exports: list[ExportLedger]
    refused: Annotated[Count, Field(description="Records from Kafka that became no event; no part of `accepted`.")]
    lost: Annotated[
        Count, Field(description="Offsets of bound topics that were deleted before they were read; no part of it too.")
    ]


class Event(Shape):
    """An event as it came."""

    received_at: Moment
    ip: str
    headers: Annotated[list[tuple[str, str]], Field(description="Names and values, as they came.")]
    body: Annotated[str | Absent, Field(description="When it is UTF-8.")] = None
    body_base64: Annotated[str | Absent, Field(description="When it is not.", alias="bodyBase64")] = None


class DeadLetter(Shape):
    """An event that the export could not map, or whose row the destination refused."""

    id: Annotated[str, Field(description="Where the event died.", examples=["4f1c0a9be2d35786-0-1207-0"])]
    reason: str
    event: Event
    event_lost: Annotated[
        bool | Absent,
        Field(description="The log has the event no more: the body is its row as JSON, and it cannot come again."),
    ] = None


class DeadLetters(Shape):
    """A page of dead letters, by arrival."""

    dead_letters: list[DeadLetter]


class DeadLetterTaken(Shape):
    """The dead letter that comes again."""

    id: str


class DeadLettersTaken(Shape):
    """How many dead letters it was."""

    dead_letters: Count


class TriedColumn(Shape):
    """A column's value."""

    name: str
    value: str
    engine: Annotated[Engine | Absent, Field(description="Of templates, if it was asked for.")] = None


class TriedExport(Shape):
    """The row that the sample would become, or why it would become a dead letter."""

    export_id: str
    columns: list[TriedColumn]
    csv: Annotated[str, Field(description="The row as it would be staged; empty with an error.")]
    error: Annotated[
        str | None, Field(description="The reason that the dead letter would have; null when there is none.")
    ]


class Tried(Shape):
    """What would become of the sample, for each export."""

    exports: list[TriedExport]


class Error(Shape):
    """Why a request was refused."""

    status_code: Annotated[int, Field(description="The status again.", examples=[404])]
    error: Annotated[
        str,
        Field(description="Which error.", examples=["buffer.receiverNotFound"], json_schema_extra={"enum": [*ERRORS]}),
    ]
    message: Annotated[
        str, Field(description="What is wrong, in words.", examples=['Receiver "shop" not found in the project.'])
    ]
    exception_id: Annotated[
        str | Absent, Field(description="With a status of 500 and above: what to look for in the server's log.")
    ] = None
