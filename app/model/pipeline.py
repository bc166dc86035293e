"""A pipeline: a program's tables, which take changes of their rows, and its views.

To the core it is a receiver with one export, whose mapping is of changesets; the Buffer API does not see that.
"""

from enum import StrEnum

import msgspec

from app.model.changeset import PipelineMessage, encode_message
from app.model.conditions import Conditions
from app.model.event import Event
from app.model.export import Export
from app.model.export_token import ExportToken
from app.model.mapping import changeset_mapping
from app.model.receiver import Receiver
from app.model.relation import Relation, View

PIPELINE_NAME_CHARACTERS_MAX = 63
NO_PROJECT = 0  # tokens of projects are for receivers
EXPORT_ID = "changes"


class ProgramStatus(StrEnum):
    """Whether the program can be run."""

    SUCCESS = "Success"
    SQL_ERROR = "SqlError"


class SqlMessage(msgspec.Struct, frozen=True):
    """What is wrong with a program, and where: lines and columns count from 1, the end is the last character."""

    start_line_number: int
    start_column: int
    end_line_number: int
    end_column: int
    warning: bool
    error_type: str
    message: str
    snippet: str | None = None


class Program(msgspec.Struct, frozen=True, omit_defaults=True):
    """SQL, and what was found in it when it was compiled.

    `config` (JSON) and the two `udf` texts are kept, and do nothing.
    """

    code: str
    status: ProgramStatus
    since_us: int
    version: int = 1
    relations: tuple[Relation, ...] = ()
    views: tuple[View, ...] = ()
    messages: tuple[SqlMessage, ...] = ()
    config: str = "{}"
    udf_rust: str = ""
    udf_toml: str = ""

    def relation(self, name: str) -> Relation | None:
        """The table of this name."""
        return next((relation for relation in self.relations if relation.name == name), None)

    def view(self, name: str) -> View | None:
        """The view of this name."""
        return next((view for view in self.views if view.name == name), None)


class PipelineState(StrEnum):
    """Whether changes are taken. Those that were accepted are loaded in every state."""

    STOPPED = "Stopped"
    PROVISIONING = "Provisioning"  # not yet: its tables are being prepared
    PAUSED = "Paused"  # only with force
    RUNNING = "Running"


class StorageState(StrEnum):
    """Whether the destination may have tables of the pipeline."""

    CLEARED = "Cleared"
    IN_USE = "InUse"
    CLEARING = "Clearing"  # they are being dropped


class Pipeline(msgspec.Struct, frozen=True):
    """`uid` is given at creation and never again. `name` is that of its schema, too: it stays while there are tables.

    `receiver` is what it is to the core, with one export; after a clear the export is another one. The export's mapping
    has the relations that the destination has. `clearing` is the export (uid) whose tables are being dropped.
    `deployment_initial` is where the last start was to lead. `transaction` is the number of the open one, or of one
    that a stop has ended and that is committed by the next start. `runtime_config` is JSON that is kept, and does
    nothing.
    """

    uid: str
    name: str
    program: Program
    receiver: Receiver
    description: str = ""
    tags: tuple[str, ...] = ()
    runtime_config: str = "{}"
    created_us: int = 0
    version: int = 1
    refresh_version: int = 1
    state: PipelineState = PipelineState.STOPPED
    state_since_us: int = 0
    storage: StorageState = StorageState.CLEARED
    deployment_id: str | None = None
    deployment_initial: PipelineState = PipelineState.RUNNING
    deployment_error: str | None = None
    transaction: int | None = None
    transactions: int = 0  # that there ever were
    clearing: str | None = None

    @property
    def deployed(self) -> bool:
        """Whether its tables are there, and changes are taken, be it with force only."""
        return self.state in {PipelineState.PAUSED, PipelineState.RUNNING}

    def waits_for(self, deployment_id: str) -> bool:
        """Whether this start is what it waits for, and was not stopped."""
        return self.state is PipelineState.PROVISIONING and self.deployment_id == deployment_id

    @property
    def export(self) -> Export:
        """Its only one."""
        return self.receiver.exports[0]

    def event(self, arrival_us: int, ip: str, message: PipelineMessage) -> Event:
        """What brings a message to the pipeline.

        It is for the export that there is now: what a crash or a queue keeps until after a clear is for no table.
        """
        return Event(self.receiver.uid, arrival_us, ip, (), encode_message(message), only_export=self.export.uid)

    @property
    def schema(self) -> str:
        """Where its tables are."""
        return self.name


def implicit_receiver(  # noqa: PLR0913 -- what it is made of
    uid: str, export_uid: str, name: str, conditions: Conditions, token_id: str, created_us: int
) -> Receiver:
    """What a pipeline without tables is to the core: a receiver with one export, loaded under these conditions."""
    export = Export(
        uid=export_uid,
        receiver_uid=uid,
        id=EXPORT_ID,
        name=EXPORT_ID,
        mapping=changeset_mapping(name, ()),
        conditions=conditions,
        token=pipeline_token(name, token_id, created_us),
    )
    return Receiver(uid, NO_PROJECT, name, name, secret="", exports=(export,))


def pipeline_token(name: str, token_id: str, created_us: int) -> ExportToken:
    """What the loads of a pipeline may write."""
    return ExportToken(token_id, f"[_internal] Pipeline {name}", name, created_us)
