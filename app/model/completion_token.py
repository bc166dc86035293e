"""A completion token: the position up to which a push stands in the log, as its client keeps it."""

from base64 import urlsafe_b64encode
from binascii import Error, a2b_base64
from typing import Annotated

import msgspec

from app.errors import CompletionTokenMalformed

OFFSET_MAX = 2**53 - 1
_TO_STANDARD = str.maketrans("-_", "+/", "+/")


class CompletionToken(msgspec.Struct, frozen=True, rename={"export": "x", "log_id": "l", "partition": "p", "end": "e"}):
    """What the export's pushes brought stands before `end` in this life of this partition; 0: they brought nothing."""

    export: str
    log_id: str
    partition: Annotated[int, msgspec.Meta(ge=0)]
    end: Annotated[int, msgspec.Meta(ge=0, le=OFFSET_MAX)]


_decoder = msgspec.json.Decoder(CompletionToken)


def encode_completion_token(token: CompletionToken) -> str:
    """As a client gets it: it may stand in an address as it is."""
    return urlsafe_b64encode(msgspec.json.encode(token)).rstrip(b"=").decode()


def decode_completion_token(text: str) -> CompletionToken:
    """Undo `encode_completion_token`. Raises CompletionTokenMalformed."""
    padded = text.translate(_TO_STANDARD) + "=" * (-len(text) % 4)
    try:
        return _decoder.decode(a2b_base64(padded.encode("ascii"), strict_mode=True))
    except (Error, UnicodeError, msgspec.MsgspecError) as error:
        raise CompletionTokenMalformed(str(error)) from None
