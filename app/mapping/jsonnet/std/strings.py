"""Strings: cutting, joining, searching, changing."""

import string
from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import FREE, ITSELF, LOOKS, SIZES
from app.mapping.jsonnet.kinds import expect, kind_of
from app.mapping.jsonnet.limits import CHARACTERS_PER_STEP, ELEMENTS_PER_STEP
from app.mapping.jsonnet.operators import add, element, equals
from app.mapping.jsonnet.outcomes import GaveUp
from app.mapping.jsonnet.std.library import Library, length_of, only_text
from app.mapping.jsonnet.std.mathematics import number_of
from app.mapping.jsonnet.texts import to_text
from app.mapping.jsonnet.thunks import force

library = Library()

_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_BLANK = " \t\n\f\r\u0085\u00a0"
_SURROGATES = range(0xD800, 0xE000)
_CODEPOINTS = 0x110000
_CHARACTERS_TO_LOOK_UP_PER_STEP = 4


def text_of(value: Any, what: str) -> str:
    """The string. Raises MappingFailed."""
    text: str = expect(value, "string", what)
    return text


@library.define("substr(str, from, len)", ITSELF)
def _substr(_computation: Computation, text: Any, begin: Any, length: Any) -> str:
    whole = text_of(text, "std.substr")
    at, count = int(number_of(begin, "std.substr")), int(number_of(length, "std.substr"))
    if at < 0 or count < 0:
        raise MappingFailed("substr parameters should be greater than zero")
    return whole[at : at + count]


@library.define("startsWith(a, b)", LOOKS)
def _starts_with(computation: Computation, whole: Any, part: Any) -> bool:
    if length_of(whole) < length_of(part):
        return False
    computation.charge_text(length_of(part))
    return type(part) is str and text_of(whole, "std.startsWith").startswith(part)


@library.define("endsWith(a, b)", LOOKS)
def _ends_with(computation: Computation, whole: Any, part: Any) -> bool:
    if length_of(whole) < length_of(part):
        return False
    computation.charge_text(length_of(part))
    return type(part) is str and text_of(whole, "std.endsWith").endswith(part)


def _strip(computation: Computation, text: Any, chars: Any, *, left: bool, right: bool) -> str:
    whole = only_text(text)
    if not whole:
        return whole
    chars = force(chars)
    if type(chars) is list:
        computation.charge(len(chars))
        chars = "".join([one for at in range(len(chars)) if type(one := element(chars, at)) is str and len(one) == 1])
    if type(chars) is not str:
        raise MappingFailed("std.member first argument must be an array or a string")
    if not chars:
        return whole
    computation.charge(len(chars) // _CHARACTERS_TO_LOOK_UP_PER_STEP)
    unlike = "".join(dict.fromkeys(chars))
    computation.charge((1 + len(unlike)) * len(whole) // CHARACTERS_PER_STEP)  # each is looked for in all of them
    if left:
        whole = whole.lstrip(unlike)
    return whole.rstrip(unlike) if right else whole


@library.define("stripChars(str, lazy chars)", ITSELF)
def _strip_chars(computation: Computation, text: Any, chars: Any) -> str:
    return _strip(computation, text, chars, left=True, right=True)


@library.define("lstripChars(str, lazy chars)", ITSELF)
def _lstrip_chars(computation: Computation, text: Any, chars: Any) -> str:
    return _strip(computation, text, chars, left=True, right=False)


@library.define("rstripChars(str, lazy chars)", ITSELF)
def _rstrip_chars(computation: Computation, text: Any, chars: Any) -> str:
    return _strip(computation, text, chars, left=False, right=True)


@library.define("trim(str)", ITSELF)
def _trim(computation: Computation, text: Any) -> str:
    return _strip(computation, text, _BLANK, left=True, right=True)


@library.define("stringChars(str)", ITSELF)
def _string_chars(computation: Computation, text: Any) -> list[str]:
    whole = only_text(text)
    computation.charge(len(whole))
    return list(whole)


@library.define("codepoint(str)", FREE)
def _codepoint(_computation: Computation, text: Any) -> float:
    one = text_of(text, "std.codepoint")
    if len(one) != 1:
        raise MappingFailed(f"codepoint takes a string of length 1, got length {len(one)}")
    return float(ord(one))


@library.define("char(n)", FREE)
def _char(_computation: Computation, number: Any) -> str:
    return char_of(number_of(number, "std.char"))


def char_of(number: float) -> str:
    """The character with that code point. Raises MappingFailed."""
    code = int(number)
    if not 0 <= code < _CODEPOINTS:
        raise MappingFailed(f"invalid unicode codepoint, got {code}")
    if code == 0 or code in _SURROGATES:  # with these the interpreter has its difficulties
        raise GaveUp
    return chr(code)


# numbers in strings


def _natural(computation: Computation, text: str, base: int) -> float:
    computation.charge(len(text))
    number = 0.0
    for letter in text:
        digit = _digit(letter)
        if not 0 <= digit < base:
            raise MappingFailed(f"{text} is not a base {base} integer")
        number = base * number + digit
    if number == float("inf"):
        raise MappingFailed("overflow")
    return number


def _digit(letter: str) -> int:
    if letter >= "a":
        return ord(letter) - ord("a") + 10
    return ord(letter) - ord("A") + 10 if letter >= "A" else ord(letter) - ord("0")


@library.define("parseInt(str)", ITSELF)
def _parse_int(computation: Computation, text: Any) -> float:
    digits = text_of(text, "std.parseInt")
    if digits in {"", "-"}:
        raise MappingFailed(f'Not an integer: "{digits}"')
    return -_natural(computation, digits[1:], 10) if digits[0] == "-" else _natural(computation, digits, 10)


@library.define("parseOctal(str)", ITSELF)
def _parse_octal(computation: Computation, text: Any) -> float:
    digits = text_of(text, "std.parseOctal")
    if not digits:
        raise MappingFailed('Not an octal number: ""')
    return _natural(computation, digits, 8)


@library.define("parseHex(str)", ITSELF)
def _parse_hex(computation: Computation, text: Any) -> float:
    digits = text_of(text, "std.parseHex")
    if not digits:
        raise MappingFailed('Not hexadecimal: ""')
    return _natural(computation, digits, 16)


# cutting and changing


def _cut(computation: Computation, text: Any, separator: Any, splits: int, *, from_right: bool = False) -> list[str]:
    whole, by = text_of(text, "std.split"), text_of(separator, "std.split")
    if not by:
        raise MappingFailed("std.splitLimit second parameter must have length 1 or greater, got 0")
    computation.charge_search(whole, by)
    computation.charge(whole.count(by))
    computation.charge_search(whole, by)
    splits = max(-1, min(splits, len(whole)))  # C takes no larger ones
    return whole.rsplit(by, splits) if from_right else whole.split(by, splits)


@library.define("split(str, c)", ITSELF)
def _split(computation: Computation, text: Any, separator: Any) -> list[str]:
    return _cut(computation, text, separator, -1)


@library.define("splitLimit(str, c, maxsplits)", ITSELF)
def _split_limit(computation: Computation, text: Any, separator: Any, splits: Any) -> list[str]:
    count = int(number_of(splits, "std.splitLimit"))
    if text == "" and separator == "":
        return [""]
    return _cut(computation, text, separator, count)


@library.define("splitLimitR(str, c, maxsplits)", ITSELF)
def _split_limit_r(computation: Computation, text: Any, separator: Any, splits: Any) -> list[str]:
    limit = number_of(splits, "std.splitLimitR")
    return _cut(computation, text, separator, int(limit), from_right=limit != -1)


@library.define("strReplace(str, from, to)", ITSELF)
def _str_replace(computation: Computation, text: Any, old: Any, new: Any) -> str:
    whole, gone, put = (text_of(value, "std.strReplace") for value in (text, old, new))
    if not gone:
        raise MappingFailed("'from' string must not be zero length.")
    computation.charge_search(whole, gone)
    count = whole.count(gone)
    computation.charge(count // ELEMENTS_PER_STEP)
    computation.charge_text(len(whole) + count * (len(put) - len(gone)))
    computation.charge_search(whole, gone)
    return whole.replace(gone, put)


@library.define("asciiUpper(str)", SIZES)
def _ascii_upper(computation: Computation, text: Any) -> str:
    whole = text_of(text, "std.asciiUpper")
    if whole.isascii():
        return whole.upper()
    computation.charge(len(whole) // _CHARACTERS_TO_LOOK_UP_PER_STEP)
    return whole.translate(_UPPER)


@library.define("asciiLower(str)", SIZES)
def ascii_lower(computation: Computation, text: Any) -> str:
    """Small letters for those of ASCII."""
    whole = text_of(text, "std.asciiLower")
    if whole.isascii():
        return whole.lower()
    computation.charge(len(whole) // _CHARACTERS_TO_LOOK_UP_PER_STEP)
    return whole.translate(_LOWER)


@library.define("equalsIgnoreCase(str1, str2)", ITSELF)
def _equals_ignore_case(computation: Computation, a: Any, b: Any) -> bool:
    return equals(computation, ascii_lower(computation, a), ascii_lower(computation, b))


@library.define("findSubstr(pat, str)", ITSELF)
def find_substr(computation: Computation, part: Any, whole: Any) -> list[float]:
    """Where a part begins, overlapping or not."""
    wanted, text = text_of(part, "findSubstr"), text_of(whole, "findSubstr")
    places: list[float] = []
    computation.charge_search(text, wanted)
    at = text.find(wanted) if wanted else -1
    while at >= 0:
        computation.charge(1 + len(wanted) // ELEMENTS_PER_STEP)  # each search prepares itself anew
        places.append(float(at))
        at = text.find(wanted, at + 1)
    return places


@library.define("resolvePath(f, r)", ITSELF)
def _resolve_path(computation: Computation, path: Any, relative: Any) -> str:
    folders = _cut(computation, path, "/", -1)[:-1]
    parts = folders if relative is None else [*folders, text_of(relative, "std.resolvePath")]
    return _join_texts(computation, "/", parts)


# joining


@library.define("join(sep, arr)", ITSELF)
def join(computation: Computation, separator: Any, array: Any) -> Any:
    """Strings to a string, arrays to an array; null is left out."""
    if type(separator) is not list and type(separator) is not str:
        raise MappingFailed("join first parameter should be string or array")
    expect(array, "array", "join second parameter")
    computation.charge(len(array))
    parts = [part for at in range(len(array)) if (part := element(array, at)) is not None]
    for part in parts:
        if type(part) is not type(separator):
            raise MappingFailed(f"expected {kind_of(separator)} but an element was {kind_of(part)}")
    if type(separator) is list:
        return _join_arrays(computation, separator, parts)
    return _join_texts(computation, str(separator), parts)


def _join_texts(computation: Computation, separator: str, parts: list[str]) -> str:
    computation.charge_joined(parts, len(separator) * len(parts))
    return separator.join(parts)


def _join_arrays(computation: Computation, separator: list[Any], parts: list[list[Any]]) -> list[Any]:
    computation.charge(sum(map(len, parts)) + len(separator) * len(parts))
    joined: list[Any] = []
    for at, part in enumerate(parts):
        if at:
            joined += separator
        joined += part
    return joined


@library.define("lines(arr)", ITSELF)
def _lines(computation: Computation, array: Any) -> Any:
    return join(computation, "\n", add(computation, array, [""]))


@library.define("deepJoin(arr)", ITSELF)
def deep_join(computation: Computation, value: Any) -> str:
    """All strings of nested arrays, one after the other."""
    if type(value) is str:
        return value
    if type(value) is not list:
        raise MappingFailed("Expected string or array")
    computation.charge(2 * len(value))
    return _join_texts(computation, "", [deep_join(computation, element(value, at)) for at in range(len(value))])


# for other languages


def _replaced(computation: Computation, text: str, letter: str, escape: str) -> str:
    count = text.count(letter)
    computation.charge(count // ELEMENTS_PER_STEP)
    computation.charge_text(len(text) + count * len(escape))
    return text.replace(letter, escape)


@library.define("escapeStringBash(str_)", ITSELF)
def _escape_bash(computation: Computation, value: Any) -> str:
    return "'" + _replaced(computation, to_text(value, computation), "'", "'\"'\"'") + "'"


@library.define("escapeStringDollars(str_)", ITSELF)
def _escape_dollars(computation: Computation, value: Any) -> str:
    return _replaced(computation, to_text(value, computation), "$", "$$")


_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}  # & first: the others bring new ones


@library.define("escapeStringXML(str_)", ITSELF)
def _escape_xml(computation: Computation, value: Any) -> str:
    text = to_text(value, computation)
    for letter, escape in _XML.items():
        text = _replaced(computation, text, letter, escape)
    return text
