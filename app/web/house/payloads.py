"""Bodies of the house API, as they stand on the wire: what is sent, and what is answered."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

PROJECT_ID_MAX = 2**53 - 1  # what every JSON reader keeps exact
TOKEN_DESCRIPTION_CHARACTERS_MAX = 1024


class _Wire(BaseModel):
    """Members are camelCase."""

    model_config = ConfigDict(strict=True, frozen=True, alias_generator=to_camel, populate_by_name=True)


class CreateTokenPayload(_Wire):
    """A token to be made. The project need not have anything yet. Unknown members are refused."""

    model_config = ConfigDict(extra="forbid")

    project_id: Annotated[int, Field(ge=1, le=PROJECT_ID_MAX)]
    description: Annotated[str, Field(max_length=TOKEN_DESCRIPTION_CHARACTERS_MAX)] | None = None


class TokenAnswer(_Wire):
    """A token, without what opens the project. `created_at` is null where no record says when."""

    id: str
    project_id: int
    description: str
    created_at: str | None


class NewTokenAnswer(TokenAnswer):
    """A token that was just made, with the text that opens the project: it is told only here."""

    token: str


class TokensAnswer(_Wire):
    """All tokens, by project."""

    tokens: list[TokenAnswer]
