"""An import source: what takes in documents under tokens of its own, for the tables of one schema.

To the core it is a receiver with one export, whose mapping is of documents; the Buffer API does not see that.
"""

import re
from enum import StrEnum

import msgspec

from app.model.conditions import Conditions
from app.model.export import Export
from app.model.export_token import ExportToken
from app.model.mapping import Mapping, document_mapping
from app.model.receiver import Receiver

SOURCE_NAME_CHARACTERS_MAX = 63  # of its schema as well, and so long may a schema be in PostgreSQL
CLIENT_ID_MIN, CLIENT_ID_MAX = 1000, 999_999
NO_PROJECT = 0  # tokens of projects are for receivers
EXPORT_ID = "documents"
_NO_WORD = re.compile(r"\W", re.ASCII)
_RESERVED = re.compile(r"in|out|sys|information_schema|(pg_|sqlite_|_forebay).*|_*")


class Region(StrEnum):
    """Where a source's tokens are taken."""

    US = "us"
    EU = "eu"


class SourceState(StrEnum):
    """Whether documents are taken. Those that were accepted are loaded in every state."""

    ACTIVE = "active"
    PAUSED = "paused"  # until it is resumed
    DELETED = "deleted"  # for ever; its schema may be another's


class ImportToken(msgspec.Struct, frozen=True):
    """What opens an import source, known only by its SHA-256. `by_operator`: it came with the settings."""

    id: str
    sha256: str
    created_us: int
    by_operator: bool = False


class ImportSource(msgspec.Struct, frozen=True):
    """`uid` is given at creation and never again. `name` may change, `schema` was made of the first and never does.

    `receiver` is what it is to the core, with one export; `mapping_number` and the token of that are its present ones.
    """

    uid: str
    name: str
    schema: str
    client_id: int
    receiver: Receiver
    region: Region = Region.US
    append_only: bool = False
    state: SourceState = SourceState.ACTIVE
    tokens: tuple[ImportToken, ...] = ()
    created_us: int = 0

    @property
    def active(self) -> bool:
        """Whether it takes documents."""
        return self.state is SourceState.ACTIVE

    @property
    def export(self) -> Export:
        """Its only one."""
        return self.receiver.exports[0]

    def to(self, state: SourceState) -> "ImportSource":
        """In this state. A deleted one leaves its id to another, so that the two are told apart."""
        receiver_id = f"{self.schema}-{self.uid}" if state is SourceState.DELETED else self.schema
        receiver = msgspec.structs.replace(self.receiver, id=receiver_id)
        return msgspec.structs.replace(self, state=state, receiver=receiver)

    def with_mapping(self, mapping: Mapping, token_id: str, created_us: int) -> "ImportSource":
        """With the next mapping, which has a token of its own."""
        export = msgspec.structs.replace(
            self.export,
            mapping=mapping,
            mapping_number=self.export.mapping_number + 1,
            token=_export_token(self.schema, token_id, created_us),
        )
        receiver = msgspec.structs.replace(self.receiver, exports=(export,))
        return msgspec.structs.replace(self, receiver=receiver, append_only=mapping.append_only)


def schema_of(name: str) -> str:
    """The schema of an integration of this name: `Customer Records` → `customer_records`."""
    return _NO_WORD.sub("_", name.lower())


def is_reserved(schema: str) -> bool:
    """Whether a schema is for something else: stages of buckets, databases, Forebay; or says nothing."""
    return _RESERVED.fullmatch(schema) is not None


def implicit_receiver(  # noqa: PLR0913 -- what it is made of
    uid: str,
    export_uid: str,
    schema: str,
    conditions: Conditions,
    *,
    append_only: bool,
    token_id: str,
    created_us: int,
) -> Receiver:
    """What a source is to the core: a receiver with one export, loaded under these conditions."""
    export = Export(
        uid=export_uid,
        receiver_uid=uid,
        id=EXPORT_ID,
        name=EXPORT_ID,
        mapping=document_mapping(schema, append_only=append_only),
        conditions=conditions,
        token=_export_token(schema, token_id, created_us),
    )
    return Receiver(uid, NO_PROJECT, schema, schema, secret="", exports=(export,))


def _export_token(schema: str, token_id: str, created_us: int) -> ExportToken:
    return ExportToken(token_id, f"[_internal] Import source {schema}", schema, created_us)
