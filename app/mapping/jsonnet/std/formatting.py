"""`%`: the remainder of numbers, and `std.format` of strings."""

from typing import Any

from app.errors import MappingFailed
from app.mapping.jsonnet.computation import Computation
from app.mapping.jsonnet.costs import ITSELF
from app.mapping.jsonnet.doubles import NUMBERS, double
from app.mapping.jsonnet.kinds import kind_of
from app.mapping.jsonnet.members import has_member, member
from app.mapping.jsonnet.operators import element, remainder
from app.mapping.jsonnet.std.conversions import convert, padded
from app.mapping.jsonnet.std.format_codes import STAR, FormatCode, read_format
from app.mapping.jsonnet.std.library import Library
from app.mapping.jsonnet.std.strings import text_of

library = Library()

_CHARACTERS_PER_STEP, _STEPS_PER_CODE = 4, 8


@library.define("mod(a, b)", ITSELF)
def modulo(computation: Computation, left: Any, right: Any) -> Any:
    """`left % right`."""
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return remainder(double(left), double(right))
    if type(left) is str:
        return format_text(computation, left, right)
    raise MappingFailed(f"Operator % cannot be used on types {kind_of(left)} and {kind_of(right)}.")


@library.define("format(str, vals)", ITSELF)
def format_text(computation: Computation, text: Any, values: Any) -> str:
    """Put the values where the text has codes."""
    whole = text_of(text, "std.format")
    computation.charge(len(whole) // _CHARACTERS_PER_STEP + whole.count("%") * _STEPS_PER_CODE)
    parts = read_format(whole)
    if kind_of(values) == "object":
        texts = [part if isinstance(part, str) else _of_object(computation, part, values) for part in parts]
    else:
        texts = _of_array(computation, parts, values if type(values) is list else [values])
    computation.charge_joined(texts)
    return "".join(texts)


def _of_object(computation: Computation, code: FormatCode, values: Any) -> str:
    if STAR in {code.width, code.precision}:
        raise MappingFailed("Cannot use * field width or precision with object.")
    if code.letter == "%":
        return padded(computation, code, "%", code.width)
    if code.key is None:
        raise MappingFailed("Mapping keys required.")
    if not has_member(computation, values, code.key, hidden=True):
        raise MappingFailed(f"No such field: {code.key}")
    text = convert(computation, code, member(computation, values, code.key), code.width, code.precision)
    return padded(computation, code, text, code.width)


def _of_array(computation: Computation, parts: tuple[str | FormatCode, ...], values: list[Any]) -> list[str]:
    texts: list[str] = []
    at = 0
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        width, precision = part.width, part.precision
        if width == STAR:
            width, at = _value(values, at), at + 1
        if precision == STAR:
            precision, at = _value(values, at), at + 1
        if part.letter == "%":
            texts.append(padded(computation, part, "%", width))
            continue
        text = convert(computation, part, _value(values, at), width, precision)
        texts.append(padded(computation, part, text, width))
        at += 1
    if at < len(values):
        raise MappingFailed(f"Too many values to format: {len(values)}, expected {at}")
    return texts


def _value(values: list[Any], at: int) -> Any:
    if at >= len(values):
        raise MappingFailed(f"Not enough values to format: {len(values)}, expected more than {at}")
    return element(values, at)
