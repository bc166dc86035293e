"""Arrays: making them, choosing from them, changing each element."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import ITSELF
from app.mapping.jsonnet.functions import Closure, Native
from app.mapping.jsonnet.kinds import expect, kind_of
from app.mapping.jsonnet.operators import element, equals, repeat_text, slice_of
from app.mapping.jsonnet.std.library import Library, function_of, items_of, later
from app.mapping.jsonnet.std.mathematics import number_of
from app.mapping.jsonnet.std.strings import find_substr
from app.mapping.jsonnet.thunks import force

library = Library()


def _expect_function(value: Any, what: str) -> Closure | Native:
    function: Closure | Native = expect(value, "function", what)
    return function


@library.define("makeArray(sz, func)", ITSELF)
def _make_array(computation: Computation, size: Any, func: Any) -> list[Any]:
    count, function = int(number_of(size, "std.makeArray")), _expect_function(func, "std.makeArray")
    if count < 0:
        raise MappingFailed(f"makeArray requires size >= 0, got {count}")
    if function.arity != 1:
        raise MappingFailed(f"makeArray function must take 1 param, got: {function.arity}")
    computation.charge(count)
    return [later(function, float(at)) for at in range(count)]


@library.define("range(from, to)", ITSELF)
def _range(computation: Computation, first: Any, last: Any) -> list[float]:
    begin, end = int(number_of(first, "std.range")), int(number_of(last, "std.range"))
    computation.charge(max(0, end - begin + 1))
    return [float(number) for number in range(begin, end + 1)]


@library.define("repeat(what, count)", ITSELF)
def _repeat(computation: Computation, what: Any, count: Any) -> Any:
    if type(what) is not str and type(what) is not list:
        raise MappingFailed("std.repeat first argument must be an array or a string")
    times = int(number_of(count, "std.repeat"))
    if times < 0:
        raise MappingFailed(f"makeArray requires size >= 0, got {times}")
    if type(what) is str:
        return repeat_text(computation, what, times)
    computation.charge(times * (1 + len(what)))
    return what * times


@library.define("slice(indexable, index, end, step)", ITSELF)
def _slice(computation: Computation, target: Any, begin: Any, end: Any, step: Any) -> Any:
    return slice_of(computation, target, begin, end, step)


# searching


@library.define("count(arr, lazy x)", ITSELF)
def _count(computation: Computation, array: Any, wanted: Any) -> float:
    return float(len(_find(computation, expect(array, "array", "std.count"), wanted)))


def _find(computation: Computation, array: list[Any], wanted: Any) -> list[float]:
    computation.charge(len(array))
    return [float(at) for at in range(len(array)) if equals(computation, element(array, at), force(wanted))]


@library.define("find(lazy value, arr)", ITSELF)
def _find_all(computation: Computation, wanted: Any, array: Any) -> list[float]:
    return _find(computation, expect(array, "array", "find second parameter"), wanted)


@library.define("member(arr, lazy x)", ITSELF)
def _member(computation: Computation, array: Any, wanted: Any) -> bool:
    if type(array) is list:
        return bool(_find(computation, array, wanted))
    if type(array) is str:
        return bool(find_substr(computation, force(wanted), array))
    raise MappingFailed("std.member first argument must be an array or a string")


@library.define("contains(arr, lazy elem)", ITSELF)
def _contains(computation: Computation, array: Any, wanted: Any) -> bool:
    if type(array) is not list:
        raise MappingFailed("In comprehension, can only iterate over array.")
    computation.charge(len(array))
    return any(equals(computation, element(array, at), force(wanted)) for at in range(len(array)))


@library.define("all(arr)", ITSELF)
def _all(computation: Computation, array: Any) -> bool:
    return not _first_that_is(computation, array, wanted=False)


@library.define("any(arr)", ITSELF)
def _any(computation: Computation, array: Any) -> bool:
    return _first_that_is(computation, array, wanted=True)


def _first_that_is(computation: Computation, array: Any, *, wanted: bool) -> bool:
    expect(array, "array", "all() and any()")
    computation.charge(len(array))
    for at in range(len(array)):
        found = element(array, at)
        if type(found) is not bool:
            raise MappingFailed(f"element of type {kind_of(found)} is not a boolean")
        if found is wanted:
            return True
    return False


# choosing


@library.define("filter(func, arr)", ITSELF)
def _filter(computation: Computation, func: Any, array: Any) -> list[Any]:
    function = _expect_function(func, "std.filter")
    expect(array, "array", "std.filter")
    if function.arity != 1:
        raise MappingFailed("filter function takes 1 parameter.")
    computation.charge(len(array))
    return [one for one in array if _asked(function, one)]


def _asked(function: Closure | Native, value: Any) -> bool:
    answer = function.call([value])
    if type(answer) is not bool:
        raise MappingFailed(f"filter function must return boolean, got: {kind_of(answer)}")
    return answer


@library.define("filterMap(filter_func, map_func, arr)", ITSELF)
def _filter_map(computation: Computation, filter_func: Any, map_func: Any, array: Any) -> list[Any]:
    function = _expect_function(map_func, "std.filterMap")
    return [later(function, one) for one in _filter(computation, filter_func, array)]


@library.define("removeAt(arr, lazy at)", ITSELF)
def _remove_at(computation: Computation, array: Any, at: Any) -> list[Any]:
    items = items_of(computation, array)
    return [one for place, one in enumerate(items) if not equals(computation, float(place), force(at))]


@library.define("remove(arr, lazy elem)", ITSELF)
def _remove(computation: Computation, array: Any, wanted: Any) -> list[Any]:
    places = _find(computation, expect(array, "array", "find second parameter"), wanted)
    return _remove_at(computation, array, places[0]) if places else array


# changing


def _mappable(computation: Computation, value: Any, what: str) -> list[Any]:
    if type(value) is not list and type(value) is not str:
        raise MappingFailed(f"{what} param must be array / string, got {kind_of(value)}")
    return items_of(computation, value)


@library.define("map(func, arr)", ITSELF)
def _map(computation: Computation, func: Any, array: Any) -> list[Any]:
    function = _expect_function(func, "std.map first param")
    items = _mappable(computation, array, "std.map second")
    return [later(function, one) for one in items]


@library.define("mapWithIndex(func, arr)", ITSELF)
def _map_with_index(computation: Computation, func: Any, array: Any) -> list[Any]:
    function = _expect_function(func, "std.mapWithIndex first param")
    items = _mappable(computation, array, "std.mapWithIndex second")
    return [later(function, float(at), one) for at, one in enumerate(items)]


@library.define("flatMap(func, arr)", ITSELF)
def _flat_map(computation: Computation, func: Any, array: Any) -> Any:
    function = _expect_function(func, "std.flatMap first param")
    items = _mappable(computation, array, "std.flatMap second")
    kind = str if type(array) is str else list
    parts = [function.call([one]) for one in items]
    if any(type(part) is not kind for part in parts):
        raise MappingFailed("std.flatMap: the function must give arrays for an array, strings for a string")
    if kind is str:
        computation.charge_joined(parts)
        return "".join(parts)
    computation.charge(sum(map(len, parts)))
    return [one for part in parts for one in part]


@library.define("reverse(arr)", ITSELF)
def _reverse(computation: Computation, array: Any) -> list[Any]:
    return items_of(computation, array)[::-1]


@library.define("flattenDeepArray(value)", ITSELF)
def _flatten_deep(computation: Computation, value: Any) -> list[Any]:
    flat: list[Any] = []
    _gather(computation, value, flat)
    return flat


def _gather(computation: Computation, value: Any, flat: list[Any]) -> None:
    if type(value) is not list:
        flat.append(value)
        return
    computation.charge(len(value))
    for at in range(len(value)):
        _gather(computation, element(value, at), flat)


def called(func: Any, *arguments: Any) -> Any:
    """The function's value. Raises MappingFailed."""
    return function_of(force(func)).call(arguments)
