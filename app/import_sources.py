"""The one way to read and change import sources: append a change, read the log up to it, answer."""

from secrets import token_hex

from agents.keep_definitions import DefinitionsKeeper
from app.clock import now_us
from app.errors import DefinitionRefused
from app.model.api_token import ApiToken
from app.model.change import AddImportToken, CreateImportSource, RevokeImportToken, UpdateImportSource
from app.model.draft import ImportSourceDraft
from app.model.import_source import ImportSource, ImportToken, SourceState, schema_of
from app.token_texts import SECRET_CHARACTERS, new_token_id, random_text, token_hash

TOKEN_PREFIX = "at_"  # noqa: S105 -- what every token begins with is no secret


class ImportSources:
    """All of them, as this worker knows them. Changes raise DefinitionRefused or LogFailed."""

    def __init__(self, keeper: DefinitionsKeeper) -> None:
        self._keeper = keeper
        self._receivers = keeper.receivers
        self._sources = keeper.receivers.import_sources

    # reading

    def of_token(self, token: str) -> ImportSource | None:
        """The source that the token opens, in whatever state it is. How long it takes tells nothing of the token."""
        return self._sources.of_token(token_hash(token))

    def find(self, name: str) -> ImportSource | None:
        """By its schema, unless it is deleted; or by its uid."""
        return self._sources.find(name)

    async def known(self, name: str) -> ImportSource:
        """As `find`, and the log is asked about one that is not known. Raises DefinitionRefused if there is none."""
        source = self.find(name)
        if source is None:  # perhaps another worker has just made it
            await self.catch_up()
            source = self.find(name)
        if source is None:
            raise DefinitionRefused("importSourceNotFound", f'Import source "{name}" not found')
        return source

    def all(self) -> list[ImportSource]:
        """Those that are not deleted, by schema."""
        return self._sources.all()

    async def catch_up(self) -> None:
        """Know all that other workers have defined until now; calls that come together share one reading."""
        await self._keeper.catch_up()

    # changing

    async def create(self, draft: ImportSourceDraft, token: str | None = None) -> tuple[ImportSource, str]:
        """Make a source and its first token: this one, or one that is known to nobody but the caller."""
        text = _new_text() if token is None else token
        return await self._create(draft, (_new_token(text),)), text

    async def update(
        self,
        name: str,
        *,
        new_name: str | None = None,
        state: SourceState | None = None,
        append_only: bool | None = None,
    ) -> ImportSource:
        """Change the source at once; what is None stays. With another `append_only` it has a new mapping."""
        source = await self.known(name)
        change = UpdateImportSource(source.uid, new_name, state, append_only, new_token_id(), now_us())
        await self._keeper.submit(change)
        return await self.known(source.uid)

    async def add_token(self, name: str, token: str | None = None) -> tuple[ImportToken, str]:
        """Let this token open the source, or one that is known to nobody but the caller."""
        source = await self.known(name)
        text = _new_text() if token is None else token
        added = _new_token(text)
        await self._keeper.submit(AddImportToken(source.uid, added))
        return added, text

    async def revoke_token(self, name: str, token_id: str) -> None:
        """From the answer on it opens nothing here; other workers learn it from the log."""
        source = await self.known(name)
        await self._keeper.submit(RevokeImportToken(source.uid, token_id))

    async def ensure_first(self, draft: ImportSourceDraft, token: str | None) -> None:
        """Make this source if there never was one, with the first API token as its own.

        `token`, if given, opens it from now on, in place of the one that was given at a start before, unless it opens
        another source, or this one was deleted. Raises DefinitionRefused if the source has two other tokens.
        """
        await self._keeper.catch_up()
        given = None if token is None else _new_token(token, by_operator=True)
        if not self._sources.had_any:
            await self._make_first(draft, given)
        source = self.find(schema_of(draft.name))
        if source is not None and given is not None and self._sources.of_token(given.sha256) is None:
            await self._keeper.submit(AddImportToken(source.uid, given))

    async def _make_first(self, draft: ImportSourceDraft, given: ImportToken | None) -> None:
        first = next(iter(self._receivers.tokens.values()), None)
        token = given if given is not None or first is None else _like(first)
        try:
            await self._create(draft, () if token is None else (token,))
        except DefinitionRefused:
            if not self._sources.had_any:  # another worker was not quicker
                raise

    async def _create(self, draft: ImportSourceDraft, tokens: tuple[ImportToken, ...]) -> ImportSource:
        await self._keeper.catch_up()
        self._receivers.check_import_name(draft.name)  # what is refused now need not stand in the log
        change = CreateImportSource(
            uid=token_hex(8),
            export_uid=token_hex(8),
            name=draft.name,
            client_id=draft.client_id,
            token_id=new_token_id(),
            created_us=now_us(),
            region=draft.region,
            append_only=draft.append_only,
            tokens=tokens,
        )
        await self._keeper.submit(change)
        return await self.known(change.uid)


def _new_token(text: str, *, by_operator: bool = False) -> ImportToken:
    return ImportToken(new_token_id(), token_hash(text), now_us(), by_operator)


def _like(token: ApiToken) -> ImportToken:
    """With the same text, which nobody can say any more."""
    return ImportToken(token.id, token.sha256, token.created_us)


def _new_text() -> str:
    return TOKEN_PREFIX + random_text(SECRET_CHARACTERS)
