"""A task: something asked for over an API that takes a while."""

from enum import StrEnum

import msgspec


class TaskType(StrEnum):
    """What is being done."""

    RECEIVER_CREATE = "receiver.create"
    EXPORT_CREATE = "export.create"
    EXPORT_UPDATE = "export.update"


class TaskStatus(StrEnum):
    """Whether it is done."""

    PROCESSING = "processing"
    SUCCESS = "success"
    ERROR = "error"


class Task(msgspec.Struct, frozen=True):
    """`id` is `<receiver>[/<export>]/<type>/<time>_<random>`; `result` stands with success, `error` with error."""

    id: str
    project_id: int
    type: TaskType
    created_us: int
    receiver_id: str
    export_id: str = ""
    status: TaskStatus = TaskStatus.PROCESSING
    finished_us: int = 0
    result: str = ""
    error: str = ""
