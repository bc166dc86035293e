"""The ledger's counts of one export."""

from app.cli.api import Json, path_of
from app.cli.connection import Session
from app.cli.errors import Refused


def export_counts(session: Session, receiver: str, export: str) -> Json:
    """As the ledger has them now. Raises Refused when the export is gone."""
    ledger = session.api.get(path_of("v1", "receivers", receiver, "ledger"))
    for counts in ledger["exports"]:
        if counts["exportId"] == export:
            return dict(counts)
    raise Refused(f'export "{export}" is gone')
