"""The import sources as they stand: a part of the definitions, folded from the same log."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from app.errors import DefinitionRefused
from app.model.change import (
    AddImportToken,
    CreateImportSource,
    ImportChange,
    RevokeImportToken,
    UpdateImportSource,
)
from app.model.conditions import COUNT_MAX, SIZE_MAX_BYTES, Conditions
from app.model.import_source import (
    ImportSource,
    ImportToken,
    SourceState,
    implicit_receiver,
    is_reserved,
    schema_of,
)
from app.model.mapping import document_mapping

IMPORT_SOURCES_MAX = 1000
DELETED_IMPORT_SOURCES_MAX = 1000
IMPORT_TOKENS_PER_SOURCE_MAX = 2
LOAD_INTERVAL_DEFAULT_S = 5.0
LOAD_TAKES_S = 0.5


def conditions_of(load_interval_s: float) -> Conditions:
    """Those of a source whose documents should be loaded within so long: a load takes a while itself."""
    return Conditions(COUNT_MAX, SIZE_MAX_BYTES, max(load_interval_s - LOAD_TAKES_S, load_interval_s / 2))


@dataclass(slots=True)
class ImportSources:
    """All of them. A deleted one is remembered until too many others are: its documents still load.

    `conditions` are this worker's: they say when files are closed, which no other record depends on.
    """

    mappings_max: int
    conditions: Conditions = field(default_factory=lambda: conditions_of(LOAD_INTERVAL_DEFAULT_S))
    had_any: bool = False  # whether there ever was one, deleted or not
    _by_uid: dict[str, ImportSource] = field(default_factory=dict)
    _uids: dict[str, str] = field(default_factory=dict)  # of those that are not deleted, by schema
    _of_tokens: dict[str, str] = field(default_factory=dict)  # uids by SHA-256
    _deleted: deque[str] = field(default_factory=deque)  # in the order in which they were

    def of_token(self, sha256: str) -> ImportSource | None:
        """The source that a token with this hash opens, in whatever state it is."""
        uid = self._of_tokens.get(sha256)
        return None if uid is None else self._by_uid[uid]

    def find(self, name: str) -> ImportSource | None:
        """By its schema, unless it is deleted; or by its uid."""
        return self._by_uid.get(self._uids.get(name, name))

    def all(self) -> list[ImportSource]:
        """Those that are not deleted, by schema."""
        return [self._by_uid[uid] for _, uid in sorted(self._uids.items())]

    def apply(self, change: ImportChange) -> ImportSource:
        """Take a change; the source as it is then. Raises DefinitionRefused if it breaks a rule."""
        match change:
            case CreateImportSource():
                source = self._create(change)
            case UpdateImportSource():
                source = self._update(change)
            case AddImportToken():
                source = self._add_token(change)
            case RevokeImportToken():
                source = self._revoke_token(change)
        self._put(source)
        return source

    def forget_oldest_deleted(self) -> ImportSource | None:
        """The one that nobody remembers from now on, if too many are."""
        if len(self._deleted) <= DELETED_IMPORT_SOURCES_MAX:
            return None
        source = self._by_uid.pop(self._deleted.popleft())
        self._forget_tokens(source.tokens)
        return source

    def check_name(self, name: str) -> str:
        """The schema of a source that would have this name. Raises DefinitionRefused if it may not be made."""
        schema = schema_of(name)
        if is_reserved(schema):
            message = f'Schema "{schema}" is reserved: choose another name for the import source'
            raise DefinitionRefused("importSchemaNotAvailable", message)
        if schema in self._uids:
            message = f'An import source with the schema "{schema}" already exists: choose another name'
            raise DefinitionRefused("importSourceAlreadyExists", message)
        if len(self._uids) >= IMPORT_SOURCES_MAX:
            message = f"Import source count limit reached, the maximum is {IMPORT_SOURCES_MAX}: delete one first"
            raise DefinitionRefused("importSourceCountLimitReached", message)
        return schema

    def _create(self, change: CreateImportSource) -> ImportSource:
        schema = self.check_name(change.name)
        self._check_tokens(change.tokens)
        receiver = implicit_receiver(
            change.uid,
            change.export_uid,
            schema,
            self.conditions,
            append_only=change.append_only,
            token_id=change.token_id,
            created_us=change.created_us,
        )
        return ImportSource(
            uid=change.uid,
            name=change.name,
            schema=schema,
            client_id=change.client_id,
            receiver=receiver,
            region=change.region,
            append_only=change.append_only,
            tokens=change.tokens,
            created_us=change.created_us,
        )

    def _update(self, change: UpdateImportSource) -> ImportSource:
        source = self._living(change.uid)
        if change.append_only is not None and change.append_only != source.append_only:
            if source.export.mapping_number >= self.mappings_max:
                message = f"Mapping count limit reached, the maximum is {self.mappings_max}: make another import source"
                raise DefinitionRefused("importSourceMappingLimitReached", message)
            mapping = document_mapping(source.schema, append_only=change.append_only)
            source = source.with_mapping(mapping, change.token_id, change.token_created_us)
        if change.name is not None:
            source = msgspec.structs.replace(source, name=change.name)
        return source if change.state is None else source.to(change.state)

    def _add_token(self, change: AddImportToken) -> ImportSource:
        source, token = self._living(change.source_uid), change.token
        kept = tuple(one for one in source.tokens if not (token.by_operator and one.by_operator))
        tokens = (*kept, token)
        self._check_tokens(tokens, source.uid)
        return msgspec.structs.replace(source, tokens=tokens)

    def _revoke_token(self, change: RevokeImportToken) -> ImportSource:
        source = self._living(change.source_uid)
        tokens = tuple(token for token in source.tokens if token.id != change.token_id)
        if len(tokens) == len(source.tokens):
            message = f'Token "{change.token_id}" not found in the import source'
            raise DefinitionRefused("importTokenNotFound", message)
        return msgspec.structs.replace(source, tokens=tokens)

    def _put(self, source: ImportSource) -> None:
        before = self._by_uid.get(source.uid)
        if before is not None:
            self._forget_tokens(before.tokens)
        for token in source.tokens:
            self._take_token(token, source.uid)
        self._by_uid[source.uid] = source
        self.had_any = True
        if source.state is SourceState.DELETED:
            del self._uids[source.schema]
            self._deleted.append(source.uid)
        else:
            self._uids[source.schema] = source.uid

    def _take_token(self, token: ImportToken, uid: str) -> None:
        """Perhaps from a deleted source, which needs it no more."""
        holder = self.of_token(token.sha256)
        if holder is not None and holder.uid != uid:
            left = tuple(one for one in holder.tokens if one.sha256 != token.sha256)
            self._by_uid[holder.uid] = msgspec.structs.replace(holder, tokens=left)
        self._of_tokens[token.sha256] = uid

    def _forget_tokens(self, tokens: Iterable[ImportToken]) -> None:
        for token in tokens:
            del self._of_tokens[token.sha256]

    def _living(self, uid: str) -> ImportSource:
        source = self._by_uid.get(uid)
        if source is None:
            raise DefinitionRefused("importSourceNotFound", f'Import source "{uid}" not found')
        if source.state is SourceState.DELETED:
            raise DefinitionRefused("importSourceNotFound", f'Import source "{source.name}" is deleted, for ever')
        return source

    def _check_tokens(self, tokens: tuple[ImportToken, ...], uid: str = "") -> None:
        """Of a source, whose uid it is if it has one yet."""
        if len(tokens) > IMPORT_TOKENS_PER_SOURCE_MAX:
            message = f"An import source has at most {IMPORT_TOKENS_PER_SOURCE_MAX} tokens: revoke one first"
            raise DefinitionRefused("importTokenCountLimitReached", message)
        hashes = [token.sha256 for token in tokens]
        holders = [holder for sha256 in hashes if (holder := self.of_token(sha256)) is not None]
        taken = any(holder.uid != uid and holder.state is not SourceState.DELETED for holder in holders)
        if taken or len(set(hashes)) < len(hashes):
            raise DefinitionRefused("importTokenAlreadyExists", "The token is in use already: give another one")
