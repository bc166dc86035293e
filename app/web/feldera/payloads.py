"""Bodies of requests that make or change pipelines, as they stand on the wire."""

import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from app.model.draft import PipelineDraft, PipelineEdit
from app.model.pipeline import PIPELINE_NAME_CHARACTERS_MAX
from app.web.feldera.errors import bad_body, empty_name, name_does_not_match, too_long_name

DESCRIPTION_CHARACTERS_MAX = 16_384
TAGS_MAX, TAG_CHARACTERS_MAX = 100, 255
KEPT_CHARACTERS_MAX = 65_536  # of a configuration that is only kept
_NAME = re.compile("[A-Za-z0-9]([-A-Za-z0-9_]*[A-Za-z0-9])?")
_EMPTY = "{}"
T = TypeVar("T")

_Kept = Annotated[str, Meta(max_length=KEPT_CHARACTERS_MAX)]
_Description = Annotated[str, Meta(max_length=DESCRIPTION_CHARACTERS_MAX)]
_Tags = Annotated[list[Annotated[str, Meta(max_length=TAG_CHARACTERS_MAX)]], Meta(max_length=TAGS_MAX)]


class NewPipeline(msgspec.Struct, frozen=True):
    """A pipeline to be made, or to be put in the place of another. What is null is as if it were absent."""

    name: str
    program_code: str
    udf_rust: _Kept | None = None
    udf_toml: _Kept | None = None
    program_config: Raw | UnsetType = UNSET
    runtime_config: Raw | UnsetType = UNSET
    description: _Description | None = None
    tags: _Tags | None = None

    @property
    def draft(self) -> PipelineDraft:
        """What it asks for. Raises FelderaRefusal."""
        return PipelineDraft(
            name=_name(self.name),
            code=self.program_code,
            udf_rust=self.udf_rust or "",
            udf_toml=self.udf_toml or "",
            program_config=_kept("program_config", self.program_config) or _EMPTY,
            runtime_config=_kept("runtime_config", self.runtime_config) or _EMPTY,
            description=self.description or "",
            tags=tuple(self.tags or ()),
        )


class ChangedPipeline(msgspec.Struct, frozen=True):
    """What shall be otherwise; what is absent or null stays."""

    name: str | None = None
    program_code: str | None = None
    udf_rust: _Kept | None = None
    udf_toml: _Kept | None = None
    program_config: Raw | UnsetType = UNSET
    runtime_config: Raw | UnsetType = UNSET
    description: _Description | None = None
    tags: _Tags | None = None

    @property
    def edit(self) -> PipelineEdit:
        """What it asks for. Raises FelderaRefusal."""
        return PipelineEdit(
            name=None if self.name is None else _name(self.name),
            code=self.program_code,
            udf_rust=self.udf_rust,
            udf_toml=self.udf_toml,
            program_config=_kept("program_config", self.program_config),
            runtime_config=_kept("runtime_config", self.runtime_config),
            description=self.description,
            tags=None if self.tags is None else tuple(self.tags),
        )


_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (NewPipeline, ChangedPipeline)
}


def decode(body: bytes, kind: type[T]) -> T:
    """Raises FelderaRefusal that says what is wrong."""
    try:
        return _decoders[kind].decode(body.decode())  # type: ignore[no-any-return]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_body(str(error)) from None


def _name(name: str) -> str:
    if not name:
        raise empty_name()
    if len(name) > PIPELINE_NAME_CHARACTERS_MAX:
        raise too_long_name(name)
    if not _NAME.fullmatch(name):
        raise name_does_not_match(name)
    return name


def _kept(member: str, raw: Raw | UnsetType) -> str | None:
    """The JSON text of an object."""
    if raw is UNSET:
        return None
    text = bytes(raw).decode()
    if text == "null":
        return None
    if len(text) > KEPT_CHARACTERS_MAX:
        raise bad_body(f"{member} may have {KEPT_CHARACTERS_MAX} characters")
    if not text.startswith("{"):
        raise bad_body(f"{member} must be an object")
    return text
