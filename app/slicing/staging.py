"""Staging: where slices wait for their load. A small seam; today a directory, later an object store."""

from typing import Protocol

from app.model.staged import StagedFile


class Staging(Protocol):
    """Files that are written once, under names never used again. Calls block; use them from any thread.

    A name is one or two words of printable characters parted by a slash, none beginning with a dot.
    """

    def write(self, name: str, content: bytes) -> StagedFile:
        """Durable when it returns. Raises StagingFailed, also if the name was used and not deleted."""

    def read(self, staged: StagedFile) -> bytes:
        """Return what was written. Raises StagingFailed if it is not there or differs in length or checksum."""

    def delete(self, name: str) -> None:
        """Nothing happens if it is not there. Raises StagingFailed."""

    def names(self) -> list[tuple[str, float]]:
        """Every finished file, with the seconds since 1970 at which it was written. Raises StagingFailed."""
