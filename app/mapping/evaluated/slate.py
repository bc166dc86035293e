"""What a runner writes down of its work where its death cannot take it away: memory that it shares with its zygote."""

import mmap
import struct

from app.mapping.evaluated.wire import write_all

ANSWERS_BYTES_MAX = 1 << 18
_PAGE = struct.Struct("=QQ?ddd")
_ANSWERS_AT = 64


class Slate:
    """Where a request stands: how many events are done, their answers as far as they are not sent, the time they took.

    One process writes at a time; the next one looks first. A death between two writes may leave an event done without
    its answer, or answered and not done. Either is harmless: it is asked for again, and a second answer is passed over.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _ANSWERS_AT + ANSWERS_BYTES_MAX)
        self.begin(0.0)

    def begin(self, until_s: float) -> None:
        """Begin a request; its turn ends at this time of the monotonic clock."""
        self.done = 0
        self._length = 0
        self.is_torn = False  # while answers are sent: who finds it set cannot tell how much of them went
        self.cpu_s = 0.0  # of the runner, when it was done with the last event
        self.wasted_s = 0.0
        self.until_s = until_s
        self.save()

    def save(self) -> None:
        """Let the other process see it."""
        _PAGE.pack_into(self._memory, 0, self.done, self._length, self.is_torn, self.cpu_s, self.wasted_s, self.until_s)

    def look(self) -> None:
        """See what the other process has saved."""
        page = _PAGE.unpack_from(self._memory)
        self.done, self._length, self.is_torn, self.cpu_s, self.wasted_s, self.until_s = page

    def has_room(self, frame: bytes) -> bool:
        """Whether the answer can be noted before others are sent."""
        return self._length + len(frame) <= ANSWERS_BYTES_MAX

    def note(self, frame: bytes) -> None:
        """Note the answer of the next event. It counts when it is saved."""
        at = _ANSWERS_AT + self._length
        self._memory[at : at + len(frame)] = frame
        self._length += len(frame)
        self.done += 1

    def send(self, descriptor: int, large: bytes = b"") -> None:
        """Send the answers that are noted, and one that is too large to be noted."""
        self.is_torn = True
        self.save()
        write_all(descriptor, self._memory[_ANSWERS_AT : _ANSWERS_AT + self._length] + large)
        self._length = 0
        self.done += bool(large)
        self.is_torn = False
        self.save()
