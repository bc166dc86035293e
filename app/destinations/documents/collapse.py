"""Of documents with one key one is loaded: that with the greatest sequence, of equal ones the first."""

from collections.abc import Iterable

from app.destinations.documents.prepared import Prepared


def contest(document: Prepared, active: int) -> tuple[object, ...]:
    """The same for documents of which one beats the other: 1, 1.0 and true are three keys."""
    version = document.incoming.version
    return document.key_columns, document.key, active if version is None else version


def collapse(documents: Iterable[Prepared], active: int) -> list[Prepared]:
    """The winners, in the order in which their keys came first. All must have keys."""
    winners: dict[object, Prepared] = {}
    for document in documents:
        key = contest(document, active)
        best = winners.get(key)
        if best is None or document.incoming.sequence > best.incoming.sequence:
            winners[key] = document
    return list(winners.values())
