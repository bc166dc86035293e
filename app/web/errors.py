"""Why a request is refused, in words that belong to no API. Each API writes them in its own form.

    Refusal
    ├── PathUnknown             nothing is at this address
    ├── MethodUnknown           something is, but not for this method
    ├── NotReady                recovery is not done: try again later
    ├── Elsewhere               another worker answers it: no client ever sees this one
    ├── RequestMalformed        what came is no HTTP request, or not with a valid address
    ├── LineTooLarge            the address, or one header, has more bytes than it may have
    ├── ExpectationUnknown      the request expects something that nobody knows
    ├── HeadersTooLarge         more header bytes than a request may have
    ├── BodyTooLarge            more body bytes, decoded, than a request may have
    ├── BodyTooSlow             the body did not come in time
    ├── Overloaded              too much at once, of unfinished bodies or of trials: try again later
    ├── BodyUnreadable          the body is not what its headers say
    ├── EncodingUnknown         a Content-Encoding that is not read here
    ├── ClientGone              the client left; nobody reads the answer
    ├── FileNotFound            there is no such file among those that are listed
    ├── FileNotFailed           there is nothing to try again
    ├── DeadLetterNotFound      no such letter stands
    ├── EventLost               a letter has no event that could come again
    ├── NumberMalformed         a number in the query is none
    ├── NumberOutOfRange        a number in the query is too small or too large
    └── Unexpected              a fault of ours, found in the log by the request's id

The house's own LogFailed, LoadFailed and DefinitionRefused (app/errors.py) are answered as well.
"""

from collections.abc import Collection

from app.errors import DefinitionRefused, LoadFailed, LogFailed


class Refusal(Exception):
    """A request gets no success."""

    @property
    def reason(self) -> str:
        """A stable word, for those who count refusals."""
        return _word(type(self))


class PathUnknown(Refusal):
    """Nothing is at this address."""


class MethodUnknown(Refusal):
    """The address does not know the method, only the `allowed` ones."""

    def __init__(self, allowed: Collection[str]) -> None:
        super().__init__(", ".join(sorted(allowed)))
        self.allowed = allowed


class NotReady(Refusal):
    """The service is starting."""


class Elsewhere(Refusal):
    """Only the worker that listens at `url` can answer: the request is handed on to it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


class RequestMalformed(Refusal):
    """What came is no HTTP request, or has no valid address; the text says why."""


class LineTooLarge(Refusal):
    """The address, or one header, is larger than `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self.bytes_max = bytes_max


class ExpectationUnknown(Refusal):
    """The header Expect is not `100-continue`."""


class HeadersTooLarge(Refusal):
    """All headers together are larger than `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self.bytes_max = bytes_max


class BodyTooLarge(Refusal):
    """The decoded body is larger than `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(bytes_max)
        self.bytes_max = bytes_max


class BodyTooSlow(Refusal):
    """The body did not come in time."""


class Overloaded(Refusal):
    """Too much at once, of unfinished bodies or of trials."""


class BodyUnreadable(Refusal):
    """The body breaks the rules of its transfer or content encoding; the text says how."""


class EncodingUnknown(Refusal):
    """The text is a Content-Encoding that is not read here."""


class ClientGone(Refusal):
    """The client left while it was sending; nothing of the request was taken."""


class FileNotFound(Refusal):
    """There is no such file among those that are listed; the text is its id."""


class FileNotFailed(Refusal):
    """There is nothing to try again; the text is the file's id."""

    def __init__(self, file_id: str, state: str) -> None:
        super().__init__(file_id)
        self.state = state


class DeadLetterNotFound(Refusal):
    """No such letter stands: discarded, replayed, or never there. The text is its id."""


class EventLost(Refusal):
    """The log has the letter's event no more, so it cannot come again; the text is the letter's id."""


class NumberMalformed(Refusal):
    """What stands in the query as `name` is no whole number."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name)
        self.name = name
        self.text = text


class NumberOutOfRange(Refusal):
    """The number `name` of the query is below `least` or above `most`."""

    def __init__(self, name: str, value: int, least: int, most: int) -> None:
        super().__init__(name)
        self.name = name
        self.value = value
        self.least = least
        self.most = most


class Unexpected(Refusal):
    """A fault of ours; what it was stands in the log."""


def reason_of(error: Exception) -> str:
    """A stable word for any of `ANSWERED`."""
    match error:
        case Refusal():
            return error.reason
        case DefinitionRefused():
            return error.rule
    return _word(type(error))


def _word(kind: type) -> str:
    return kind.__name__[0].lower() + kind.__name__[1:]


ANSWERED = (Refusal, LogFailed, LoadFailed, DefinitionRefused)  # what an API's form of errors must know
