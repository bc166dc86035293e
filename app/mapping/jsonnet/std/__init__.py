"""The functions of `std` that are compiled. The others are left to the interpreter."""

import math

from app.mapping.jsonnet.functions import Native
from app.mapping.jsonnet.std import (
    arrays,
    encodings,
    folds,
    formatting,
    manifests,
    mathematics,
    objects,
    sets,
    strings,
    types,
)

NATIVES: dict[str, Native] = {
    name: native
    for room in (arrays, encodings, folds, formatting, manifests, mathematics, objects, sets, strings, types)
    for name, native in room.library.natives.items()
}

CONSTANTS: dict[str, float] = {"pi": math.pi}
