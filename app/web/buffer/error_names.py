"""Every error that the Buffer API may answer, by the name that stands in its `error`."""

from collections.abc import Mapping
from http import HTTPStatus

from app.web.operation import ErrorMeaning

PREFIX = "buffer."

_MEANINGS = {
    HTTPStatus.BAD_REQUEST: {
        "missingPayload": "the body is empty",
        "decodePayload": "the body is no JSON, or a member has the wrong type",
        "missingField": "a member, or a header, is missing",
        "invalidLength": "a text or a list is too short or too long",
        "invalidRange": "a number is too small or too large",
        "invalidEnumValue": "a value is none of those that may be",
        "invalidFieldType": "a part of the address is no whole number",
        "badRequest": "the content cannot be; or the request is not framed or compressed as its headers say",
    },
    HTTPStatus.UNAUTHORIZED: {"storage.tokenInvalid": "the token opens no project"},
    HTTPStatus.NOT_FOUND: {
        "receiverNotFound": "there is no such receiver, or its secret is another",
        "exportNotFound": "the receiver has no such export",
        "taskNotFound": "there is no such task",
        "fileNotFound": "there is no such file among those that are listed",
        "deadLetterNotFound": "the export has no such dead letter, or has it no more",
        "endpointNotFound": "nothing is at this address",
    },
    HTTPStatus.METHOD_NOT_ALLOWED: {"methodNotAllowed": "the address takes other methods: the header `Allow` has them"},
    HTTPStatus.REQUEST_TIMEOUT: {"requestTimeout": "the body did not come in time"},
    HTTPStatus.CONFLICT: {
        "receiverAlreadyExists": "the project has a receiver of this id",
        "exportAlreadyExists": "the receiver has an export of this id",
        "receiverCountLimitReached": "the project has as many receivers as it may have",
        "fileNotFailed": "the file has not failed: there is nothing to try again",
        "eventLost": "the dead letter has a row, and its event no more: it cannot come again, only be discarded",
        "exportCountLimitReached": "the receiver has as many exports as it may have",
        "bucketNotAvailable": "the bucket of the table is another project's: choose another name",
    },
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {"payloadTooLarge": "the body, when it is decoded, is too large"},
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: {"unsupportedMediaType": "the body's `Content-Encoding` is not read here"},
    HTTPStatus.EXPECTATION_FAILED: {"expectationFailed": "the header `Expect` is not `100-continue`"},
    HTTPStatus.TOO_MANY_REQUESTS: {
        "tooManyRequests": "the log has no room, or too much is in flight: send it again after `Retry-After`"
    },
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: {"headersTooLarge": "the address, a header, or all are too large"},
    HTTPStatus.INTERNAL_SERVER_ERROR: {"internalError": "a fault of the server, in its log under the `exceptionId`"},
    HTTPStatus.SERVICE_UNAVAILABLE: {
        "serviceUnavailable": "starting, or the log or the destination is away: send it again after `Retry-After`"
    },
}


def full_name(name: str) -> str:
    """With the API's prefix, unless it has a dot."""
    return name if "." in name else PREFIX + name


ERRORS: Mapping[str, ErrorMeaning] = {
    full_name(name): ErrorMeaning(status.value, when)
    for status, names in _MEANINGS.items()
    for name, when in names.items()
}
