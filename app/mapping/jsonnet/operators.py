"""What the operators do with values."""

import math
from collections.abc import Callable
from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.doubles import NUMBERS, checked, double, negative, order
from app.mapping.jsonnet.kinds import kind_of
from app.mapping.jsonnet.limits import CHARACTERS_PER_STEP, STRING_CHARACTERS_MAX
from app.mapping.jsonnet.members import has_member, member, member_names
from app.mapping.jsonnet.objects import Composed, Values
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.texts import to_text
from app.mapping.jsonnet.thunks import Frame, Thunk

_CHEAP_CHARACTERS = 1024
_OBJECTS = frozenset({dict, Composed})


def add(computation: Computation, left: Any, right: Any) -> Any:
    """`left + right`."""
    a, b = type(left), type(right)
    if a is str or b is str:
        return _join(
            computation,
            left if a is str else to_text(left, computation),
            right if b is str else to_text(right, computation),
        )
    if a in NUMBERS and b in NUMBERS:
        return checked(double(left) + double(right))
    if a is list and b is list:
        computation.charge_copy(len(left) + len(right))
        return left + right
    if a in _OBJECTS and b in _OBJECTS:
        return _add_objects(computation, left, right)
    raise _unsuited("+", left, right)


def _join(computation: Computation, left: str, right: str) -> str:
    length = len(left) + len(right)
    if length > _CHEAP_CHARACTERS:
        computation.charge_text(length)
    return left + right


def _add_objects(computation: Computation, left: Any, right: Any) -> Any:
    if type(left) is dict:
        computation.charge(len(left))
        if type(right) is dict:
            computation.charge(len(right))
            return {**left, **right}
        computation.charge(1 + len(right.layers))
        return Composed([Values(left), *right.layers], computation)
    return left.plus(right)


def _unsuited(operator: str, left: Any, right: Any) -> MappingFailed:
    a, b = kind_of(left), kind_of(right)
    if a != b:
        return MappingFailed(f"binary operator {operator} requires matching types, got {a} and {b}.")
    kinds = a if a == "null" else f"{a}s"
    return MappingFailed(f"binary operator {operator} does not operate on {kinds}.")


def _arithmetic(operator: str, compute: Callable[[float, float], float]) -> Callable[[Computation, Any, Any], Any]:
    def work(_computation: Computation, left: Any, right: Any) -> Any:
        if type(left) in NUMBERS and type(right) in NUMBERS:
            return checked(compute(double(left), double(right)))
        raise _unsuited(operator, left, right)

    return work


def divide(a: float, b: float) -> float:
    """`a / b`."""
    if b == 0:
        raise MappingFailed("division by zero.")
    return a / b


def remainder(a: float, b: float) -> float:
    """`a % b`, with the sign of `a`."""
    if b == 0:
        raise MappingFailed("division by zero.")
    return math.fmod(a, b)


_SAFE_MAX = 2**53 - 1
_WORD_BITS = 64


def _integer(number: float) -> int:
    if abs(number) > _SAFE_MAX:
        raise MappingFailed("numeric value outside safe integer range for bitwise operation.")
    return int(number)


def _bitwise(compute: Callable[[int, int], int]) -> Callable[[float, float], float]:
    return lambda a, b: float(compute(_integer(a), _integer(b)))


def _shift_left(a: float, b: float) -> float:
    number, places = _shift_parts(a, b)
    if places and abs(number) >= 1 << (_WORD_BITS - 1 - places):
        raise MappingFailed("numeric value outside safe integer range for bitwise operation.")
    return float(number << places)


def _shift_right(a: float, b: float) -> float:
    number, places = _shift_parts(a, b)
    return float(number >> places)


def _shift_parts(a: float, b: float) -> tuple[int, int]:
    if b < 0:
        raise MappingFailed("shift by negative exponent.")
    return _integer(a), _integer(b) % _WORD_BITS


# equality and order


def equals(computation: Computation, left: Any, right: Any) -> bool:
    """`left == right`."""
    a, b = type(left), type(right)
    if a is str or b is str:
        return a is b and _equal_texts(computation, left, right)
    if a in NUMBERS:
        return b in NUMBERS and order(computation, left, right) == 0
    if a is list:
        return b is list and _equal_arrays(computation, left, right)
    if a in _OBJECTS:
        return b in _OBJECTS and _equal_objects(computation, left, right)
    if a is bool or left is None:
        return left is right
    if kind_of(right) == "function":
        raise MappingFailed("cannot test equality of functions")
    return False


def _equal_texts(computation: Computation, left: str, right: str) -> bool:
    if len(left) != len(right):
        return False
    computation.charge(len(left) // CHARACTERS_PER_STEP)
    return left == right


def _equal_arrays(computation: Computation, left: list[Any], right: list[Any]) -> bool:
    if len(left) != len(right):
        return False
    for at in range(len(left)):
        computation.charge(1)
        if not equals(computation, element(left, at), element(right, at)):
            return False
    return True


def element(array: list[Any], at: int) -> Any:
    """The element, a value."""
    found = array[at]
    if type(found) is Thunk:
        found = array[at] = found.force()
    return found


def _equal_objects(computation: Computation, left: Any, right: Any) -> bool:
    names = member_names(computation, left, hidden=False)
    if names != member_names(computation, right, hidden=False):
        return False
    for name in names:
        computation.charge(1)
        if not equals(computation, member(computation, left, name), member(computation, right, name)):
            return False
    return True


def compare(computation: Computation, operator: str, left: Any, right: Any) -> int:
    """-1, 0 or 1, for one of the operators of order."""
    a, b = type(left), type(right)
    if a is str and b is str:
        computation.charge(2 * min(len(left), len(right)) // CHARACTERS_PER_STEP)
        return (left > right) - (left < right)  # type: ignore[no-any-return]
    if a in NUMBERS and b in NUMBERS:
        return order(computation, left, right)
    if a is list and b is list:
        return _compare_arrays(computation, left, right)
    raise _unsuited(operator, left, right)


def _compare_arrays(computation: Computation, left: list[Any], right: list[Any]) -> int:
    for at in range(min(len(left), len(right))):
        computation.charge(1)
        found = compare_any(computation, element(left, at), element(right, at))
        if found:
            return found
    return (len(left) > len(right)) - (len(left) < len(right))


def compare_any(computation: Computation, left: Any, right: Any) -> int:
    """-1, 0 or 1, as the elements of arrays are compared: null is equal to nothing that can be compared."""
    a, b = kind_of(left), kind_of(right)
    if a != b:
        raise MappingFailed(f"Comparison requires matching types. Got {a} and {b}")
    if a in {"function", "object", "boolean"}:
        raise MappingFailed(f"Values of type {a} are not comparable.")
    return compare(computation, "<", left, right)


def _by_order(operator: str, holds: Callable[[int], bool]) -> Callable[[Computation, Any, Any], bool]:
    return lambda computation, left, right: holds(compare(computation, operator, left, right))


def is_in(computation: Computation, name: Any, target: Any) -> bool:
    """`name in target`."""
    if type(name) is not str:
        raise MappingFailed(f"the left hand side of the 'in' operator should be a string,  got {kind_of(name)}")
    if type(target) in _OBJECTS:
        return has_member(computation, target, name, hidden=True)
    raise MappingFailed(f"the right hand side of the 'in' operator should be an object, got {kind_of(target)}")


BINARY: dict[str, Callable[[Computation, Any, Any], Any]] = {
    "-": _arithmetic("-", lambda a, b: a - b),
    "*": _arithmetic("*", lambda a, b: a * b),
    "/": _arithmetic("/", divide),
    "<<": _arithmetic("<<", _shift_left),
    ">>": _arithmetic(">>", _shift_right),
    "&": _arithmetic("&", _bitwise(lambda a, b: a & b)),
    "^": _arithmetic("^", _bitwise(lambda a, b: a ^ b)),
    "|": _arithmetic("|", _bitwise(lambda a, b: a | b)),
    "==": equals,
    "!=": lambda computation, left, right: not equals(computation, left, right),
    "<": _by_order("<", lambda found: found < 0),
    "<=": _by_order("<=", lambda found: found <= 0),
    ">": _by_order(">", lambda found: found > 0),
    ">=": _by_order(">=", lambda found: found >= 0),
    "in": is_in,
}


# one operand


def _number_or_fail(operator: str, value: Any) -> None:
    if type(value) not in NUMBERS:
        raise MappingFailed(f"unary operator {operator} does not operate on type {kind_of(value)}")


def minus(value: Any) -> Any:
    """`-value`."""
    _number_or_fail("-", value)
    return negative(value)


def plus(value: Any) -> Any:
    """`+value`."""
    _number_or_fail("+", value)
    return value


def complement(value: Any) -> Any:
    """`~value`, of what is left of the point."""
    _number_or_fail("~", value)
    number, border = double(value), 1 << (_WORD_BITS - 1)
    return float(~int(number) if abs(number) < border else border - 1)


def invert(value: Any) -> Any:
    """`!value`."""
    if type(value) is not bool:
        raise MappingFailed(f"unary operator ! does not operate on type {kind_of(value)}")
    return not value


UNARY: dict[str, Callable[[Any], Any]] = {"-": minus, "+": plus, "~": complement, "!": invert}


# members and elements


def index(computation: Computation, target: Any, key: Any) -> Any:
    """`target[key]`."""
    kind = type(target)
    if kind is list:
        return element(target, _place(target, key))
    if kind is str:
        if type(key) not in NUMBERS:
            raise MappingFailed(f"string index must be a number, got {kind_of(key)}.")
        at = int(double(key))
        if not 0 <= at < len(target):
            raise MappingFailed(f"string bounds error: {at} not within [0, {len(target)})")
        return target[at]
    if kind not in _OBJECTS:
        raise MappingFailed(f"can only index objects, strings, and arrays, got {kind_of(target)}.")
    if type(key) is not str:
        raise MappingFailed(f"object index must be string, got {kind_of(key)}.")
    return member(computation, target, key)


def _place(array: list[Any], key: Any) -> int:
    if type(key) not in NUMBERS:
        raise MappingFailed(f"array index must be number, got {kind_of(key)}.")
    number = double(key)
    floor = math.floor(number)
    if not 0 <= floor < len(array):
        raise MappingFailed(f"array bounds error: {floor} not within [0, {len(array)})")
    if floor != number:
        raise MappingFailed(f"array index was not integer: {number}")
    return floor


def slice_of(computation: Computation, target: Any, begin: Any, end: Any, step: Any) -> Any:
    """`target[begin:end:step]`; None where nothing is said."""
    if type(target) not in {str, list}:
        raise MappingFailed(f"std.slice accepts a string or an array, but got: {kind_of(target)}")
    length = len(target)
    first = 0.0 if begin is None else _bound(begin, length)
    last = length if end is None else _bound(end, length, least=-math.inf)
    stride = 1.0 if step is None else _slice_number(step)
    if stride <= 0:
        raise MappingFailed(f"got {stride:g} but step must be greater than 0")
    return _sliced(computation, target, first, min(last, length), stride)


def _slice_number(value: Any) -> float:
    if type(value) not in NUMBERS:
        raise MappingFailed(f"a slice wants numbers, got {kind_of(value)}")
    return double(value)


def _bound(value: Any, length: int, least: float = 0.0) -> float:
    number = _slice_number(value)
    return max(least, length + number) if number < 0 else number


def _no_element(frame: Frame) -> Any:
    raise MappingFailed(f"array index was not integer: {frame[0]:g}")


def _sliced(computation: Computation, target: Any, first: float, last: float, stride: float) -> Any:
    if first.is_integer() and stride.is_integer():
        found = target[int(first) : max(0, math.ceil(last)) : int(stride)]
        if type(found) is str:
            computation.charge_text(len(found))
        else:
            computation.charge_copy(len(found))
        return found
    parts: list[Any] = []
    at = first
    while at < last:
        computation.charge(1)
        parts.append(Thunk(_no_element, [at]) if type(target) is list and not at.is_integer() else target[int(at)])
        at += stride
    return "".join(parts) if type(target) is str else parts


def repeat_text(computation: Computation, text: str, times: int) -> str:
    """The text so many times."""
    if len(text) * times > STRING_CHARACTERS_MAX:
        raise GaveUp
    computation.charge(times // CHARACTERS_PER_STEP)
    computation.charge_text(len(text) * times)
    return text * times


def condition(value: Any) -> bool:
    """What `if` decides by."""
    if type(value) is not bool:
        raise MappingFailed(f"condition must be boolean, got {kind_of(value)}.")
    return value
