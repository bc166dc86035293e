"""Texts of clients, as messages quote them."""

QUOTED_CHARACTERS_MAX = 8192


def quoted(text: str) -> str:
    """As a Go string literal; of a very long one the beginning."""
    text = text if len(text) <= QUOTED_CHARACTERS_MAX else f"{text[:QUOTED_CHARACTERS_MAX]}…"
    return f'"{"".join(_GO_ESCAPES.get(character) or _go_character(character) for character in text)}"'


_GO_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def _go_character(character: str) -> str:
    code = ord(character)
    if character.isprintable():
        return character
    if code < 0x80:  # noqa: PLR2004 -- ASCII
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 -- the basic plane
