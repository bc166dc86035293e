"""Staging in an object store, for workers on several machines: S3, Google Cloud Storage, Azure Blob Storage.

The prefix is Forebay's own: what no cut names is swept. So one that already holds something else is refused.
"""

import logging
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from app.errors import SettingInvalid, StagedFileGone, StagingAway, StagingFailed, StagingRefused
from app.model.staged import StagedFile
from app.slicing.staging import MARKER, as_recorded, is_plain, is_plain_word, require_length, require_plain

logger = logging.getLogger(__name__)

REQUEST_MAX_S = 15
CONNECT_MAX_S = 3
RETRIES_MAX = 2
RETRIED_WITHIN_S = 5
STORES: dict[str, type[S3Store | GCSStore | AzureStore]] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
_URL = re.compile(r"(?P<scheme>[a-z0-9]+)://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]*)(?:/(?P<prefix>.*))?")
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,80})</Code>")
_KIND = re.compile(r"HttpError \{\s+kind: ([A-Za-z]{1,20}),")
_KINDS = {"Connect": "the object store cannot be reached", "Timeout": "the object store does not answer in time"}
_PASSING = {"408", "429"}  # a timeout, too many requests
_OF_THE_MACHINE = "//169.254.169.254/"  # where clouds give a machine its credentials


def open_object_staging(url: str, *, request_max_s: int = REQUEST_MAX_S) -> "ObjectStaging":
    """`s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`; all else is said by the environment.

    Raises SettingInvalid, but not for a store that is away: that may come back.
    """
    staging = ObjectStaging(_store(url, request_max_s))
    try:
        staging.take_over()
    except StagingRefused as error:
        raise SettingInvalid(f"FOREBAY_STAGING: {error}") from None
    except StagingAway as error:
        logger.warning("%s; what has to be staged waits for it", error)
    return staging


def _store(url: str, request_max_s: int) -> ObjectStore:
    found = _URL.fullmatch(url)
    prefix = ((found and found["prefix"]) or "").strip("/")
    if found is None or not all(is_plain_word(word) for word in prefix.split("/") if prefix):
        kinds = ", ".join(f"{scheme}://<bucket>[/<prefix>]" for scheme in STORES)
        raise SettingInvalid(f"FOREBAY_STAGING: an object store is one of {kinds}, the prefix of plain words")
    # As client_options they would put aside those of the environment; as configuration obstore's types miss them.
    times: Any = {"timeout": f"{request_max_s}s", "connect_timeout": f"{min(request_max_s, CONNECT_MAX_S)}s"}
    try:
        return STORES[found["scheme"]](
            found["bucket"],
            prefix=prefix or None,
            config=times,
            retry_config={"max_retries": RETRIES_MAX, "retry_timeout": timedelta(seconds=RETRIED_WITHIN_S)},
        )
    except (BaseError, OSError, ValueError):
        raise SettingInvalid(
            f"FOREBAY_STAGING: the environment does not say well how to reach {found['scheme']}://: "
            "docs/operations.md names the variables"
        ) from None


class ObjectStaging:
    """A prefix of a bucket. A call that the store does not answer ends by itself: see REQUEST_MAX_S."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._taken_over = False
        self._creates = True

    def take_over(self) -> None:
        """Mark the prefix as Forebay's, once. Raises StagingRefused or StagingAway."""
        if self._taken_over:
            return
        with _as_staging_failed("staging"):
            if not self._is_marked():
                self._require_empty()
                obstore.put(self._store, MARKER, b"", mode="overwrite")
            self._creates = self._keeps_what_is_there()
        if not self._creates:
            logger.warning("the object store knows no conditional writes: that no name is used twice is on us alone")
        self._taken_over = True

    def write(self, name: str, content: bytes) -> StagedFile:
        """See Staging. After an error nothing stands under the name, or the whole content, perhaps a while later."""
        require_plain(name)
        self.take_over()
        with _as_staging_failed(f"staged file {name}"):
            try:
                self._put(name, content)
            except AlreadyExistsError:
                raise StagingFailed(f"staged file {name}: the name was used before") from None
        return StagedFile(name=name, bytes=len(content), crc32=zlib.crc32(content))

    def read(self, staged: StagedFile) -> bytes:
        """See Staging."""
        require_plain(staged.name)
        with _as_staging_failed(f"staged file {staged.name}"):
            try:
                found = obstore.get(self._store, staged.name)
                require_length(staged, found.meta["size"])
                content = found.bytes().to_bytes()
            except FileNotFoundError:
                if self._is_marked():
                    raise StagedFileGone(f"staged file {staged.name}: it is not there") from None
                raise StagingFailed(f"staged file {staged.name}: all of staging is gone, {MARKER} too") from None
        return as_recorded(staged, content)

    def delete(self, name: str) -> None:
        """See Staging."""
        require_plain(name)
        with _as_staging_failed(f"staged file {name}"), suppress(FileNotFoundError):
            obstore.delete(self._store, name)

    def names(self) -> list[tuple[str, float]]:
        """See Staging."""
        return [(one["path"], one["last_modified"].timestamp()) for one in self._files()]

    def staged_bytes(self) -> int:
        """See Staging."""
        return sum(one["size"] for one in self._files())

    def _files(self) -> list[Any]:
        self.take_over()
        with _as_staging_failed("staging"):
            found = [one for page in obstore.list(self._store) for one in page]
        return [one for one in found if is_plain(one["path"])]

    def _put(self, name: str, content: bytes) -> None:
        if self._creates:
            obstore.put(self._store, name, content, mode="create")
        elif self._is_there(name):
            raise AlreadyExistsError
        else:
            obstore.put(self._store, name, content, mode="overwrite", use_multipart=False)

    def _is_marked(self) -> bool:
        return self._is_there(MARKER)

    def _is_there(self, name: str) -> bool:
        try:
            obstore.head(self._store, name)
        except FileNotFoundError:
            return False
        return True

    def _require_empty(self) -> None:
        for page in obstore.list(self._store):
            if any(one["path"] not in {"", MARKER} for one in page):
                raise StagingRefused(
                    "the prefix holds other objects, which would be swept; name an empty one "
                    f"(or put an object {MARKER} into it, if all of them are Forebay's)"
                )

    def _keeps_what_is_there(self) -> bool:
        try:
            obstore.put(self._store, MARKER, b"", mode="create")
        except AlreadyExistsError:
            return True
        except (NotSupportedError, NotImplementedError):
            return False
        return False


@contextmanager
def _as_staging_failed(subject: str) -> Iterator[None]:
    """Turn the client's errors into ours, without their text and cause: URLs in them may hold a signature."""
    try:
        yield
    except (BaseError, OSError, ValueError, NotImplementedError) as error:
        text = str(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust; it cannot be imported, and is no Exception
            raise
        text = ""
    else:
        return
    kind = StagingRefused if _is_refusal(text) else StagingAway
    raise kind(f"{subject}: {_reason(text)}") from None


def _is_refusal(text: str) -> bool:
    status = _STATUS.search(text)
    return status is not None and status[1].startswith("4") and status[1] not in _PASSING


def _reason(text: str) -> str:
    if _OF_THE_MACHINE in text:
        return "the environment has no credentials for the object store, and the machine gives none"
    if status := _STATUS.search(text):
        code = _CODE.search(text)
        return f"the object store answers {status[1]}" + (f" {code[1]}" if code else "")
    kind = _KIND.search(text)
    return _KINDS.get(kind[1] if kind else "", "the object store's client failed")
