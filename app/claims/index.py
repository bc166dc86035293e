"""Claims by key, on disk, so that memory is bounded. It holds what the log of claims says, and can be made again."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from app.model.claim import Claim


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The last message of the log of claims that an index holds: its offset, and its token."""

    offset: int
    token: str


class ClaimIndex(Protocol):
    """The claims of one partition, opened by the first call. Calls block; use them from any thread.

    All but `close` raise ClaimsFailed, also while another has the files open.
    """

    def mark(self) -> Mark | None:
        """Up to where it holds the log; None if it holds nothing."""

    def find(self, keys: Sequence[bytes]) -> list[Sequence[Claim]]:
        """The claims on each of the keys."""

    def add(self, claims: Sequence[Claim], mark: Mark) -> None:
        """Hold the claims of one more message, and its mark: all or nothing. A claim that is there already stays."""

    def forget(self, claims: Sequence[Claim]) -> None:
        """Hold these no longer."""

    def clear(self) -> None:
        """Hold nothing, whatever state it is in."""

    def close(self) -> None:
        """Let go of the files, for another to open them. Calls that come later raise ClaimsFailed."""


OpenIndex = Callable[[int], ClaimIndex]  # of a partition
