"""A receiver: an address that takes events, and the exports that want them."""

import msgspec

from app.model.export import Export


class Receiver(msgspec.Struct, frozen=True):
    """`uid` is given at creation and never again. `exports` are sorted by id."""

    uid: str
    project_id: int
    id: str
    name: str
    secret: str
    description: str = ""
    exports: tuple[Export, ...] = ()

    def export(self, export_id: str) -> Export | None:
        """The export with this id, or None."""
        return next((export for export in self.exports if export.id == export_id), None)

    @property
    def keyed(self) -> bool:
        """Whether order matters: then all its events go to one partition, so that position is the order."""
        return any(export.mapping.primary_key for export in self.exports)
