"""Which export wants which events of a stretch of a partition, and what is to be counted of them."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from agents.partition_claims import Place
from app.mapping.arrived import Arrived
from app.model.event import Event, EventIds, Pack, Position
from app.model.export import Export
from app.model.receiver import Receiver


@dataclass(slots=True)
class Wanted:
    """The events of a stretch that one export wants."""

    export: Export
    arrived: list[Arrived]
    placed: list[tuple[Position, Event]]


class Routed(NamedTuple):
    """The events of a stretch by the exports that want them; the counts are those that come for the first time."""

    wanted: Sequence[Wanted]
    accepted: Mapping[str, int]  # by receiver (uid), as the next two
    deduplicated: Mapping[str, int]
    unrouted: Mapping[str, int]
    arrival_last_us: int


def route(
    packs: Sequence[tuple[int, Pack]],
    repeats: AbstractSet[Place],
    log_id: str,
    partition: int,
    receivers: Mapping[str, Receiver],
) -> Routed:
    """Find out for packs of one life of a partition, with their offsets. Nobody wants repeats."""
    accepted: dict[str, int] = {}
    deduplicated: dict[str, int] = {}
    unrouted: dict[str, int] = {}
    wanted: dict[str, Wanted] = {}
    last_us = 0
    for offset, pack in packs:
        ids = EventIds(log_id, partition, offset)
        for index, event in enumerate(pack.events):
            uid, replay = event.receiver, event.replay
            last_us = max(last_us, event.arrival_us)
            repeated = bool(repeats) and (offset, index) in repeats
            exports = () if repeated else _exports_for(event, receivers.get(uid))
            if replay is None:
                accepted[uid] = accepted.get(uid, 0) + 1
                if repeated:
                    deduplicated[uid] = deduplicated.get(uid, 0) + 1
                elif not exports:
                    unrouted[uid] = unrouted.get(uid, 0) + 1
            if not exports:
                continue
            arrived = Arrived(event, ids.of(event.arrival_us, index) if replay is None else replay.event_id)
            placed = Position(log_id, partition, offset, index), event
            for export in exports:
                if export.uid not in wanted:
                    wanted[export.uid] = Wanted(export, [], [])
                wanted[export.uid].arrived.append(arrived)
                wanted[export.uid].placed.append(placed)
    return Routed(list(wanted.values()), accepted, deduplicated, unrouted, last_us)


def _exports_for(event: Event, receiver: Receiver | None) -> Sequence[Export]:
    if receiver is None:
        return ()
    if event.only_export:
        return [export for export in receiver.exports if export.uid == event.only_export]
    return receiver.exports
