"""Changes: the records of the log of definitions. Each worker folds them in order and comes to the same state.

A change that needs time (tables must be prepared) comes in two records: `StartTask`, which holds everything that is
needed to do it, and, when the tables are there, `FinishTask`, which makes it true, if the rules still allow it.
"""

import msgspec

from app.model.draft import ExportChange, ExportDraft
from app.model.receiver import Deduplication, Receiver
from app.model.task import Task


class CreateReceiver(msgspec.Struct, frozen=True, tag="create-receiver"):
    """Make this receiver, whole, with the uids and the secret it will have."""

    receiver: Receiver


class CreateExport(msgspec.Struct, frozen=True, tag="create-export"):
    """Give the receiver one more export, with the uid it will have."""

    receiver_uid: str
    export_uid: str
    draft: ExportDraft


class UpdateExport(msgspec.Struct, frozen=True, tag="update-export"):
    """Change an export. A mapping, even an equal one, begins a new file."""

    receiver_uid: str
    export_id: str
    change: ExportChange


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
    """Change a receiver; None stays as it is, but for `deduplication`: None takes it away, UNSET lets it be."""

    receiver_uid: str
    name: str | None = None
    description: str | None = None
    deduplication: Deduplication | msgspec.UnsetType | None = msgspec.UNSET


class DeleteReceiver(msgspec.Struct, frozen=True, tag="delete-receiver"):
    """Forget a receiver and its exports. Buffered rows are lost; tables stay."""

    receiver_uid: str


class DeleteExport(msgspec.Struct, frozen=True, tag="delete-export"):
    """Forget an export. Buffered rows are lost; its table stays."""

    receiver_uid: str
    export_id: str


class AddToken(msgspec.Struct, frozen=True, tag="add-token"):
    """A token of a project, known only by its SHA-256."""

    project_id: int
    sha256: str


Change = StartTask | FinishTask | UpdateReceiver | DeleteReceiver | DeleteExport | AddToken

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Change] = msgspec.json.Decoder(Change)


def encode_change(change: Change) -> bytes:
    """The value of a message in the log of definitions."""
    return _encoder.encode(change)


def decode_change(value: bytes) -> Change:
    """Undo `encode_change`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(value)
