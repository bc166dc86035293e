"""What a route promises its callers, as data: from it the API's OpenAPI document is written (app/web/openapi.py)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import BaseModel

JSON = "application/json"
Schema = Mapping[str, Any]


class ErrorMeaning(NamedTuple):
    """With which status an error is answered, and when."""

    status: int
    when: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a request may say outside its body; `place` is `path`, `query` or `header`."""

    name: str
    place: str
    description: str
    schema: Schema
    required: bool = False


@dataclass(frozen=True, slots=True)
class RequestBody:
    """What is sent: JSON that fits `model`, or, without one, anything of the `media` types, each with an example."""

    description: str
    model: type[BaseModel] | None = None
    media: Mapping[str, Any] = field(default_factory=dict)
    required: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: a body of `model`; of `media` without one; none at all without either."""

    status: int
    description: str
    model: type[BaseModel] | None = None
    media: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """`id` is unique in its API; `errors` are the names of all that may be answered in place of `answer`.

    `secured`: it wants a token.
    """

    id: str
    tag: str
    summary: str
    description: str
    answer: Answer
    errors: tuple[str, ...]
    body: RequestBody | None = None
    parameters: tuple[Parameter, ...] = ()
    secured: bool = True
