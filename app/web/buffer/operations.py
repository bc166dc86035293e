"""What each address of the Buffer API promises, in the words of its documentation page."""

from importlib.metadata import version

from app.mapping.keys import KEY_CHARACTERS_MAX
from app.web.buffer.batches import BATCH_EVENTS_MAX
from app.web.buffer.error_names import ERRORS, full_name
from app.web.buffer.event_keys import IDEMPOTENCY_KEY
from app.web.buffer.import_event import INTEGER_DIGITS_MAX, SECRET_CHARACTERS
from app.web.buffer.payloads import (
    CreateExportPayload,
    CreateReceiverPayload,
    RotateSecretPayload,
    UpdateExportPayload,
    UpdateReceiverPayload,
)
from app.web.buffer.shapes import (
    DeadLetter,
    DeadLetters,
    DeadLettersTaken,
    DeadLetterTaken,
    Error,
    Export,
    Exports,
    Files,
    Flush,
    Index,
    Ledger,
    Receiver,
    Receivers,
    Task,
    Tried,
)
from app.web.buffer.tail import NOW
from app.web.lines import CONTENT_TYPE
from app.web.openapi import Contract
from app.web.operation import Answer, Operation, Parameter, RequestBody
from app.web.paging import LIMIT, LIMIT_MAX, OFFSET_MAX
from app.web.request_ids import REQUEST_ID
from app.web.sender import LINE_BYTES_MAX

CONFIGURATION, IMPORT, DATA = "configuration", "import", "data"

CONTRACT = Contract(
    title="Forebay Buffer API",
    version=version("forebay"),
    description=(
        "Receivers take events over HTTP, exports map them into rows of tables.\n\n"
        "Every answer has the header `X-Request-Id`. Request bodies may be compressed: `Content-Encoding: gzip` or "
        "`zstd`. `GET` may be `HEAD`. Members that are not listed here are ignored, unless "
        "the schema forbids them, and `null` is as good as absent. "
        "An address that takes another method answers 405 with the header `Allow`; an unknown one answers 404. "
        f"An address or a header above {LINE_BYTES_MAX} bytes answers 431."
    ),
    tags={
        CONFIGURATION: "Receivers, their exports, and the tasks that change them.",
        IMPORT: "Events, in.",
        DATA: "What became of the events.",
    },
    security={
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": "X-StorageApi-Token",
            "description": "The API token. It opens one project.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The same token. The header `X-StorageApi-Token` wins over this one.",
        },
    },
    path_parameters={
        "projectId": Parameter(
            "projectId",
            "path",
            "The project of the receiver.",
            {"type": "integer", "minimum": 0, "maximum": 10**INTEGER_DIGITS_MAX - 1, "examples": [1]},
        ),
        "receiverId": Parameter(
            "receiverId", "path", "The receiver.", {"type": "string", "minLength": 1, "examples": ["shop"]}
        ),
        "secret": Parameter(
            "secret",
            "path",
            "The secret of the receiver. Its `url` holds it.",
            {"type": "string", "minLength": SECRET_CHARACTERS, "maxLength": SECRET_CHARACTERS},
        ),
        "exportId": Parameter(
            "exportId", "path", "The export.", {"type": "string", "minLength": 1, "examples": ["orders"]}
        ),
        "fileId": Parameter("fileId", "path", "The file.", {"type": "string", "minLength": 1}),
        "deadLetterId": Parameter(
            "deadLetterId",
            "path",
            "The dead letter.",
            {"type": "string", "minLength": 1, "examples": ["4f1c0a9be2d35786-0-1207-0"]},
        ),
        "taskId": Parameter(
            "taskId", "path", "The task. It holds slashes, which stand as they are.", {"type": "string", "minLength": 1}
        ),
    },
    errors=ERRORS,
    error=Error,
    request_id=str(REQUEST_ID),
)


def _errors(*names: str) -> tuple[str, ...]:
    """With those that every address may answer."""
    return tuple(full_name(name) for name in (*names, "internalError", "serviceUnavailable"))


_TOKEN = ("missingField", "storage.tokenInvalid")
_RECEIVER = (*_TOKEN, "receiverNotFound")
_EXPORT = (*_RECEIVER, "exportNotFound")
_LETTER = (*_EXPORT, "deadLetterNotFound")
_BODY = ("badRequest", "payloadTooLarge", "unsupportedMediaType", "requestTimeout", "tooManyRequests")
_PAYLOAD = (
    *_BODY,
    "missingPayload",
    "decodePayload",
    "invalidLength",
    "invalidRange",
    "invalidEnumValue",
)
_EVENT = RequestBody(
    "The event: any body of any type, its `Content-Type` is part of it.",
    media={
        "application/json": {"sku": "A-1", "price": 250, "pieces": 2},
        "application/x-www-form-urlencoded": {"sku": "A-1", "price": "250"},
        "text/plain": "anything",
    },
    required=False,
)
_PAGE = (
    Parameter(
        "offset",
        "query",
        "So many are passed over.",
        {"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0},
    ),
    Parameter(
        "limit",
        "query",
        "At most so many are listed.",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
    ),
)
_TASK = "A task: ask at its `url` until it is finished."

INDEX = Operation(
    id="ApiVersionIndex",
    tag=CONFIGURATION,
    summary="What answers here",
    description="The name of the API, and where its documentation stands.",
    answer=Answer(200, "The API.", Index),
    errors=_errors()[:1],
    secured=False,
)
CREATE_RECEIVER = Operation(
    id="CreateReceiver",
    tag=CONFIGURATION,
    summary="Create a receiver",
    description="Makes a receiver and the exports that are sent with it. Their tables are made if they are not there; "
    "one that is there must have the same columns and the same primary key.",
    answer=Answer(202, _TASK, Task),
    errors=_errors(
        *_TOKEN,
        *_PAYLOAD,
        "receiverAlreadyExists",
        "exportAlreadyExists",
        "receiverCountLimitReached",
        "exportCountLimitReached",
        "bucketNotAvailable",
    ),
    body=RequestBody("The receiver.", CreateReceiverPayload),
)
LIST_RECEIVERS = Operation(
    id="ListReceivers",
    tag=CONFIGURATION,
    summary="List all receivers",
    description="All receivers of the project, with their exports, sorted by id.",
    answer=Answer(200, "The receivers.", Receivers),
    errors=_errors(*_TOKEN),
)
GET_RECEIVER = Operation(
    id="GetReceiver",
    tag=CONFIGURATION,
    summary="Get a receiver",
    description="The receiver with its exports, and the address that takes its events.",
    answer=Answer(200, "The receiver.", Receiver),
    errors=_errors(*_RECEIVER),
)
UPDATE_RECEIVER = Operation(
    id="UpdateReceiver",
    tag=CONFIGURATION,
    summary="Update a receiver",
    description="Changes the name or the description, at once.",
    answer=Answer(200, "The receiver as it is now.", Receiver),
    errors=_errors(*_RECEIVER, *_PAYLOAD),
    body=RequestBody("What shall be otherwise.", UpdateReceiverPayload),
)
DELETE_RECEIVER = Operation(
    id="DeleteReceiver",
    tag=CONFIGURATION,
    summary="Delete a receiver",
    description="Forgets the receiver and its exports. Rows that are not loaded yet are lost, tables stay.",
    answer=Answer(200, "It is deleted."),
    errors=_errors(*_RECEIVER, "tooManyRequests"),
)
ROTATE_SECRET = Operation(
    id="RotateReceiverSecret",
    tag=CONFIGURATION,
    summary="Give a receiver a new secret",
    description="The receiver has a new `url` at once. The old one is taken too for a time of grace.",
    answer=Answer(200, "The receiver, with its new `url`.", Receiver),
    errors=_errors(*_RECEIVER, *(name for name in _PAYLOAD if name != "missingPayload")),
    body=RequestBody("How long the old secret is valid.", RotateSecretPayload, required=False),
)
REFRESH_TOKENS = Operation(
    id="RefreshReceiverTokens",
    tag=CONFIGURATION,
    summary="Give the receiver's exports new tokens",
    description="Each export loads under a token that opens the bucket of its table for writing, and nothing else. The "
    "tokens are never shown.",
    answer=Answer(200, "The receiver.", Receiver),
    errors=_errors(*_RECEIVER, "tooManyRequests"),
)
CREATE_EXPORT = Operation(
    id="CreateExport",
    tag=CONFIGURATION,
    summary="Create an export",
    description="Adds an export to the receiver. Its table is made if it is not there; one that is there must have the "
    "same columns and the same primary key.",
    answer=Answer(202, _TASK, Task),
    errors=_errors(*_RECEIVER, *_PAYLOAD, "exportAlreadyExists", "exportCountLimitReached", "bucketNotAvailable"),
    body=RequestBody("The export.", CreateExportPayload),
)
LIST_EXPORTS = Operation(
    id="ListExports",
    tag=CONFIGURATION,
    summary="List all exports of a receiver",
    description="All exports of the receiver, sorted by id.",
    answer=Answer(200, "The exports.", Exports),
    errors=_errors(*_RECEIVER),
)
GET_EXPORT = Operation(
    id="GetExport",
    tag=CONFIGURATION,
    summary="Get an export",
    description="The export, with its mapping and its conditions.",
    answer=Answer(200, "The export.", Export),
    errors=_errors(*_EXPORT),
)
UPDATE_EXPORT = Operation(
    id="UpdateExport",
    tag=CONFIGURATION,
    summary="Update an export",
    description="Changes the name, the mapping or the conditions. What is absent stays. A mapping, even an equal one, "
    "closes the file that is buffered; later events are mapped by the new one.",
    answer=Answer(200, _TASK, Task),
    errors=_errors(*_EXPORT, *_PAYLOAD),
    body=RequestBody("What shall be otherwise.", UpdateExportPayload),
)
DELETE_EXPORT = Operation(
    id="DeleteExport",
    tag=CONFIGURATION,
    summary="Delete an export",
    description="Forgets the export. Rows that are not loaded yet are lost, the table stays.",
    answer=Answer(200, "It is deleted."),
    errors=_errors(*_EXPORT, "tooManyRequests"),
)
GET_TASK = Operation(
    id="GetTask",
    tag=CONFIGURATION,
    summary="Get a task",
    description="A task can be read until it is finished, and for an hour after a success, 48 hours after an error.",
    answer=Answer(200, "The task.", Task),
    errors=_errors(*_TOKEN, "taskNotFound"),
)
GET_RECEIVER_TASK = Operation(
    id="GetReceiverTask",
    tag=CONFIGURATION,
    summary="Get a task of a receiver",
    description="As GetTask; a task of another receiver is not found.",
    answer=Answer(200, "The task.", Task),
    errors=_errors(*_TOKEN, "taskNotFound"),
)
IMPORT_EVENT = Operation(
    id="Import",
    tag=IMPORT,
    summary="Import an event",
    description="The address is the `url` of the receiver. The answer is 200 when the event is on disk: then it gets "
    "into each export's table exactly once, or a dead letter of the export. After 429 or 503 nothing of the "
    "request is taken: send it again.",
    answer=Answer(200, "Taken."),
    errors=_errors(
        "missingField",
        "invalidFieldType",
        "invalidLength",
        "invalidEnumValue",
        "receiverNotFound",
        *_BODY,
        "headersTooLarge",
    ),
    body=_EVENT,
    parameters=(
        Parameter(
            "batch",
            "query",
            f"One event for each element of a JSON array, or for each line; at most {BATCH_EVENTS_MAX}. All or none "
            "are taken, and each is a JSON body.",
            {"type": "string", "enum": ["array", "ndjson"]},
        ),
        Parameter(
            str(IDEMPOTENCY_KEY),
            "header",
            "Names the request: one that comes again with it is not taken twice.",
            {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS_MAX, "pattern": "^[ -~]+$"},
        ),
    ),
    secured=False,
)
TRY_MAPPING = Operation(
    id="TestReceiver",
    tag=CONFIGURATION,
    summary="Try the mappings of a receiver on a sample",
    description="Maps the request as if it were an event, and stores nothing. A mapping that fails is answered with "
    "200 too: `error` says why.",
    answer=Answer(200, "What would become of the event.", Tried),
    errors=_errors(*_EXPORT, *_BODY, "headersTooLarge"),
    body=_EVENT,
    parameters=(
        Parameter("exportId", "query", "Only this export.", {"type": "string"}),
        Parameter("engines", "query", "Say of each template which way it takes.", {"type": "string", "enum": ["true"]}),
        Parameter("X-Forebay-Now", "header", "When the event arrives.", {"type": "string", "format": "date-time"}),
    ),
)
FLUSH = Operation(
    id="FlushExport",
    tag=DATA,
    summary="Load what is buffered",
    description="All events that were answered before will load as soon as the destination takes them, whatever the "
    "conditions.",
    answer=Answer(202, "It is asked for.", Flush),
    errors=_errors(*_EXPORT, "tooManyRequests"),
)
LIST_FILES = Operation(
    id="ListFiles",
    tag=DATA,
    summary="List the files of an export",
    description="In the order in which they load. All that are not finished, the last that were loaded, the last that "
    "were dropped, and at the end what is buffered. It may be some moments old.",
    answer=Answer(200, "A page of files.", Files),
    errors=_errors(*_EXPORT, "invalidFieldType", "invalidRange"),
    parameters=_PAGE,
)
RETRY_FILES = Operation(
    id="RetryFiles",
    tag=DATA,
    summary="Try to load again what failed",
    description="At once, and not as late as `retryAt` says. Files that wait behind a failed one follow it.",
    answer=Answer(202, "What is tried again; it may be nothing.", Files),
    errors=_errors(*_EXPORT, "tooManyRequests"),
)
RETRY_FILE = Operation(
    id="RetryFile",
    tag=DATA,
    summary="Try to load a file again",
    description="As RetryFiles, one file only.",
    answer=Answer(202, "What is tried again.", Files),
    errors=_errors(*_EXPORT, "fileNotFound", "fileNotFailed", "tooManyRequests"),
)
SPLIT_FILE = Operation(
    id="SplitFile",
    tag=DATA,
    summary="Load a file without the rows that the destination refuses",
    description="Each of these rows becomes a dead letter of the export, in the transaction that loads the others. "
    "It is tried at once, and until the file is loaded or dropped; with too many such rows, the file stays failed.",
    answer=Answer(202, "What will be split.", Files),
    errors=_errors(*_EXPORT, "fileNotFound", "fileNotFailed", "tooManyRequests"),
)
GET_LEDGER = Operation(
    id="GetLedger",
    tag=DATA,
    summary="Count what became of the events",
    description="In events. An event is counted when its stretch of the log is cut: at most some 10 seconds after it "
    "was mapped.",
    answer=Answer(200, "The counts.", Ledger),
    errors=_errors(*_RECEIVER),
)
FOLLOW_TAIL = Operation(
    id="FollowTail",
    tag=DATA,
    summary="Hear what comes to a receiver, live",
    description="Lines of JSON, until the client leaves: each event as it is accepted, and what became of it when its "
    "stretch of the log is cut. A line every few seconds is a sign of life.",
    answer=Answer(200, "One JSON object a line; `type` says what it is.", media=CONTENT_TYPE),
    errors=_errors(*_RECEIVER, "badRequest", "tooManyRequests"),
    parameters=(Parameter("from", "query", "Where it begins.", {"type": "string", "enum": [NOW]}),),
)
LIST_DEAD_LETTERS = Operation(
    id="ListDeadLetters",
    tag=DATA,
    summary="List the dead letters of an export",
    description="The events that the export could not map, whole and with the reason, by arrival.",
    answer=Answer(200, "A page of dead letters.", DeadLetters),
    errors=_errors(*_EXPORT, "invalidFieldType", "invalidRange"),
    parameters=_PAGE,
)
GET_DEAD_LETTER = Operation(
    id="GetDeadLetter",
    tag=DATA,
    summary="Get a dead letter",
    description="The event, whole, and why the export could not map it.",
    answer=Answer(200, "The dead letter.", DeadLetter),
    errors=_errors(*_LETTER),
)
REPLAY_DEAD_LETTER = Operation(
    id="ReplayDeadLetter",
    tag=DATA,
    summary="Replay a dead letter",
    description="Its event is mapped again, for this export only, exactly once. The letter is listed no more; if the "
    "event cannot be mapped now either, there is a new one.",
    answer=Answer(202, "It comes again.", DeadLetterTaken),
    errors=_errors(*_LETTER, "eventLost", "tooManyRequests"),
)
REPLAY_DEAD_LETTERS = Operation(
    id="ReplayDeadLetters",
    tag=DATA,
    summary="Replay all dead letters of an export",
    description="As ReplayDeadLetter, with all that are there now; those whose event is lost stay.",
    answer=Answer(202, "They come again.", DeadLettersTaken),
    errors=_errors(*_EXPORT, "tooManyRequests"),
)
DISCARD_DEAD_LETTER = Operation(
    id="DiscardDeadLetter",
    tag=DATA,
    summary="Discard a dead letter",
    description="Forgets it. The ledger still counts its event as dead-lettered.",
    answer=Answer(200, "It is forgotten."),
    errors=_errors(*_LETTER, "tooManyRequests"),
)
DISCARD_DEAD_LETTERS = Operation(
    id="DiscardDeadLetters",
    tag=DATA,
    summary="Discard all dead letters of an export",
    description="Forgets all that are there now. The ledger still counts their events as dead-lettered.",
    answer=Answer(200, "They are forgotten.", DeadLettersTaken),
    errors=_errors(*_EXPORT, "tooManyRequests"),
)
