import pytest

from app.mapping.paths import MISSING, look_up, parse_path


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("", ()),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ("[0]", (0,)),
        ("a[0][1]", ("a", 0, 1)),
        ("a.0", ("a", "0")),
        ("a[-1]", ("a", "-1]")),
        ("..a..b[", ("a", "b")),
        ("a[x]", ("a", "x]")),
        ("0]", (0,)),
        ("[007]", (7,)),
        ("[" + "9" * 5000 + "]", (2**63 - 1,)),
    ],
)
def test_a_path_is_cut_at_dots_and_brackets(text, steps):
    assert parse_path(text) == steps


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", {"a": [1, {"b": None}], "0": "zero"}),
        ("a[1].b", None),
        ("0", "zero"),
        ("a[2]", MISSING),
        ("a.b", MISSING),
        ("[0]", MISSING),
        ("0.x", MISSING),
        ("0[0]", MISSING),
        ("a[1].b.c", MISSING),
    ],
)
def test_a_value_is_found_by_its_path(path, found):
    body = {"a": [1, {"b": None}], "0": "zero"}
    assert look_up(body, parse_path(path)) == found
