"""Changes: the records of the log of definitions. Each worker folds them in order and comes to the same state.

A change that needs time (tables must be prepared) comes in two records: `StartTask`, which holds everything that is
needed to do it, and, when the tables are there, `FinishTask`, which makes it true, if the rules still allow it.
"""

import msgspec

from app.model.api_token import DERIVED_ID_CHARACTERS, ApiToken
from app.model.bound_topic import Binding
from app.model.draft import ExportChange, ExportDraft
from app.model.import_source import ImportToken, Region, SourceState
from app.model.pipeline import PipelineState, Program
from app.model.receiver import Deduplication, Receiver
from app.model.task import Task


class CreateReceiver(msgspec.Struct, frozen=True, tag="create-receiver"):
    """Make this receiver, whole, with the uids and the secret it will have."""

    receiver: Receiver


class CreateExport(msgspec.Struct, frozen=True, tag="create-export", omit_defaults=True):
    """Give the receiver one more export, with the uid it will have, and its token."""

    receiver_uid: str
    export_uid: str
    draft: ExportDraft
    token_id: str = ""
    token_created_us: int = 0


class UpdateExport(msgspec.Struct, frozen=True, tag="update-export", omit_defaults=True):
    """Change an export. A mapping, even an equal one, begins a new file, and has this token."""

    receiver_uid: str
    export_id: str
    change: ExportChange
    token_id: str = ""
    token_created_us: int = 0


TaskWork = CreateReceiver | CreateExport | UpdateExport


class StartTask(msgspec.Struct, frozen=True, tag="start-task"):
    """Somebody asked for this; it is to be done."""

    task: Task
    work: TaskWork


class FinishTask(msgspec.Struct, frozen=True, tag="finish-task"):
    """The task's tables are prepared (`error` empty), or it failed. Only the first record for a task counts."""

    task_id: str
    at_us: int
    error: str = ""


class UpdateReceiver(msgspec.Struct, frozen=True, tag="update-receiver"):
    """Change a receiver; None stays as it is, but of `deduplication` and `kafka`: None takes away, UNSET lets be."""

    receiver_uid: str
    name: str | None = None
    description: str | None = None
    deduplication: Deduplication | msgspec.UnsetType | None = msgspec.UNSET
    kafka: Binding | msgspec.UnsetType | None = msgspec.UNSET


class DeleteReceiver(msgspec.Struct, frozen=True, tag="delete-receiver"):
    """Forget a receiver and its exports. Buffered rows are lost; tables stay."""

    receiver_uid: str


class DeleteExport(msgspec.Struct, frozen=True, tag="delete-export"):
    """Forget an export. Buffered rows are lost; its table stays."""

    receiver_uid: str
    export_id: str


class RotateSecret(msgspec.Struct, frozen=True, tag="rotate-secret"):
    """Give the receiver this secret; the one it has is valid until then, and one that it had before no longer."""

    receiver_uid: str
    secret: str
    previous_until_us: int


class RefreshTokens(msgspec.Struct, frozen=True, tag="refresh-tokens"):
    """Give these exports (by uid) of the receiver new tokens for the mappings they have."""

    receiver_uid: str
    token_ids: dict[str, str]
    created_us: int


class AddToken(msgspec.Struct, frozen=True, tag="add-token", omit_defaults=True):
    """A token of a project, known only by its SHA-256; one that is there already opens this project from now on.

    A record without an id is of the time before tokens had one: it is made of the hash. `by_operator`: it came with the
    settings, and is not refused for being one too many.
    """

    project_id: int
    sha256: str
    id: str = ""
    description: str = ""
    created_us: int = 0
    by_operator: bool = False

    @property
    def token(self) -> ApiToken:
        """What it adds."""
        token_id = self.id or self.sha256[:DERIVED_ID_CHARACTERS]
        return ApiToken(token_id, self.project_id, self.sha256, self.description, self.created_us)


class RevokeToken(msgspec.Struct, frozen=True, tag="revoke-token"):
    """The token opens nothing any more."""

    id: str


class CreateImportSource(msgspec.Struct, frozen=True, tag="create-import-source", omit_defaults=True):
    """Make an import source, with the uids that it and its export will have, and its tokens."""

    uid: str
    export_uid: str
    name: str
    client_id: int
    token_id: str  # of its export
    created_us: int
    region: Region = Region.US
    append_only: bool = False
    tokens: tuple[ImportToken, ...] = ()


class UpdateImportSource(msgspec.Struct, frozen=True, tag="update-import-source", omit_defaults=True):
    """Change an import source, also to delete it; None stays as it is. `token_id` is for the mapping that follows."""

    uid: str
    name: str | None = None
    state: SourceState | None = None
    append_only: bool | None = None
    token_id: str = ""
    token_created_us: int = 0


class AddImportToken(msgspec.Struct, frozen=True, tag="add-import-token"):
    """Let a token open an import source. One that came with the settings takes the place of the one before."""

    source_uid: str
    token: ImportToken


class RevokeImportToken(msgspec.Struct, frozen=True, tag="revoke-import-token"):
    """The token opens its import source no more."""

    source_uid: str
    token_id: str


class CreatePipeline(msgspec.Struct, frozen=True, tag="create-pipeline", omit_defaults=True):
    """Make a pipeline, stopped and without tables, with the uids that it and its export will have."""

    uid: str
    export_uid: str
    token_id: str
    at_us: int
    name: str
    program: Program
    description: str = ""
    tags: tuple[str, ...] = ()
    runtime_config: str = "{}"


class UpdatePipeline(msgspec.Struct, frozen=True, tag="update-pipeline", omit_defaults=True):
    """Change a pipeline that is stopped; None stays as it is. The program's version is given by the fold."""

    uid: str
    at_us: int
    token_id: str = ""
    name: str | None = None
    program: Program | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    runtime_config: str | None = None


class StartPipeline(msgspec.Struct, frozen=True, tag="start-pipeline"):
    """Somebody asked to start it: its tables are to be prepared."""

    uid: str
    initial: PipelineState
    at_us: int
    deployment_id: str


class PipelineStarted(msgspec.Struct, frozen=True, tag="pipeline-started"):
    """The tables of this start are prepared; `token_id` is for a mapping that has them.

    Nothing, if the start does not stand any more.
    """

    uid: str
    deployment_id: str
    at_us: int
    token_id: str


class MovePipeline(msgspec.Struct, frozen=True, tag="move-pipeline"):
    """Pause, resume or stop it."""

    uid: str
    to: PipelineState
    at_us: int


class TransactPipeline(msgspec.Struct, frozen=True, tag="transact-pipeline", omit_defaults=True):
    """Open the pipeline's next transaction, or close this one, if it is open still (0: whichever is)."""

    uid: str
    opens: bool
    transaction: int = 0


class ClearPipeline(msgspec.Struct, frozen=True, tag="clear-pipeline"):
    """What was pushed until now is for no table any more: they are to be dropped. The pipeline has another export."""

    uid: str
    export_uid: str
    token_id: str
    at_us: int


class PipelineCleared(msgspec.Struct, frozen=True, tag="pipeline-cleared"):
    """The tables that this export had are dropped."""

    uid: str
    export_uid: str


class PipelineFailed(msgspec.Struct, frozen=True, tag="pipeline-failed"):
    """This start failed, and why. Nothing, if it does not stand any more."""

    uid: str
    deployment_id: str
    at_us: int
    error: str


class DismissError(msgspec.Struct, frozen=True, tag="dismiss-pipeline-error"):
    """Somebody has read why its last start failed."""

    uid: str


class DeletePipeline(msgspec.Struct, frozen=True, tag="delete-pipeline"):
    """Forget a pipeline that is stopped and cleared."""

    uid: str


PipelineChange = (
    CreatePipeline
    | UpdatePipeline
    | StartPipeline
    | PipelineStarted
    | PipelineFailed
    | MovePipeline
    | TransactPipeline
    | ClearPipeline
    | PipelineCleared
    | DismissError
    | DeletePipeline
)
ImportChange = CreateImportSource | UpdateImportSource | AddImportToken | RevokeImportToken
Change = (
    StartTask
    | FinishTask
    | UpdateReceiver
    | DeleteReceiver
    | DeleteExport
    | RotateSecret
    | RefreshTokens
    | AddToken
    | RevokeToken
    | CreateImportSource
    | UpdateImportSource
    | AddImportToken
    | RevokeImportToken
    | CreatePipeline
    | UpdatePipeline
    | StartPipeline
    | PipelineStarted
    | PipelineFailed
    | MovePipeline
    | TransactPipeline
    | ClearPipeline
    | PipelineCleared
    | DismissError
    | DeletePipeline
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Change] = msgspec.json.Decoder(Change)


def encode_change(change: Change) -> bytes:
    """The value of a message in the log of definitions."""
    return _encoder.encode(change)


def decode_change(value: bytes) -> Change:
    """Undo `encode_change`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(value)
