"""Staging: where slices wait for their load. A small seam; today a directory, later an object store."""

from typing import Protocol

from app.model.staged import StagedFile


class Staging(Protocol):
    """Files that are written once, under names never used again. Calls block; use them from a thread."""

    def write(self, name: str, content: bytes) -> StagedFile:
        """Durable when it returns. Raises StagingFailed."""

    def read(self, staged: StagedFile) -> bytes:
        """Raises StagingFailed if it is not there, or not what was written."""

    def delete(self, name: str) -> None:
        """Nothing happens if it is not there."""

    def names(self) -> list[tuple[str, float]]:
        """Every file there, with the seconds since 1970 at which it was written."""
