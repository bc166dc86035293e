"""Staging: where slices wait for their load. A small seam; today a directory, later an object store."""

import logging
from collections.abc import Iterable
from typing import Protocol

from app.errors import StagingFailed
from app.model.staged import StagedFile

logger = logging.getLogger(__name__)


class Staging(Protocol):
    """Files that are written once, under names never used again. Calls block; use them from any thread.

    A name is one or two words of printable characters parted by a slash, none beginning with a dot.
    """

    def write(self, name: str, content: bytes) -> StagedFile:
        """Durable when it returns. Raises StagingFailed, also if the name was used and not deleted."""

    def read(self, staged: StagedFile) -> bytes:
        """Return what was written. Raises StagedFileGone; StagingFailed if it differs in length or checksum."""

    def delete(self, name: str) -> None:
        """Nothing happens if it is not there. Raises StagingFailed."""

    def names(self) -> list[tuple[str, float]]:
        """Every finished file, with the seconds since 1970 at which it was written. Raises StagingFailed."""


def delete_staged(staging: Staging, names: Iterable[str]) -> None:
    """Delete what nobody needs any more. What cannot be deleted now is swept later."""
    for name in names:
        try:
            staging.delete(name)
        except StagingFailed as error:
            logger.warning("%s; it will be swept", error)
