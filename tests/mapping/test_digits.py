import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mapping.digits import Digits, printed
from app.mapping.json_text import parse_json

numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@given(st.lists(numbers, min_size=1, max_size=8))
def test_what_passes_through_keeps_its_value(literals):
    text = "[" + ",".join(literals) + "]"
    body = parse_json(text.encode())
    digits = Digits(body, text)
    for number, literal in zip(body, literals, strict=True):
        if isinstance(number, int) and abs(number) <= 2**53:
            continue
        double = digits.double(number)
        shown = digits.restore(printed(double))
        assert shown == literal or float(shown) == float(literal)
        if shown != literal:  # only what a double holds exactly may be written otherwise
            assert printed(float(literal)) == shown


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[42.1]", "[42.1]"),
        ("[1.50,1.0,1e3]", "[1.5,1,1000]"),
        ("[12345678901234567890,12345678901234567891]", "[12345678901234567890,12345678901234567891]"),
        ("[12345678901234567890,12345678901234567168]", "[12345678901234567890,12345678901234567168]"),
        ("[1e400,-1e400,1e401,1e-400,0]", "[1e400,-1e400,1e401,1e-400,0]"),
        ("[5817463710523310.3,4503599627370495.9]", "[5817463710523310.3,4503599627370495.9]"),
        ("[5000000000000000.1,5e15]", "[5000000000000000.1,5000000000000000]"),
        ("[1.00000000000000000001,1]", "[1.00000000000000000001,1]"),
    ],
)
def test_different_numbers_stay_different(body, expected):
    values = parse_json(body.encode())
    digits = Digits(values, body)
    shown = [value if isinstance(value, int) and value < 2**53 else printed(digits.double(value)) for value in values]
    assert digits.restore(str(shown).replace("'", "").replace(" ", "")) == expected


def test_only_the_stand_in_itself_is_replaced():
    digits = Digits(parse_json(b"[42.1]"), "42.100000000000001")
    assert digits.restore("42.100000000000001") == "42.100000000000001"
    assert digits.restore(printed(digits.double(parse_json(b"42.1")))) == "42.1"
    assert digits.restore("142.100000000000001") == "142.100000000000001"
