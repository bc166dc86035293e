"""Ids made from names, by the original's rule."""

import re
import unicodedata

from app.web.buffer.errors import bad_request
from app.web.buffer.payloads import ID_CHARACTERS_MAX

_CAPITALS = re.compile(r"[A-Z]+")
_SEPARATORS = re.compile(r"[^a-zA-Z0-9\u00e1-\u017e\u00c1-\u017d]+")


def normalize_name(name: str) -> str:
    """`My ReceiverB ř!` → `my-receiver-b-r`. May be empty."""
    dashed = _SEPARATORS.sub("-", _CAPITALS.sub(lambda run: "-" + run[0], name))
    parts = unicodedata.normalize("NFD", dashed)
    plain = "".join(character for character in parts if unicodedata.category(character) != "Mn")
    return unicodedata.normalize("NFC", plain).strip("-").lower()


def id_from(member: str, name: str) -> str:
    """The id that `name` makes. Raises BufferRefusal when nothing, or too much, is left."""
    made = normalize_name(name)
    if not made:
        raise bad_request(f'"{member}" must not be empty')
    if len(made) > ID_CHARACTERS_MAX:
        raise bad_request(f'"{member}" must not be longer than {ID_CHARACTERS_MAX} characters, but is "{made}"')
    return made
