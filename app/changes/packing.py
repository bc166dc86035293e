"""Puts changes into changesets."""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from app.changes.events import Change
from app.model.changeset import CHANGES_MAX, CHANGESET_BYTES_MAX, Changeset
from app.model.relation import Relation

_encoder = msgspec.json.Encoder()


def changesets_of(relation: Relation, changes: Sequence[Change]) -> list[Changeset]:
    """All of them, in their order."""
    waiting = iter(changes)
    columns = relation.column_names
    packed: list[Changeset] = []
    while some := list(islice(waiting, CHANGES_MAX)):
        packed += [Changeset(relation.name, columns, count, data) for count, data in _encoded(some)]
    return packed


def _encoded(changes: list[Change]) -> Iterator[tuple[int, msgspec.Raw]]:
    """Halved until they are small enough, or one is alone."""
    data = _encoder.encode(changes)
    if len(data) <= CHANGESET_BYTES_MAX or len(changes) == 1:
        yield len(changes), msgspec.Raw(data)
        return
    middle = len(changes) // 2
    yield from _encoded(changes[:middle])
    yield from _encoded(changes[middle:])
