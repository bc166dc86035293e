"""Why a value or a record is not taken. The texts are those that clients have learnt to read."""

VALUE_SAID_CHARACTERS_MAX = 200


class ValueRefused(Exception):
    """A value does not fit its type."""


class RecordRefused(Exception):
    """A record does not fit its table. `field` is the column's name as the client wrote it, if one is to blame."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.field = field


class EventRefused(Exception):
    """What an event says around its rows is not what its update format has."""


def wrong_type(found: str, expected: str) -> ValueRefused:
    """Of a value that is of another kind."""
    return ValueRefused(f"invalid type: {found}, expected {expected}")


def wrong_value(found: str, expected: str) -> ValueRefused:
    """Of a value that is of the right kind."""
    return ValueRefused(f"invalid value: {found}, expected {expected}")


def wrong_field(name: str, error: ValueRefused, place: int | None = None) -> RecordRefused:
    """Of a record with such a value; `place` is said of CSV only."""
    where = "" if place is None else f"field {place}: "
    return RecordRefused(f"error parsing field '{name}': {where}{error}", name)


def quoted(text: str) -> str:
    """Short, and in double quotes."""
    escaped = said(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def said(text: str) -> str:
    """Of no more than a message needs."""
    return text if len(text) <= VALUE_SAID_CHARACTERS_MAX else text[:VALUE_SAID_CHARACTERS_MAX] + "…"
