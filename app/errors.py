"""Every error that Forebay raises on purpose.

ForebayError
├── SettingInvalid          a setting is wrong: the start stops with its message
├── LogFailed               the log did not take or give records
│   ├── LogFull             no room: answer 429 and try again later
│   ├── LogCorrupt          the log's file is damaged: stop, restore it
│   ├── LogLocked           another process has the log: stop
│   └── PartitionElsewhere  it is another worker's now
├── LoadFailed              a file was not loaded; nothing of it is in the table
│   ├── Retryable           the destination may take it later
│   └── Rejected            the destination refuses it until somebody changes something
├── ProgramRefused          the destination cannot run a table or a view of a pipeline's program
├── DocumentRefused         a document cannot be loaded: it goes to the rejected ones, and others load
├── MappingFailed           an event does not fit an export's mapping: it becomes a dead letter
├── DefinitionRefused       a change of the definitions breaks a rule; says which
├── QueryRefused            a query cannot be run, or would do what it may not
├── QueriesBusy             as many queries run as may at a time
├── ResultUnwritable        a value of a result does not fit its column in the format asked for
├── CompletionTokenMalformed  a completion token is none
├── CompletionTokenOutdated   a completion token's rows were cleared, or its log is gone
├── ClaimsFailed            the index of claims cannot be used: make it again from the log
└── StagingFailed           a staged file could not be written or read; staging may work later
    ├── StagingAway         an object store does not answer, or is in trouble
    ├── StagingRefused      not before somebody changes a setting, a permission or what stands there
    ├── StagedFileGone      it is not there
    └── StagedFileDamaged   it is not what its cut says
"""

REASON_CHARACTERS_MAX = 1000


class ForebayError(Exception):
    """The root of Forebay's own errors."""


class SettingInvalid(ForebayError):
    """A setting is wrong; the message names it and says what it may be."""


class LogFailed(ForebayError):
    """The log did not take or give records; nothing that was being appended is accepted."""


class LogFull(LogFailed):
    """The log has no room (its limit, or the disk's): try again when there is some."""


class LogCorrupt(LogFailed):
    """The log's file is damaged, or was written by a newer Forebay."""


class LogLocked(LogFailed):
    """Another process has the log open."""


class PartitionElsewhere(LogFailed):
    """A partition is not assigned to this worker, or not any more."""


class LoadFailed(ForebayError):
    """A file was not loaded: its transaction was rolled back."""


class Retryable(LoadFailed):
    """The destination may take the file later, unchanged."""

    def __init__(self, reason: str, *, after_s: float) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Rejected(LoadFailed):
    """The destination will refuse the file until somebody changes the table or the export."""


class ProgramRefused(ForebayError):
    """The destination cannot run the table or the view of this name; the text is the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class DocumentRefused(ForebayError):
    """A document cannot be loaded; the text is the reason that stands in `_sdc_rejected`."""


class MappingFailed(ForebayError):
    """An event cannot be mapped for one export; the text, as far as it is kept, is its dead letter's reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason[:REASON_CHARACTERS_MAX])


class QueryRefused(ForebayError):
    """The database does not run a query, or it would write, or see what is not its own; says why."""


class QueriesBusy(ForebayError):
    """As many queries are running as may at a time: try again later."""


class ResultUnwritable(ForebayError):
    """A value of a result does not fit its column in the format asked for; says which."""


class CompletionTokenMalformed(ForebayError):
    """A text is no completion token; says why."""


class CompletionTokenOutdated(ForebayError):
    """What a completion token stands for can never be complete: it was cleared, or is not in the log any more."""


class ClaimsFailed(ForebayError):
    """The index of claims on keys could not be read or written. It can be made again from the log of claims."""


class StagingFailed(ForebayError):
    """A staged file could not be written or read. What has no kind of its own may pass: a full disk does."""


class StagingAway(StagingFailed):
    """An object store cannot be reached, does not answer in time, or is in trouble."""


class StagingRefused(StagingFailed):
    """An object store, or what stands where staging should be, forbids to stage until somebody changes something."""


class StagedFileGone(StagingFailed):
    """There is no staged file of this name: it was deleted, or never written."""


class StagedFileDamaged(StagingFailed):
    """A staged file differs from its recorded length or checksum."""


class DefinitionRefused(ForebayError):
    """A change of the definitions breaks a rule.

    `rule` is a stable word that an API turns into its own error name.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
