"""Values that are computed when they are first asked for."""

from collections.abc import Callable
from typing import Any, TypeAlias

Frame: TypeAlias = list[Any]  # the frame around it, the computation, then the variables: values or thunks
Code: TypeAlias = Callable[[Frame], Any]  # gives a value, never a thunk

OUTER, COMPUTATION, VARIABLES = 0, 1, 2  # places in a frame


class Thunk:
    """A value to come. Arrays, objects and frames hold values and thunks alike."""

    __slots__ = ("_code", "_frame", "_value")

    def __init__(self, code: Code, frame: Frame) -> None:
        self._code: Code | None = code
        self._frame = frame
        self._value: Any = None

    def force(self) -> Any:
        """The value."""
        code = self._code
        if code is not None:
            self._value = code(self._frame)
            self._code = None
            self._frame = []
        return self._value


def force(value: Any) -> Any:
    """The value itself."""
    return value.force() if type(value) is Thunk else value
