"""What kind of value something is."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import FREE, ITSELF, LOOKS
from app.mapping.jsonnet.kinds import kind_of
from app.mapping.jsonnet.operators import equals
from app.mapping.jsonnet.std.library import Library, length_of
from app.mapping.jsonnet.texts import quote, to_text
from app.mapping.jsonnet.thunks import force

library = Library()


@library.define("type(x)", FREE)
def _type(_computation: Computation, value: Any) -> str:
    return kind_of(value)


@library.define("length(x)", LOOKS)
def _length(_computation: Computation, value: Any) -> float:
    return float(length_of(value))


@library.define("isEmpty(str)", LOOKS)
def _is_empty(_computation: Computation, value: Any) -> bool:
    return length_of(value) == 0


@library.define("isString(v)", FREE)
def _is_string(_computation: Computation, value: Any) -> bool:
    return kind_of(value) == "string"


@library.define("isNumber(v)", FREE)
def _is_number(_computation: Computation, value: Any) -> bool:
    return kind_of(value) == "number"


@library.define("isBoolean(v)", FREE)
def _is_boolean(_computation: Computation, value: Any) -> bool:
    return kind_of(value) == "boolean"


@library.define("isObject(v)", FREE)
def _is_object(_computation: Computation, value: Any) -> bool:
    return kind_of(value) == "object"


@library.define("isArray(v)", FREE)
def _is_array(_computation: Computation, value: Any) -> bool:
    return kind_of(value) == "array"


@library.define("isFunction(v)", FREE)
def _is_function(_computation: Computation, value: Any) -> bool:
    return kind_of(value) == "function"


@library.define("isNull(v)", FREE)
def _is_null(_computation: Computation, value: Any) -> bool:
    return value is None


@library.define("equals(a, b)", LOOKS)
def _equals(computation: Computation, a: Any, b: Any) -> bool:
    return equals(computation, a, b)


@library.define("xnor(x, y)", LOOKS)
def _xnor(computation: Computation, a: Any, b: Any) -> bool:
    return equals(computation, a, b)


@library.define("xor(x, y)", LOOKS)
def _xor(computation: Computation, a: Any, b: Any) -> bool:
    return not equals(computation, a, b)


@library.define("assertEqual(a, b)", ITSELF)
def _assert_equal(computation: Computation, a: Any, b: Any) -> bool:
    if equals(computation, a, b):
        return True
    left, right = (quote(computation, value) if type(value) is str else to_text(value, computation) for value in (a, b))
    raise MappingFailed(f"Assertion failed. {left} != {right}")


@library.define("toString(a)", ITSELF)
def _to_string(computation: Computation, value: Any) -> str:
    return to_text(value, computation)


@library.define("trace(lazy str, lazy rest)", FREE)
def _trace(_computation: Computation, _text: Any, rest: Any) -> Any:
    return force(rest)
