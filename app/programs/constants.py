"""Constants of a program, which are defaults of columns: from SQL to the JSON that a client could have sent."""

import msgspec

from app.programs.cursor import Cursor
from app.programs.faults import invalid, syntax, unsupported
from app.programs.tokens import Kind

DEPTH_MAX = 20
NUMBER_CHARACTERS_MAX = 400
_TYPED = frozenset({"DATE", "TIME", "TIMESTAMP", "UUID"})
_WORDS = {"TRUE": b"true", "FALSE": b"false", "NULL": b"null"}
_encoder = msgspec.json.Encoder()


def constant(cursor: Cursor, depth: int = 0) -> bytes:
    """The next constant. Bytes are a text of hexadecimal digits. Raises ProgramFault if something else comes."""
    token = cursor.token
    if depth > DEPTH_MAX:
        raise invalid(token.span, f"a constant is nested more than {DEPTH_MAX} deep")
    if cursor.skip("("):
        inner = constant(cursor, depth + 1)
        cursor.require(")")
        return inner
    if token.kind is Kind.TEXT:
        return _encoder.encode(cursor.next().text)
    if token.kind is Kind.NUMBER or cursor.sees("-") or cursor.sees("+") or cursor.sees("."):
        return _number(cursor)
    if token.kind is Kind.WORD:
        return _word(cursor, depth)
    raise cursor.unexpected("a constant")


def _word(cursor: Cursor, depth: int) -> bytes:
    token = cursor.next()
    word = token.text.upper()
    if word in _WORDS:
        return _WORDS[word]
    if word in _TYPED and cursor.token.kind is Kind.TEXT:
        return _encoder.encode(cursor.next().text)
    if word == "X" and cursor.token.kind is Kind.TEXT:
        return _hexadecimal(cursor)
    if word == "ARRAY" and cursor.skip("["):
        return b"[" + b",".join(_listed(cursor, "]", depth)) + b"]"
    if word == "MAP" and cursor.skip("["):
        return _map(cursor, depth)
    raise unsupported(
        token.span, "a default must be a constant: a number, a text, TRUE, FALSE, NULL, an ARRAY or a MAP"
    )


def _hexadecimal(cursor: Cursor) -> bytes:
    token = cursor.next()
    try:
        return _encoder.encode(bytes.fromhex(token.text).hex())
    except ValueError:
        raise syntax(token.span, "not an even count of hexadecimal digits") from None


def _listed(cursor: Cursor, end: str, depth: int) -> list[bytes]:
    values: list[bytes] = []
    if cursor.skip(end):
        return values
    while True:
        values.append(constant(cursor, depth + 1))
        if not cursor.skip(","):
            break
    cursor.require(end)
    return values


def _map(cursor: Cursor, depth: int) -> bytes:
    """Keys of JSON are texts, whatever they stand for."""
    span = cursor.token.span
    values = _listed(cursor, "]", depth)
    if len(values) % 2:
        raise invalid(span, "a MAP is made of pairs of a key and a value")
    pairs = [
        (key if key.startswith(b'"') else b'"' + key + b'"') + b":" + value
        for key, value in zip(values[::2], values[1::2], strict=True)
    ]
    return b"{" + b",".join(pairs) + b"}"


def _number(cursor: Cursor) -> bytes:
    """As JSON writes it: with a digit before the point and behind it, and without a plus."""
    start = cursor.token.span
    sign = "-" if cursor.skip("-") else ""
    if not sign:
        cursor.skip("+")
    whole = "0" if cursor.sees(".") else _digits(cursor)
    fraction = _digits(cursor) if cursor.skip(".") else ""
    text = f"{whole}.{fraction}" if fraction else whole
    mantissa, e, exponent = text.lower().partition("e")
    integer, point, decimals = mantissa.partition(".")
    written = (
        sign + (integer.lstrip("0") or "0") + (f".{decimals or '0'}" if point else "") + (e + exponent if e else "")
    )
    try:
        msgspec.json.decode(written, type=msgspec.Raw)
    except msgspec.DecodeError:
        raise syntax(start, f"'{written}' is no number") from None
    return written.encode()


def _digits(cursor: Cursor) -> str:
    token = cursor.token
    if token.kind is not Kind.NUMBER:
        raise cursor.unexpected("a number")
    if len(token.text) > NUMBER_CHARACTERS_MAX:
        raise invalid(token.span, f"a number has at most {NUMBER_CHARACTERS_MAX} characters")
    return cursor.next().text
