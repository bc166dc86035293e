"""Names of tables and columns as clients write them: SQL identifiers."""

from collections.abc import Sequence

from app.model.relation import Field, Relation

_QUOTE = '"'
_QUOTED_CHARACTERS_MIN = 2


def canonical(identifier: str) -> str:
    """In lower case, unless it is quoted."""
    if len(identifier) >= _QUOTED_CHARACTERS_MIN and identifier[0] == identifier[-1] == _QUOTE:
        return identifier[1:-1].replace(_QUOTE * 2, _QUOTE)
    return identifier.lower()


def place_of_identifier(named: Sequence[Field], identifier: str) -> int | None:
    """Where a column of this name stands."""
    name = canonical(identifier)
    return next((place for place, field in enumerate(named) if field.name == name), None)


def relation_of(relations: Sequence[Relation], identifier: str) -> Relation | None:
    """The table of this name."""
    name = canonical(identifier)
    return next((relation for relation in relations if relation.name == name), None)
