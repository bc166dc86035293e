"""Run by stitchclient's own Python: push what standard input says, a Python literal, and print what was called back."""

import collections
import collections.abc
import datetime as dt
import decimal
import json
import sys
import uuid

for _name in ("Hashable", "Mapping", "MutableMapping"):  # its Transit writer looks for them where Python 2 had them
    setattr(collections, _name, getattr(collections.abc, _name))

from stitchclient.client import Client  # type: ignore[import-not-found] # noqa: E402 -- after the lines above

TYPED = {
    "at": dt.datetime.fromisoformat,
    "decimal": decimal.Decimal,
    "uuid": uuid.UUID,
}


def main() -> None:
    """`settings` are the client's; each message may have a number for the callback."""
    asked = json.load(sys.stdin, object_hook=_typed)
    with Client(**asked["settings"], callback_function=_called_back) as client:
        for number, message in enumerate(asked["messages"]):
            client.push(message, number)
        print(json.dumps("all are pushed"), flush=True)


def _called_back(numbers: list[int]) -> None:
    print(json.dumps(numbers), flush=True)


def _typed(members: dict[str, object]) -> object:
    """What JSON has no type for is an object of one member that names it."""
    ((name, value), *others) = members.items() or [("", None)]
    return TYPED[name](value) if name in TYPED and not others else members  # type: ignore[operator]


if __name__ == "__main__":
    main()
