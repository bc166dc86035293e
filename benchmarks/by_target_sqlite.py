"""Run by target-sqlite's own Python: the target, whose libraries look in `collections` for what Python 3.10 moved."""

import collections
import collections.abc

for _name in ("Callable", "Hashable", "Iterable", "Mapping", "MutableMapping", "MutableSet", "Sequence", "Set"):
    setattr(collections, _name, getattr(collections.abc, _name))

from target_sqlite import main  # type: ignore[import-not-found] # noqa: E402 -- after the lines above

if __name__ == "__main__":
    main()
