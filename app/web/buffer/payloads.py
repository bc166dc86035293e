"""Bodies of requests, as they stand on the wire. What they may hold is said here once, for checking and for OpenAPI."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from app.model.conditions import COUNT_MAX, COUNT_MIN
from app.settings import SECRET_GRACE_MAX_S

ID_CHARACTERS_MAX = 48
NAME_CHARACTERS_MAX = 40
DESCRIPTION_CHARACTERS_MAX = 4096
TEMPLATE_CHARACTERS_MAX = 4096
COLUMNS_MAX = 100
PATH_CHARACTERS_MAX = 1024
EXPORTS_SENT_MAX = 100  # bounds the work; how many a receiver may have is the definitions' rule

Id = Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS_MAX)]
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX)]
Description = Annotated[str, Field(max_length=DESCRIPTION_CHARACTERS_MAX)]


class Payload(BaseModel):
    """Members are camelCase; unknown ones are ignored; null is as good as absent."""

    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel)


class TemplatePayload(Payload):
    """A program that makes a column's value. `rawString` leaves out a string result's quotes."""

    language: Literal["jsonnet"]
    content: Annotated[str, Field(min_length=1, max_length=TEMPLATE_CHARACTERS_MAX)]
    raw_string: bool | None = None


class ColumnPayload(Payload):
    """A column. `template` belongs to the type template; `path`, `defaultValue`, `rawString` to the type path."""

    primary_key: bool | None = None
    type: Literal["id", "datetime", "ip", "body", "headers", "template", "path"]
    name: Annotated[str, Field(min_length=1)]
    template: TemplatePayload | None = None
    path: str | None = None
    default_value: str | None = None
    raw_string: bool | None = None


class MappingPayload(Payload):
    """The table and its columns. `incremental` is true when absent."""

    table_id: str
    incremental: bool | None = None
    columns: Annotated[list[ColumnPayload], Field(min_length=1, max_length=COLUMNS_MAX)]


class ConditionsPayload(Payload):
    """When to load; what is absent has its default, in an update the stored value."""

    count: Annotated[int, Field(ge=COUNT_MIN, le=COUNT_MAX)] | None = None
    size: str | None = None
    time: str | None = None


class CreateExportPayload(Payload):
    """The id comes from the name when it is absent."""

    id: Id | None = None
    name: Name
    mapping: MappingPayload
    conditions: ConditionsPayload | None = None


class UpdateExportPayload(Payload):
    """What is absent stays as it is."""

    name: Name | None = None
    mapping: MappingPayload | None = None
    conditions: ConditionsPayload | None = None


class DeduplicationPayload(Payload):
    """Where in a body the value stands that names the event."""

    path: Annotated[str, Field(min_length=1, max_length=PATH_CHARACTERS_MAX)]


class RotateSecretPayload(Payload):
    """How long the old secret is valid; when absent, as the settings say."""

    grace_seconds: Annotated[int, Field(ge=0, le=SECRET_GRACE_MAX_S)] | None = None


class CreateReceiverPayload(Payload):
    """The id comes from the name when it is absent."""

    id: Id | None = None
    name: Name
    description: Description | None = None
    exports: Annotated[list[CreateExportPayload], Field(max_length=EXPORTS_SENT_MAX)] | None = None
    deduplication: DeduplicationPayload | None = None


class UpdateReceiverPayload(Payload):
    """What is absent stays as it is. A `deduplication` of null is taken away."""

    name: Name | None = None
    description: Description | None = None
    deduplication: DeduplicationPayload | None = None
