"""Arrays to one value."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import ITSELF
from app.mapping.jsonnet.functions import UNBOUND
from app.mapping.jsonnet.operators import BINARY, add, compare_any, element
from app.mapping.jsonnet.std.arrays import called
from app.mapping.jsonnet.std.library import Library, items_of, length_of
from app.mapping.jsonnet.thunks import force

library = Library()


@library.define("foldl(lazy func, arr, lazy init)", ITSELF)
def _foldl(computation: Computation, func: Any, array: Any, init: Any) -> Any:
    items = items_of(computation, array)
    running = init
    for one in items:
        running = called(func, running, one)
    return force(running)


@library.define("foldr(lazy func, arr, lazy init)", ITSELF)
def _foldr(computation: Computation, func: Any, array: Any, init: Any) -> Any:
    items = items_of(computation, array)
    running = init
    for one in reversed(items):
        running = called(func, one, running)
    return force(running)


@library.define("sum(arr)", ITSELF)
def summed(computation: Computation, array: Any) -> Any:
    """From 0 on."""
    return _added(computation, array, 0.0)


def _added(computation: Computation, array: Any, begin: Any) -> Any:
    total = begin
    for one in items_of(computation, array):
        total = add(computation, total, force(one))
    return total


@library.define("avg(arr)", ITSELF)
def _avg(computation: Computation, array: Any) -> Any:
    count = length_of(array)
    if count == 0:
        raise MappingFailed("Cannot calculate average of an empty array.")
    return BINARY["/"](computation, summed(computation, array), float(count))


@library.define("flattenArrays(arrs)", ITSELF)
def _flatten(computation: Computation, arrays: Any) -> Any:
    if type(arrays) is list:
        parts = [element(arrays, at) for at in range(len(arrays))]
        if all(type(part) is list for part in parts):
            computation.charge(sum(map(len, parts)) + len(parts))
            return [one for part in parts for one in part]
    return _added(computation, arrays, [])


@library.define("minArray(arr, lazy keyF=unbound, lazy onEmpty=unbound)", ITSELF)
def _min_array(computation: Computation, array: Any, key: Any, on_empty: Any) -> Any:
    return _best(computation, array, key, on_empty, worse=1)


@library.define("maxArray(arr, lazy keyF=unbound, lazy onEmpty=unbound)", ITSELF)
def _max_array(computation: Computation, array: Any, key: Any, on_empty: Any) -> Any:
    return _best(computation, array, key, on_empty, worse=-1)


def _best(computation: Computation, array: Any, key: Any, on_empty: Any, *, worse: int) -> Any:
    items = items_of(computation, array)
    if not items:
        if on_empty is UNBOUND:
            raise MappingFailed("Expected at least one element in array. Got none")
        return force(on_empty)
    computation.charge(len(items))
    best = items[0]
    for one in items:
        if compare_any(computation, key_of(key, best), key_of(key, one)) == worse:
            best = one
    return force(best)


def key_of(key: Any, value: Any) -> Any:
    """What the value is judged by."""
    return force(value) if key is UNBOUND else called(key, value)
