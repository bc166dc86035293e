"""A template, compiled: the front door of this room."""

import logging

from app.errors import MappingFailed
from app.mapping.arrived import Arrived
from app.mapping.jsonnet import calls, comprehensions, expressions, object_literals
from app.mapping.jsonnet.compilation import Compilation, Translate
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.object_parser import parse
from app.mapping.jsonnet.outcomes import GaveUp, Outside
from app.mapping.jsonnet.scope import Scope
from app.mapping.jsonnet.syntax import (
    Array,
    ArrayComprehension,
    Binary,
    Call,
    Constant,
    Fail,
    Function,
    If,
    Index,
    InSuper,
    Local,
    Node,
    Object,
    ObjectComprehension,
    Slice,
    Sum,
    SuperIndex,
    Unary,
    Variable,
)
from app.mapping.jsonnet.texts import to_result
from app.mapping.jsonnet.thunks import VARIABLES, Code
from app.model.column import Template

LANGUAGE = "jsonnet"
PROGRAM_CHARACTERS_MAX = 65_536
RESULT_BYTES_MAX = 1_048_576
RESTED_EVENTS = 1000  # of a program that gave up: the interpreter takes so many events more
_BYTES_PER_CHARACTER = 4

logger = logging.getLogger(__name__)

_TRANSLATIONS: dict[type[Node], Translate] = {
    Constant: expressions.constant,
    Variable: expressions.variable,
    Array: expressions.array,
    Sum: expressions.sum_,
    Binary: expressions.binary,
    Unary: expressions.unary,
    If: expressions.if_,
    Fail: expressions.fail,
    Function: expressions.function,
    Local: expressions.local,
    Index: expressions.index_,
    Slice: expressions.slice_,
    SuperIndex: expressions.super_index,
    InSuper: expressions.in_super,
    Call: calls.call,
    Object: object_literals.object_,
    ArrayComprehension: comprehensions.array_comprehension,
    ObjectComprehension: comprehensions.object_comprehension,
}


class Program:
    """Maps one event after another to the template's value. It has one frame of mind: not for several threads."""

    def __init__(self, code: Code, size: int, computation: Computation, *, raw_string: bool) -> None:
        self._code = code
        self._computation = computation
        self._variables = [None] * (size - VARIABLES)
        self._raw_string = raw_string
        self._rests = 0

    def value(self, _arrived: Arrived) -> str:
        """The column's value, of a computation that began with this event, in what is left of its allowance.

        Raises MappingFailed if it has none, and GaveUp if the interpreter must say.
        """
        if self._rests:
            self._rests -= 1
            raise GaveUp
        try:
            return self._text()
        except (GaveUp, RecursionError):
            reason = "a limit"
        except MappingFailed:
            raise
        except Exception:  # the worker may not stop for a fault of ours
            logger.exception("a compiled template failed in a way that it should not: it is evaluated instead")
            reason = "a fault"
        self._rests = RESTED_EVENTS
        raise GaveUp(reason)

    def compute(self, arrived: Arrived) -> str:
        """As `value`, but the computation begins here, and a fault of ours comes through."""
        self._computation.begin(arrived)
        return self._text()

    def _text(self) -> str:
        computation = self._computation
        value = self._code([None, computation, *self._variables])
        text = value if self._raw_string and type(value) is str else to_result(value, computation)
        if len(text) * _BYTES_PER_CHARACTER > RESULT_BYTES_MAX and len(text.encode()) > RESULT_BYTES_MAX:
            raise MappingFailed(f"the template's result is larger than {RESULT_BYTES_MAX} bytes")
        return text


def compile_program(template: Template, computation: Computation | None = None) -> Program:
    """Make it ready, for a computation of its own or one that it shares. Raises Refused, or Outside."""
    source = template.content
    if template.language != LANGUAGE:
        raise Outside(template.language)
    if len(source) > PROGRAM_CHARACTERS_MAX or "\x00" in source or not _is_unicode(source):
        raise Outside("no text that is compiled")
    scope = Scope.root()
    try:
        code = Compilation(source, _TRANSLATIONS).code(parse(source), scope)
    except RecursionError:
        raise Outside("nested too deep") from None
    return Program(code, scope.plan.size, computation or Computation(), raw_string=template.raw_string)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
