"""Bodies of the house API, as they stand on the wire: what is sent, and what is answered."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from app.model.import_source import CLIENT_ID_MAX, CLIENT_ID_MIN, SOURCE_NAME_CHARACTERS_MAX

PROJECT_ID_MAX = 2**53 - 1  # what every JSON reader keeps exact
TOKEN_DESCRIPTION_CHARACTERS_MAX = 1024
IMPORT_TOKEN_CHARACTERS_MAX = 255


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


SourceName = Annotated[str, Field(min_length=1, max_length=SOURCE_NAME_CHARACTERS_MAX)]
ImportTokenText = Annotated[str, Field(min_length=1, max_length=IMPORT_TOKEN_CHARACTERS_MAX, pattern="^[!-~]+$")]


class CreateImportSourcePayload(_Wire):
    """An import source to be made, with its first token: `token`, or one that is made up. Unknown members are refused.

    `client_id` is a client's number, of four to six digits; the `region` is the service's own unless it is given.
    """

    model_config = ConfigDict(extra="forbid")

    name: SourceName
    client_id: Annotated[int, Field(ge=CLIENT_ID_MIN, le=CLIENT_ID_MAX)]
    region: Literal["us", "eu"] | None = None
    append_only: bool = False
    token: ImportTokenText | None = None


class UpdateImportSourcePayload(_Wire):
    """What shall be otherwise; what is absent stays. The schema never changes. Unknown members are refused."""

    model_config = ConfigDict(extra="forbid")

    name: SourceName | None = None
    append_only: bool | None = None


class CreateImportTokenPayload(_Wire):
    """A further token of an import source: `token`, or one that is made up. Unknown members are refused."""

    model_config = ConfigDict(extra="forbid")

    token: ImportTokenText | None = None


class ImportTokenAnswer(_Wire):
    """A token of an import source, without what opens it."""

    id: str
    created_at: str | None


class NewImportTokenAnswer(ImportTokenAnswer):
    """A token that was just made, with its text: it is told only here."""

    token: str


class ImportSourceAnswer(_Wire):
    """An import source. `uid` finds it also when it is deleted, `schema` while it is not."""

    uid: str
    name: str
    in_schema: Annotated[str, Field(alias="schema")]
    client_id: int
    region: str
    state: str
    append_only: bool
    created_at: str
    tokens: list[ImportTokenAnswer]


class NewImportSourceAnswer(ImportSourceAnswer):
    """An import source that was just made, with the text of its token: it is told only here."""

    token: str


class ImportSourcesAnswer(_Wire):
    """All that are not deleted, by schema."""

    sources: list[ImportSourceAnswer]
