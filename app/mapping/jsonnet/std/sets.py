"""Sorting, and arrays that are sorted and hold nothing twice."""

from functools import cmp_to_key
from typing import Any

from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import ITSELF
from app.mapping.jsonnet.operators import compare, equals
from app.mapping.jsonnet.std.folds import key_of
from app.mapping.jsonnet.std.library import Library, items_of, length_of, only_array

library = Library()


@library.define("sort(arr, lazy keyF=unbound)", ITSELF)
def _sort(computation: Computation, array: Any, key: Any) -> Any:
    count = length_of(array)
    if count <= 1:
        return array  # the interpreter looks no closer: it may be an object
    items = items_of(computation, array)
    computation.charge(count * count.bit_length())
    keyed = [(key_of(key, one), one) for one in items]

    def order(a: tuple[Any, Any], b: tuple[Any, Any]) -> int:
        return compare(computation, "<", a[0], b[0])

    return [one for _, one in sorted(keyed, key=cmp_to_key(order))]


@library.define("uniq(arr, lazy keyF=unbound)", ITSELF)
def _uniq(computation: Computation, array: Any, key: Any) -> list[Any]:
    items = items_of(computation, array)
    computation.charge(2 * len(items))
    kept: list[Any] = items[:1]
    for one in items[1:]:
        if not equals(computation, key_of(key, kept[-1]), key_of(key, one)):
            kept.append(one)
    return kept


@library.define("set(arr, lazy keyF=unbound)", ITSELF)
def _set(computation: Computation, array: Any, key: Any) -> list[Any]:
    return _uniq(computation, _sort(computation, array, key), key)


class _Walk:
    """Two arrays side by side, as the interpreter walks through them, whether they are sets or not."""

    def __init__(self, computation: Computation, a: Any, b: Any, key: Any) -> None:
        self.a, self.b = only_array(a), only_array(b)
        self.only_a: list[Any] = []
        self.both: list[Any] = []
        self.either: list[Any] = []
        computation.charge(2 * (len(self.a) + len(self.b)))
        i = j = 0
        while i < len(self.a) and j < len(self.b):
            left, right = key_of(key, self.a[i]), key_of(key, self.b[j])
            if equals(computation, left, right):
                self.both.append(self.a[i])
                self.either.append(self.a[i])
                i, j = i + 1, j + 1
            elif compare(computation, "<", left, right) < 0:
                self.only_a.append(self.a[i])
                self.either.append(self.a[i])
                i += 1
            else:
                self.either.append(self.b[j])
                j += 1
        self.only_a += self.a[i:]
        self.either += self.a[i:] + self.b[j:]


@library.define("setUnion(a, b, lazy keyF=unbound)", ITSELF)
def _union(computation: Computation, a: Any, b: Any, key: Any) -> list[Any]:
    return _Walk(computation, a, b, key).either


@library.define("setInter(a, b, lazy keyF=unbound)", ITSELF)
def _inter(computation: Computation, a: Any, b: Any, key: Any) -> list[Any]:
    return _Walk(computation, a, b, key).both if only_array(a) else []


@library.define("setDiff(a, b, lazy keyF=unbound)", ITSELF)
def _diff(computation: Computation, a: Any, b: Any, key: Any) -> list[Any]:
    return _Walk(computation, a, b, key).only_a if only_array(a) else []


@library.define("setMember(lazy x, arr, lazy keyF=unbound)", ITSELF)
def _member(computation: Computation, wanted: Any, array: Any, key: Any) -> bool:
    return bool(_Walk(computation, [wanted], array, key).both)
