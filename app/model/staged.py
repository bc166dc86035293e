"""What staging holds: a file written once, named by whoever needs it."""

import msgspec


class StagedFile(msgspec.Struct, frozen=True):
    """`name` is never used again; `crc32` and `bytes` are checked by every reader."""

    name: str
    bytes: int
    crc32: int
