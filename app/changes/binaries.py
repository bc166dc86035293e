"""Bytes and UUIDs, from their texts to canonical ones. All raise ValueRefused."""

import re

from app.changes.refused import ValueRefused, quoted, wrong_value

BASE58_CHARACTERS_MAX = 8192
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {character: digit for digit, character in enumerate(_ALPHABET)}
_HYPHENATED = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_UUID = re.compile(rf"(?:urn:uuid:)?({_HYPHENATED})|\{{({_HYPHENATED})\}}|([0-9a-fA-F]{{32}})")
_HEXADECIMAL = re.compile("[0-9a-fA-F]*")


def hexadecimal(text: str) -> str:
    """Of hexadecimal digits, with `0x` before them or not."""
    digits = text.removeprefix("0x")
    if not _HEXADECIMAL.fullmatch(digits):
        raise wrong_value(f"string {quoted(text)}", "hexadecimal digits")
    if len(digits) % 2:
        raise ValueRefused("odd number of hexadecimal digits")
    return digits.lower()


def base58(text: str) -> str:
    """Of digits to the base 58, in Bitcoin's alphabet."""
    if len(text) > BASE58_CHARACTERS_MAX:
        raise ValueRefused(f"a base58 string has more than {BASE58_CHARACTERS_MAX} characters")
    number = 0
    for character in text:
        digit = _DIGITS.get(character)
        if digit is None:
            raise wrong_value(f"string {quoted(text)}", "base58 digits")
        number = number * len(_ALPHABET) + digit
    zeros = len(text) - len(text.lstrip(_ALPHABET[0]))
    return (bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)).hex()


def uuid(text: str) -> str:
    """Of 32 hexadecimal digits: with or without hyphens, in braces, or behind `urn:uuid:`."""
    match = _UUID.fullmatch(text)
    if match is None:
        raise wrong_value(f"string {quoted(text)}", "a UUID")
    digits = (match[1] or match[2] or match[3]).replace("-", "").lower()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
