"""A claim: the event at this position is the first with its key. That follows from the log of events alone.

So a claim is true whoever wrote it, and whether or not the cut came to be for which it was written.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

import msgspec

from app.model.event import Event

KEY_HASH_BYTES = 16
_PACKED = Struct(f">{KEY_HASH_BYTES}sqqI")


class Claim(NamedTuple):
    """`key` is the hash of a receiver and a key within it. The position's partition is that of the log of claims."""

    key: bytes
    arrival_us: int
    log_id: str
    offset: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a claim


class Claims(msgspec.Struct, frozen=True, array_like=True):
    """The value of one message: claims of one life of the log.

    `token` tells this message from any other that may stand at its offset in another copy of the log. `until_us` is an
    arrival: when events that arrived so much later are cut, nobody asks for these claims any more.
    """

    token: str
    log_id: str
    until_us: int
    packed: bytes

    def unpacked(self) -> list[Claim]:
        """In the order they were made."""
        return [
            Claim(key, arrival_us, self.log_id, offset, index)
            for key, arrival_us, offset, index in _PACKED.iter_unpack(self.packed)
        ]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Claims)


def key_hash(event: Event) -> bytes:
    """What stands for the event's key, so that all take the same room."""
    receiver = event.receiver.encode()
    return blake2b(len(receiver).to_bytes(2) + receiver + event.key.encode(), digest_size=KEY_HASH_BYTES).digest()


def pack_claims(claims: Iterable[Claim]) -> bytes:
    """Without the life: it is the same for all of a message."""
    return b"".join([_PACKED.pack(claim.key, claim.arrival_us, claim.offset, claim.index) for claim in claims])


def encode_claims(claims: Sequence[Claim], *, token: str, until_us: int) -> bytes:
    """The value of a message in the log of claims; all are of one life."""
    return _encoder.encode(Claims(token, claims[0].log_id, until_us, pack_claims(claims)))


def decode_claims(value: bytes) -> Claims:
    """Undo `encode_claims`. Raises msgspec.ValidationError or msgspec.DecodeError."""
    return _decoder.decode(value)
