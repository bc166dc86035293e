"""The Feldera API's form of errors: `{"message", "error_code", "details"}`. Its clients know the codes."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from aiohttp import hdrs, web

from app.changes.format import FormatFault, FormatRefused
from app.changes.parse_errors import ParseErrors
from app.errors import DefinitionRefused, LoadFailed, LogFailed, LogFull
from app.model.pipeline import PIPELINE_NAME_CHARACTERS_MAX, Pipeline, PipelineState
from app.web import errors
from app.web.body import ENCODINGS_READ

_LATER = {"Retry-After": "1"}
_NOTHING_THERE = "Nothing is at this address: of Feldera's API there is here what docs/apis/feldera.md names"
_INVALID = "invalid controller configuration"
_NAME_RULE = "letters (a-z, A-Z), digits, hyphens and underscores, the first and the last a letter or a digit"


class FelderaRefusal(errors.Refusal):
    """Refused for a reason that only this API knows. `code` is the `error_code`; without one the answer is plain text.

    `details` None: the answer has none.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details
        self.headers = headers or {}

    @property
    def reason(self) -> str:
        """A stable word, for those who count refusals."""
        return self.code or "badRequest"


def not_authorized() -> FelderaRefusal:
    """No key, or none that is known."""
    return FelderaRefusal(401, "AuthenticationFailed", "Unauthorized API key", None, {hdrs.WWW_AUTHENTICATE: "Bearer"})


def bad_query(message: str) -> FelderaRefusal:
    """A parameter of the query is missing or malformed; this is answered as plain text."""
    return FelderaRefusal(400, "", f"Query deserialize error: {message}", None)


def bad_body(message: str) -> FelderaRefusal:
    """The body is not what it should be."""
    return FelderaRefusal(400, "InvalidRequestBody", f"The request's body is not valid: {message}", {})


def invalid_param(message: str) -> FelderaRefusal:
    """A parameter is there, and makes no sense."""
    return FelderaRefusal(400, "InvalidParam", f"Invalid parameter: {message}", {})


def unknown_pipeline(name: str) -> FelderaRefusal:
    """There is no pipeline of this name."""
    return FelderaRefusal(404, "UnknownPipelineName", f"Unknown pipeline name '{name}'", {"pipeline_name": name})


def empty_name() -> FelderaRefusal:
    """A pipeline must have a name."""
    return FelderaRefusal(400, "EmptyName", "A pipeline's name must not be empty", {})


def too_long_name(name: str) -> FelderaRefusal:
    """A pipeline's name is its schema's."""
    maximum = PIPELINE_NAME_CHARACTERS_MAX
    details = {"name": name, "length": len(name), "maximum": maximum}
    message = f"A pipeline's name has at most {maximum} characters, this one has {len(name)}"
    return FelderaRefusal(400, "TooLongName", message, details)


def name_does_not_match(name: str) -> FelderaRefusal:
    """A pipeline's name has other characters than it may have."""
    message = f"A pipeline's name is made of {_NAME_RULE}: '{name}' is not"
    return FelderaRefusal(400, "NameDoesNotMatchPattern", message, {"name": name})


def cannot_rename_unknown() -> FelderaRefusal:
    """What would be made has two names."""
    message = "The name in the body is not that in the path, of which there is no pipeline to rename"
    return FelderaRefusal(400, "CannotRenameNonExistingPipeline", message, {})


def standby_not_allowed() -> FelderaRefusal:
    """There is no standby without a synchronised storage, and here is none."""
    message = "A pipeline cannot be started into standby here: start it 'running' or 'paused'"
    return FelderaRefusal(400, "InitialStandbyNotAllowed", message, {})


def error_not_dismissed() -> FelderaRefusal:
    """The last start has failed, and this one asks not to forget that."""
    message = "The last start has failed: dismiss its error first, or start with dismiss_error=true"
    return FelderaRefusal(400, "CannotStartWithUndismissedError", message, {})


def not_deployed(pipeline: Pipeline) -> FelderaRefusal:
    """Only a pipeline that is running or paused does this. It may be starting, so clients may try again."""
    stopped = pipeline.state is PipelineState.STOPPED
    desired = PipelineState.STOPPED if stopped else pipeline.deployment_initial
    details = {"pipeline_name": pipeline.name, "status": pipeline.state, "desired_status": desired}
    message = f"Pipeline '{pipeline.name}' is {pipeline.state.value.lower()}: start it, and wait until it is deployed"
    return FelderaRefusal(503, "PipelineInteractionNotDeployed", message, details)


def paused(pipeline: Pipeline) -> FelderaRefusal:
    """A push has waited for the pipeline to be resumed, and nothing of it was taken."""
    message = f"Pipeline '{pipeline.name}' is paused: resume it, or push with force=true"
    details = {"pipeline_name": pipeline.name}
    return FelderaRefusal(503, "PipelineInteractionUnreachable", message, details, _LATER)


def unknown_table(name: str, endpoint: str) -> FelderaRefusal:
    """The pipeline has no such table."""
    message = f"{_INVALID}: Input endpoint '{endpoint}' specifies unknown table '{name}'"
    details = {"endpoint_name": endpoint, "stream_name": name}
    return FelderaRefusal(404, "ConfigError.UnknownInputStream", message, details)


def format_refused(error: FormatRefused, endpoint: str, config: str) -> FelderaRefusal:
    """The query, or the query and the table, cannot be followed."""
    message, details = f"{_INVALID}: Input endpoint '{endpoint}': {error}", {"endpoint_name": endpoint}
    match error.fault:
        case FormatFault.UNKNOWN:
            details["format_name"] = error.value
        case FormatFault.MALFORMED:
            details |= {"error": str(error), "config": config}
        case _:
            details["error"] = str(error)
    return FelderaRefusal(400, error.fault, message, details)


def parse_errors(found: ParseErrors) -> FelderaRefusal:
    """Some records of a push were not taken; the others were."""
    details = {"num_errors": found.count, "errors": found.newest}
    return FelderaRefusal(400, "ParseErrors", str(found), details)


def pipeline_restarted(reason: str) -> FelderaRefusal:
    """A completion token can never be complete any more."""
    return FelderaRefusal(410, "PipelineRestarted", f"The completion token cannot be complete any more: {reason}", {})


def unknown_connector(table: str, connector: str) -> FelderaRefusal:
    """The program gives the table no connector of this name, or there is no such table."""
    endpoint = f"{table}.{connector}"
    return FelderaRefusal(
        404, "UnknownInputEndpoint", f"Unknown input endpoint name '{endpoint}'", {"endpoint_name": endpoint}
    )


def unknown_output(relation: str) -> FelderaRefusal:
    """There is no table and no view of this name to listen to."""
    endpoint = f"{relation}.api-egress"
    message = f"invalid controller configuration: Output endpoint '{endpoint}' specifies unknown output '{relation}'"
    details = {"endpoint_name": endpoint, "stream_name": relation}
    return FelderaRefusal(404, "ConfigError.UnknownOutputStream", message, details)


def unknown_output_format(relation: str, name: str) -> FelderaRefusal:
    """Changes are not told in this format."""
    endpoint = f"{relation}.api-egress"
    message = f"invalid controller configuration: Output endpoint '{endpoint}' specifies unknown format '{name}'"
    details = {"endpoint_name": endpoint, "format_name": name}
    return FelderaRefusal(400, "ConfigError.UnknownOutputFormat", message, details)


def query_refused(reason: str) -> FelderaRefusal:
    """A query is none, or does what it may not, or takes too long."""
    return FelderaRefusal(400, "AdHocQueryError", f"Error during query processing: {reason}.", {"error": reason})


def too_many_queries(reason: str) -> FelderaRefusal:
    """As many run, or listen, as may."""
    return FelderaRefusal(429, "ApiConnectionLimit", f"Too much at once: {reason}. Try again later", {}, _LATER)


def encode_error(error: Exception, request: web.BaseRequest, request_id: str) -> web.Response:
    """In the form of this API, whatever the error is."""
    refusal = error if isinstance(error, FelderaRefusal) else _refusal(error, request, request_id)
    if not refusal.code:
        return web.Response(status=refusal.status, text=str(refusal), headers=refusal.headers)
    content: dict[str, Any] = {"message": str(refusal), "error_code": refusal.code}
    if refusal.details is not None:
        content["details"] = refusal.details
    body = msgspec.json.encode(content)
    return web.Response(status=refusal.status, body=body, content_type="application/json", headers=refusal.headers)


def _refusal(error: Exception, request: web.BaseRequest, request_id: str) -> FelderaRefusal:
    match error:
        case DefinitionRefused() if error.rule == "pipelineNotFound":
            return unknown_pipeline(_pipeline_name(request))
        case DefinitionRefused():
            status, code = _RULES[error.rule]
            headers = _LATER if status == HTTPStatus.TOO_MANY_REQUESTS else {}
            return FelderaRefusal(status, code, str(error), {}, headers)
        case errors.PathUnknown():
            return FelderaRefusal(404, "UnknownPath", _NOTHING_THERE, {})
        case errors.MethodUnknown():
            message = f"Only {error} may be used here"
            return FelderaRefusal(405, "MethodNotAllowed", message, {}, {hdrs.ALLOW: str(error)})
    said = next((say(error) for kind, say in _KINDS if isinstance(error, kind)), None)
    if said is not None:
        return FelderaRefusal(said.status, said.code, said.message, {}, said.headers)
    message = f"An error of the service: its log has more under {request_id}"
    return FelderaRefusal(500, "InternalError", message, {})


def _pipeline_name(request: web.BaseRequest) -> str:
    return request.match_info.get("pipeline", "") if isinstance(request, web.Request) else ""


_BAD, _CONFLICT = HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT
_RULES = {  # of the definitions
    "pipelineAlreadyExists": (_CONFLICT, "DuplicateName"),
    "pipelineSchemaNotAvailable": (_CONFLICT, "NameNotAvailable"),
    "pipelineCountLimitReached": (_CONFLICT, "PipelineCountLimitReached"),
    "pipelineUpdateWhileDeployed": (_BAD, "UpdateRestrictedToStopped"),
    "pipelineNameHasStorage": (_BAD, "EditRestrictedToClearedStorage"),
    "programIncompatible": (_BAD, "EditRestrictedToClearedStorage"),
    "programChangedTooOften": (_BAD, "EditRestrictedToClearedStorage"),
    "tooManyPrograms": (HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests"),
    "programNotCompiled": (_BAD, "StartFailedDueToFailedCompilation"),
    "pipelineClearing": (_BAD, "CannotStartWhileClearingStorage"),
    "pipelineStartedOtherwise": (_BAD, "InitialImmutableUnlessStopped"),
    "pipelinePauseWhileNotDeployed": (_BAD, "PauseWhileNotProvisioned"),
    "pipelineResumeWhileNotDeployed": (_BAD, "ResumeWhileNotProvisioned"),
    "pipelineNotDeployed": (HTTPStatus.SERVICE_UNAVAILABLE, "PipelineInteractionNotDeployed"),
    "transactionInProgress": (_CONFLICT, "TransactionInProgress"),
    "noTransactionInProgress": (_BAD, "NoTransactionInProgress"),
    "pipelineClearWhileDeployed": (_BAD, "StorageStatusImmutableUnlessStopped"),
    "pipelineDeleteWhileDeployed": (_BAD, "DeleteRestrictedToFullyStopped"),
    "pipelineNotCleared": (_BAD, "DeleteRestrictedToClearedStorage"),
}


class _Said(NamedTuple):
    status: int
    code: str
    message: str
    headers: Mapping[str, str] = {}


_KINDS: tuple[tuple[type[Exception], Callable[[Any], _Said]], ...] = (
    (LogFull, lambda _: _Said(429, "TooManyRequests", "The log has no room, try again later", _LATER)),
    (LogFailed, lambda _: _Said(503, "LogUnavailable", "The log does not answer, try again later", _LATER)),
    (LoadFailed, lambda e: _Said(503, "DestinationUnavailable", f"The destination cannot be used: {e}", _LATER)),
    (errors.Overloaded, lambda _: _Said(429, "TooManyRequests", "Too much at once, try again later", _LATER)),
    (errors.NotReady, lambda _: _Said(503, "Initializing", "The service is starting, try again later", _LATER)),
    (errors.HeadersTooLarge, lambda e: _Said(431, "HeadersTooLarge", f"The headers may have {e.bytes_max} bytes")),
    (errors.ExpectationUnknown, lambda _: _Said(417, "ExpectationFailed", "Expect may only be 100-continue")),
    (errors.BodyTooLarge, lambda e: _Said(413, "PayloadTooLarge", f"The body may have {e.bytes_max} bytes")),
    (errors.EncodingUnknown, lambda _: _Said(415, "UnsupportedEncoding", f"Only {ENCODINGS_READ} are read")),
    (errors.BodyUnreadable, lambda e: _Said(400, "InvalidRequestBody", str(e))),
    (errors.BodyTooSlow, lambda _: _Said(408, "RequestTimeout", "The request's body did not come in time")),
    (errors.ClientGone, lambda _: _Said(499, "ClientGone", "The client left")),  # nobody reads it
)
