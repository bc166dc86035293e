"""What a function of ours costs. Each says so when it is defined, and none works before that is paid."""

from collections.abc import Callable
from typing import Any

import msgspec

from app.mapping.jsonnet.limits import CHARACTERS_PER_STEP, Allowance

Work = Callable[..., Any]


def _pay_nothing(_computation: Allowance, *_arguments: Any) -> None:
    pass


def _pay_for_sizes(computation: Allowance, *arguments: Any) -> None:
    for argument in arguments:
        kind = type(argument)
        if kind is str:
            computation.charge_text(len(argument))
        elif kind is list:
            computation.charge(len(argument))


class Cost(msgspec.Struct, frozen=True):
    """What is paid before, by the arguments, and whether what comes of it is new, and is paid for too."""

    name: str
    before: Callable[..., None]
    makes: bool


FREE = Cost("free", _pay_nothing, makes=False)  # its work does not depend on how large its arguments are
LOOKS = Cost("looks", _pay_nothing, makes=False)  # it pays for each thing that it looks at, and makes nothing
SIZES = Cost("sizes", _pay_for_sizes, makes=True)  # it goes once through its strings and arrays, not what is below
ITSELF = Cost("itself", _pay_nothing, makes=True)  # it pays while it works, before each part of the work


def metered(work: Work, cost: Cost) -> Work:
    """The work, paid for."""
    if not cost.makes:
        return work
    before = cost.before

    def made(computation: Allowance, *arguments: Any) -> Any:
        before(computation, *arguments)
        value = work(computation, *arguments)
        _pay_for_made(computation, value)
        return value

    return made


def _pay_for_made(computation: Allowance, value: Any) -> None:
    kind = type(value)
    if kind is str:
        if len(value) > CHARACTERS_PER_STEP:
            computation.charge_text(len(value))
    elif kind is list or kind is dict:
        computation.charge_copy(len(value))
