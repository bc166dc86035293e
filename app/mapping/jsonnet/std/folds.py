"""Arrays to one value."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.costs import ITSELF
from app.mapping.jsonnet.functions import UNBOUND
from app.mapping.jsonnet.operators import BINARY, add, compare_any, element
from app.mapping.jsonnet.run import Run
from app.mapping.jsonnet.std.arrays import called
from app.mapping.jsonnet.std.library import Library, items_of, length_of
from app.mapping.jsonnet.thunks import force

library = Library()


@library.define("foldl(lazy func, arr, lazy init)", ITSELF)
def _foldl(run: Run, func: Any, array: Any, init: Any) -> Any:
    items = items_of(run, array)
    running = init
    for one in items:
        running = called(func, running, one)
    return force(running)


@library.define("foldr(lazy func, arr, lazy init)", ITSELF)
def _foldr(run: Run, func: Any, array: Any, init: Any) -> Any:
    items = items_of(run, array)
    running = init
    for one in reversed(items):
        running = called(func, one, running)
    return force(running)


@library.define("sum(arr)", ITSELF)
def summed(run: Run, array: Any) -> Any:
    """From 0 on."""
    return _added(run, array, 0.0)


def _added(run: Run, array: Any, begin: Any) -> Any:
    total = begin
    for one in items_of(run, array):
        total = add(run, total, force(one))
    return total


@library.define("avg(arr)", ITSELF)
def _avg(run: Run, array: Any) -> Any:
    count = length_of(array)
    if count == 0:
        raise MappingFailed("Cannot calculate average of an empty array.")
    return BINARY["/"](run, summed(run, array), float(count))


@library.define("flattenArrays(arrs)", ITSELF)
def _flatten(run: Run, arrays: Any) -> Any:
    if type(arrays) is list:
        parts = [element(arrays, at) for at in range(len(arrays))]
        if all(type(part) is list for part in parts):
            run.charge(sum(map(len, parts)) + len(parts))
            return [one for part in parts for one in part]
    return _added(run, arrays, [])


@library.define("minArray(arr, lazy keyF=unbound, lazy onEmpty=unbound)", ITSELF)
def _min_array(run: Run, array: Any, key: Any, on_empty: Any) -> Any:
    return _best(run, array, key, on_empty, worse=1)


@library.define("maxArray(arr, lazy keyF=unbound, lazy onEmpty=unbound)", ITSELF)
def _max_array(run: Run, array: Any, key: Any, on_empty: Any) -> Any:
    return _best(run, array, key, on_empty, worse=-1)


def _best(run: Run, array: Any, key: Any, on_empty: Any, *, worse: int) -> Any:
    items = items_of(run, array)
    if not items:
        if on_empty is UNBOUND:
            raise MappingFailed("Expected at least one element in array. Got none")
        return force(on_empty)
    run.charge(len(items))
    best = items[0]
    for one in items:
        if compare_any(run, key_of(key, best), key_of(key, one)) == worse:
            best = one
    return force(best)


def key_of(key: Any, value: Any) -> Any:
    """What the value is judged by."""
    return force(value) if key is UNBOUND else called(key, value)
