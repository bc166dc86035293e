"""A receiver: an address that takes events, and the exports that want them."""

import msgspec

from app.model.bound_topic import Binding
from app.model.export import Export
from app.model.mapping import MappingKind


class Deduplication(msgspec.Struct, frozen=True):
    """Where in a body the value stands that names the event: of two events with one value the second is a repeat."""

    path: str


class Receiver(msgspec.Struct, frozen=True):
    """`uid` is given at creation and never again. `exports` are sorted by id.

    `kafka` are the topics that it takes events from, if any. `previous_secret`, if any, is valid until
    `previous_secret_until_us`.
    """

    uid: str
    project_id: int
    id: str
    name: str
    secret: str
    description: str = ""
    exports: tuple[Export, ...] = ()
    deduplication: Deduplication | None = None
    previous_secret: str = ""
    previous_secret_until_us: int = 0
    kafka: Binding | None = None

    def export(self, export_id: str) -> Export | None:
        """The export with this id, or None."""
        return next((export for export in self.exports if export.id == export_id), None)

    @property
    def keyed(self) -> bool:
        """Whether an event may replace or repeat another: then all go to one partition, where position is the order."""
        return self.deduplication is not None or any(
            export.mapping.primary_key or export.mapping.kind is not MappingKind.ROWS for export in self.exports
        )
