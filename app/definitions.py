"""The one way to read and change definitions: append a change, read the log up to it, answer."""

from secrets import token_hex

from msgspec import UNSET, UnsetType

from agents.keep_definitions import DefinitionsKeeper
from app.clock import US_PER_S, now_us
from app.errors import DefinitionRefused
from app.model.api_token import ApiToken
from app.model.bindable import BindableTopics
from app.model.bound_topic import Binding
from app.model.change import (
    AddToken,
    CreateExport,
    CreateReceiver,
    DeleteExport,
    DeleteReceiver,
    RefreshTokens,
    RevokeToken,
    RotateSecret,
    StartTask,
    TaskWork,
    UpdateExport,
    UpdateReceiver,
)
from app.model.draft import ExportChange, ExportDraft, ReceiverDraft
from app.model.receiver import Deduplication, Receiver
from app.model.task import Task, TaskType
from app.model.times import iso_ms
from app.streams import is_internal
from app.token_texts import SECRET_CHARACTERS, new_token_id, random_text, token_hash
from tables.receivers import new_export, with_token

TASK_SUFFIX_CHARACTERS = 5


class Definitions:
    """Receivers, exports, tasks and tokens, as this worker knows them. Changes raise DefinitionRefused or LogFailed."""

    def __init__(
        self, keeper: DefinitionsKeeper, *, secret_grace_s: float, bindable: BindableTopics | None = None
    ) -> None:
        self._keeper = keeper
        self._secret_grace_s = secret_grace_s
        self._bindable = bindable  # None: there are no topics
        self._receivers = keeper.receivers

    # reading

    def receiver(self, project_id: int, receiver_id: str) -> Receiver | None:
        """The receiver of this id in the project, or None."""
        return self._receivers.receiver(project_id, receiver_id)

    def receivers(self, project_id: int) -> list[Receiver]:
        """All of a project, sorted by id."""
        return self._receivers.of_project(project_id)

    def task(self, project_id: int, task_id: str) -> Task | None:
        """The task, or None: unknown, another project's, or finished long ago."""
        return self._receivers.task(project_id, task_id)

    def project_of_token(self, token: str) -> int | None:
        """The project that the token opens. How long it takes tells nothing: a hash is looked up, not the token."""
        known = self._receivers.tokens.get(token_hash(token))
        return None if known is None else known.project_id

    def tokens(self) -> list[ApiToken]:
        """Those of all projects, by project, in the order they were added."""
        return sorted(self._receivers.tokens.values(), key=lambda token: token.project_id)

    async def catch_up(self) -> None:
        """Know all that other workers have defined until now; calls that come together share one reading."""
        await self._keeper.catch_up()

    # changing

    async def create_receiver(self, project_id: int, draft: ReceiverDraft) -> Task:
        """Start a task that prepares the tables and then makes the receiver with its exports."""
        uid, created_us = token_hex(8), now_us()
        receiver = Receiver(
            uid=uid,
            project_id=project_id,
            id=draft.id,
            name=draft.name,
            secret=random_text(SECRET_CHARACTERS),
            description=draft.description,
            deduplication=draft.deduplication,
            kafka=self._may_bind(project_id, draft.kafka),
            exports=tuple(
                with_token(new_export(uid, token_hex(8), export), draft.id, new_token_id(), created_us)
                for export in sorted(draft.exports, key=lambda export: export.id)
            ),
        )
        task = _new_task(project_id, TaskType.RECEIVER_CREATE, draft.id)
        return await self._start(task, CreateReceiver(receiver))

    async def create_export(self, project_id: int, receiver_id: str, draft: ExportDraft) -> Task:
        """Start a task that prepares the table and then makes the export."""
        receiver = await self._known(project_id, receiver_id)
        task = _new_task(project_id, TaskType.EXPORT_CREATE, receiver_id, draft.id)
        work = CreateExport(receiver.uid, token_hex(8), draft, new_token_id(), task.created_us)
        return await self._start(task, work)

    async def update_export(self, project_id: int, receiver_id: str, export_id: str, change: ExportChange) -> Task:
        """Start a task that prepares the table and then changes the export."""
        receiver = await self._known(project_id, receiver_id)
        task = _new_task(project_id, TaskType.EXPORT_UPDATE, receiver_id, export_id)
        work = UpdateExport(receiver.uid, export_id, change, new_token_id(), task.created_us)
        return await self._start(task, work)

    async def update_receiver(  # noqa: PLR0913 -- what may be changed
        self,
        project_id: int,
        receiver_id: str,
        *,
        name: str | None,
        description: str | None,
        deduplication: Deduplication | UnsetType | None = UNSET,
        kafka: Binding | UnsetType | None = UNSET,
    ) -> Receiver:
        """Change the receiver at once; what is None stays, and of deduplication and kafka what is UNSET."""
        if isinstance(kafka, Binding):
            self._may_bind(project_id, kafka)
        receiver = await self._known(project_id, receiver_id)
        await self._keeper.submit(UpdateReceiver(receiver.uid, name, description, deduplication, kafka))
        return await self._known(project_id, receiver_id)

    async def delete_receiver(self, project_id: int, receiver_id: str) -> None:
        """Forget the receiver and its exports."""
        receiver = await self._known(project_id, receiver_id)
        await self._keeper.submit(DeleteReceiver(receiver.uid))

    async def delete_export(self, project_id: int, receiver_id: str, export_id: str) -> None:
        """Forget the export."""
        receiver = await self._known(project_id, receiver_id)
        await self._keeper.submit(DeleteExport(receiver.uid, export_id))

    async def rotate_secret(self, project_id: int, receiver_id: str, *, grace_s: float | None) -> Receiver:
        """Give the receiver a new secret; the old one is valid for so long (None: as the settings say)."""
        receiver = await self._known(project_id, receiver_id)
        grace_us = int((self._secret_grace_s if grace_s is None else grace_s) * US_PER_S)
        until_us = now_us() + grace_us if grace_us else 0
        await self._keeper.submit(RotateSecret(receiver.uid, random_text(SECRET_CHARACTERS), until_us))
        return await self._known(project_id, receiver_id)

    async def refresh_tokens(self, project_id: int, receiver_id: str) -> Receiver:
        """Give all exports of the receiver new tokens."""
        receiver = await self._known(project_id, receiver_id)
        token_ids = {export.uid: new_token_id() for export in receiver.exports}
        await self._keeper.submit(RefreshTokens(receiver.uid, token_ids, now_us()))
        return await self._known(project_id, receiver_id)

    async def create_token(self, project_id: int, description: str) -> tuple[ApiToken, str]:
        """Make a token that opens the project; its text is known to nobody but the caller."""
        text = random_text(SECRET_CHARACTERS)
        change = _new_token(project_id, text, description)
        await self._keeper.submit(change)
        return change.token, text

    async def revoke_token(self, token_id: str) -> None:
        """From the answer on it opens nothing here; other workers learn it from the log."""
        await self._keeper.submit(RevokeToken(token_id))

    async def ensure_first_token(self, token: str | None, project_id: int) -> str | None:
        """Make `token` open the project. Without one, if there never was any, make one and return it."""
        await self._keeper.catch_up()
        if token is not None:
            if self.project_of_token(token) != project_id:
                given = _new_token(project_id, token, "given by FOREBAY_API_TOKEN", by_operator=True)
                await self._keeper.submit(given)
            return None
        if self._receivers.had_tokens:  # whoever revoked the last one does not want another
            return None
        _, text = await self.create_token(project_id, "made at the first start")
        return text

    def _may_bind(self, project_id: int, binding: Binding | None) -> Binding | None:
        if binding is None:
            return None
        if self._bindable is None:
            message = (
                "there are no topics to bind a receiver to: the log is no Kafka cluster (FOREBAY_BROKER=kafka://…)"
            )
            raise DefinitionRefused("badRequest", message)
        for topic in binding.topics:
            if is_internal(topic):
                message = f'"{topic}" is a topic of Forebay or of the cluster itself: no receiver can be bound to it'
                raise DefinitionRefused("badRequest", message)
            if not self._bindable.allow(project_id, topic):
                message = f'receivers of project {project_id} cannot be bound to "{topic}": the operator allows others'
                raise DefinitionRefused("badRequest", message)
        return binding

    async def _known(self, project_id: int, receiver_id: str) -> Receiver:
        receiver = self.receiver(project_id, receiver_id)
        if receiver is None:
            await self.catch_up()
            receiver = self.receiver(project_id, receiver_id)
        if receiver is None:
            raise DefinitionRefused("receiverNotFound", f'Receiver "{receiver_id}" not found in the project')
        return receiver

    async def _start(self, task: Task, work: TaskWork) -> Task:
        await self._keeper.catch_up()
        self._receivers.check(work)  # what is refused now need not stand in the log; the fold decides all the same
        await self._keeper.submit(StartTask(task, work))
        return task


def _new_token(project_id: int, text: str, description: str, *, by_operator: bool = False) -> AddToken:
    return AddToken(project_id, token_hash(text), new_token_id(), description, now_us(), by_operator)


def _new_task(project_id: int, kind: TaskType, receiver_id: str, export_id: str = "") -> Task:
    created_us = now_us()
    base = f"{receiver_id}/{export_id}/{kind}" if export_id else f"{receiver_id}/{kind}"
    task_id = f"{base}/{iso_ms(created_us)}_{random_text(TASK_SUFFIX_CHARACTERS)}"
    return Task(task_id, project_id, kind, created_us, receiver_id, export_id)
