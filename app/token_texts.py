"""Texts that are secrets, the names of what they open, and what is kept of them."""

from hashlib import sha256
from secrets import choice, token_hex
from string import ascii_letters, digits

ALPHANUMERIC = digits + ascii_letters
SECRET_CHARACTERS = 48
TOKEN_ID_BYTES = 8


def token_hash(token: str) -> str:
    """What is kept of a token."""
    return sha256(token.encode()).hexdigest()


def new_token_id() -> str:
    """Names a token without telling it."""
    return token_hex(TOKEN_ID_BYTES)


def random_text(characters: int) -> str:
    """From 0-9a-zA-Z, by the system's secure source."""
    return "".join(choice(ALPHANUMERIC) for _ in range(characters))
