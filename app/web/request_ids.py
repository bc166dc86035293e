"""Request ids: 15 random characters that stand in the answer and in the log."""

import os
import string

from multidict import istr

REQUEST_ID = istr("X-Request-Id")
_ALPHABET = (string.digits + string.ascii_letters).encode()
_FAIR = 256 - 256 % len(_ALPHABET)  # bytes from here on would prefer some characters
_TO_CHARACTER = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))
_UNFAIR = bytes(range(_FAIR, 256))
_ID_CHARACTERS = 15
_BLOCK_BYTES = 4096


class RequestIds:
    """Gives out ids; randomness is drawn in blocks, because each request needs an id and few calls are cheap."""

    def __init__(self) -> None:
        self._block = ""
        self._at = 0

    def new(self) -> str:
        """Characters of 0-9, a-z, A-Z."""
        start, end = self._at, self._at + _ID_CHARACTERS
        if end > len(self._block):
            self._block = os.urandom(_BLOCK_BYTES).translate(_TO_CHARACTER, _UNFAIR).decode("ascii")
            start, end = 0, _ID_CHARACTERS
        self._at = end
        return self._block[start:end]
