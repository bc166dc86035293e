"""Bodies of requests, as they stand on the wire. What they may hold is said here once, for checking and for OpenAPI."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from app.model.conditions import COUNT_DEFAULT, COUNT_MAX, COUNT_MIN
from app.settings import SECRET_GRACE_MAX_S

ID_CHARACTERS_MAX = 48
NAME_CHARACTERS_MAX = 40
DESCRIPTION_CHARACTERS_MAX = 4096
TEMPLATE_CHARACTERS_MAX = 4096
COLUMNS_MAX = 100
TOPICS_MAX = 10
TOPIC_CHARACTERS_MAX = 249  # Kafka's own limit
TABLE_ID_CHARACTERS_MAX = 255
COLUMN_NAME_CHARACTERS_MAX = 128
PATH_CHARACTERS_MAX = 1024
DEFAULT_VALUE_CHARACTERS_MAX = 4096
CONDITION_CHARACTERS_MAX = 64
EXPORTS_SENT_MAX = 100  # bounds the work; how many a receiver may have is the definitions' rule

Id = Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX)]
Description = Annotated[str, Field(max_length=DESCRIPTION_CHARACTERS_MAX)]

# Said only to readers: the drafts check these, and say what is wrong in better words than a pattern could.
_PLAIN = {"pattern": r"^[^\x00-\x1f\x7f]+$"}
ExportId = Annotated[Id, Field(json_schema_extra=_PLAIN)]
ColumnName = Annotated[str, Field(min_length=1, max_length=COLUMN_NAME_CHARACTERS_MAX)]
TableIdText = Annotated[
    str,
    Field(
        max_length=TABLE_ID_CHARACTERS_MAX,
        json_schema_extra={"pattern": r"^(in|out|sys)\.[^.\x00-\x1f\x7f]+\.[^.\x00-\x1f\x7f]+$"},
    ),
]
TopicName = Annotated[
    str,
    Field(
        min_length=1, max_length=TOPIC_CHARACTERS_MAX, json_schema_extra={"pattern": r"^(?!\.{1,2}$)[a-zA-Z0-9._-]+$"}
    ),
]
Size = Annotated[
    str, Field(max_length=CONDITION_CHARACTERS_MAX, json_schema_extra={"pattern": r"^[0-9]+ *([Bb]|kB|KB|MB)?$"})
]
Duration = Annotated[
    str, Field(max_length=CONDITION_CHARACTERS_MAX, json_schema_extra={"pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"})
]


class Payload(BaseModel):
    """Members are camelCase; unknown ones are ignored; null is as good as absent."""

    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel)


class TemplatePayload(Payload):
    """A program that makes a column's value."""

    language: Annotated[Literal["jsonnet"], Field(description="The language of the program.")]
    content: Annotated[
        str,
        Field(
            min_length=1,
            max_length=TEMPLATE_CHARACTERS_MAX,
            description="The program. What it evaluates to, as JSON text, is the value.",
            examples=['Body("price") * Body("pieces")'],
        ),
    ]
    raw_string: Annotated[
        bool | None, Field(description="Whether a result that is a string goes without its quotes. False when absent.")
    ] = None


class ColumnPayload(Payload):
    """A column of the table, and where its value comes from."""

    primary_key: Annotated[
        bool | None,
        Field(description="Whether the column belongs to the table's primary key. False when absent."),
    ] = None
    type: Annotated[
        Literal["id", "datetime", "ip", "body", "headers", "template", "path"],
        Field(
            description="Where the value comes from: the event's id, its arrival, the sender's address, the whole "
            "body, all headers, what a program returns, or one value of the body."
        ),
    ]
    name: Annotated[ColumnName, Field(description="The column's name in the table.", examples=["id"])]
    template: Annotated[
        TemplatePayload | None, Field(description="The program. A column of the type `template` must have one.")
    ] = None
    path: Annotated[
        Annotated[str, Field(max_length=PATH_CHARACTERS_MAX)] | None,
        Field(
            description="Which value of the body; the empty path is the whole body. "
            "A column of the type `path` must have one.",
            examples=["order.items[0].sku"],
        ),
    ] = None
    default_value: Annotated[
        Annotated[str, Field(max_length=DEFAULT_VALUE_CHARACTERS_MAX)] | None,
        Field(
            description="Of the type `path`: the value when the path is not in the body. Without it, such an event "
            "becomes a dead letter."
        ),
    ] = None
    raw_string: Annotated[
        bool | None,
        Field(description="Of the type `path`: whether a string goes without its quotes. False when absent."),
    ] = None


class MappingPayload(Payload):
    """The table, and how an event becomes a row of it."""

    table_id: Annotated[
        TableIdText,
        Field(
            description="The table: `<stage>.<bucket>.<table>`, with the stage `in`, `out` or `sys`. "
            "It is made if it is not there.",
            examples=["in.c-shop.orders"],
        ),
    ]
    incremental: Annotated[
        bool | None, Field(description="False empties the table at each load. True when absent.")
    ] = None
    columns: Annotated[
        list[ColumnPayload],
        Field(
            min_length=1,
            max_length=COLUMNS_MAX,
            description="In the table's order. Their names differ.",
            examples=[
                [
                    {"type": "id", "name": "id", "primaryKey": True},
                    {"type": "path", "name": "sku", "path": "order.sku", "rawString": True},
                    {"type": "body", "name": "body"},
                ]
            ],
        ),
    ]


class ConditionsPayload(Payload):
    """When buffered rows are loaded: as soon as one condition is met.

    What is absent has its default, in an update the stored value.
    """

    count: Annotated[
        Annotated[int, Field(ge=COUNT_MIN, le=COUNT_MAX)] | None,
        Field(description=f"So many rows are buffered. {COUNT_DEFAULT} when absent.", examples=[COUNT_DEFAULT]),
    ] = None
    size: Annotated[
        Size | None,
        Field(
            description="So many bytes of CSV are buffered: `100B` to `50MB`, in powers of 1024. `5MB` when absent.",
            examples=["5MB"],
        ),
    ] = None
    time: Annotated[
        Duration | None,
        Field(
            description="The oldest buffered event arrived so long ago: `30s` to `24h`. `5m` when absent.",
            examples=["30s", "1h30m"],
        ),
    ] = None


class CreateExportPayload(Payload):
    """An export to be made."""

    id: Annotated[
        ExportId | None,
        Field(description="Unique in the receiver. Made of the name when absent.", examples=["orders"]),
    ] = None
    name: Annotated[Name, Field(description="For people.", examples=["Orders"])]
    mapping: Annotated[MappingPayload, Field(description="Which table, which columns.")]
    conditions: Annotated[ConditionsPayload | None, Field(description="When to load.")] = None


class UpdateExportPayload(Payload):
    """What an export shall become. What is absent stays as it is."""

    name: Annotated[Name | None, Field(description="For people.", examples=["Orders"])] = None
    mapping: Annotated[
        MappingPayload | None,
        Field(description="Replaces the mapping as a whole. Even an equal one closes the file that is buffered."),
    ] = None
    conditions: Annotated[ConditionsPayload | None, Field(description="When to load; absent members stay.")] = None


class DeduplicationPayload(Payload):
    """Where in a body the value stands that names the event: one that comes again with it is not taken twice."""

    path: Annotated[
        str,
        Field(
            min_length=1,
            max_length=PATH_CHARACTERS_MAX,
            description="A path to one value of the body.",
            examples=["order.id"],
        ),
    ]


class KafkaPayload(Payload):
    """The topics of Kafka that a receiver takes events from."""

    topics: Annotated[
        list[TopicName],
        Field(
            min_length=1,
            max_length=TOPICS_MAX,
            description="Each record of them is an event. Their names differ.",
            examples=[["shop.orders"]],
        ),
    ]
    start: Annotated[
        Literal["earliest", "latest"] | None,
        Field(
            alias="from",
            description="Where a topic that the receiver has never read is begun: with its first record, or with what "
            "comes from then on. `latest` when absent.",
        ),
    ] = None


class RotateSecretPayload(Payload):
    """How a receiver gets a new secret. Unknown members are refused: a misspelt grace must not mean the usual one."""

    model_config = ConfigDict(extra="forbid")

    grace_seconds: Annotated[
        Annotated[int, Field(ge=0, le=SECRET_GRACE_MAX_S)] | None,
        Field(description="So long the old secret is valid too. When absent, as the server's settings say."),
    ] = None


class CreateReceiverPayload(Payload):
    """A receiver to be made, with its exports."""

    id: Annotated[
        Id | None,
        Field(
            description="Unique in the project; is made plain as a name is. Made of the name when absent.",
            examples=["shop"],
        ),
    ] = None
    name: Annotated[Name, Field(description="For people.", examples=["Shop"])]
    description: Annotated[
        Description | None, Field(description="For people.", examples=["Orders of the web shop"])
    ] = None
    exports: Annotated[
        Annotated[list[CreateExportPayload], Field(max_length=EXPORTS_SENT_MAX)] | None,
        Field(description="The exports to be made with it; more can follow."),
    ] = None
    deduplication: Annotated[
        DeduplicationPayload | None, Field(description="What tells a repeated event, unless a header says it.")
    ] = None
    kafka: Annotated[
        KafkaPayload | None, Field(description="Topics whose records are events too. Only where the log is Kafka.")
    ] = None


class UpdateReceiverPayload(Payload):
    """What a receiver shall become. What is absent stays as it is."""

    name: Annotated[Name | None, Field(description="For people.", examples=["Shop"])] = None
    description: Annotated[Description | None, Field(description="For people.")] = None
    deduplication: Annotated[
        DeduplicationPayload | None, Field(description="What tells a repeated event; null takes it away.")
    ] = None
    kafka: Annotated[
        KafkaPayload | None,
        Field(
            description="Topics whose records are events too, all of them; null unbinds them. A topic that is bound "
            "again goes on where it was. Only where the log is Kafka."
        ),
    ] = None
