"""Transit: each type, the cache, and what its bounds refuse."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stitch_examples import CLIENT_ID, as_plain

from app.model.document import decode_document
from app.web.stitch.content import Media
from app.web.stitch.errors import StitchRefusal
from app.web.stitch.json_text import Malformed
from app.web.stitch.push import read_push
from app.web.stitch.tags import Digits, Timestamp
from app.web.stitch.transit import CACHED_MAX, decode_transit


def read(value: object) -> Any:
    return decode_transit(json.dumps([value]).encode())[0]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (None, None),
        (True, True),
        (-7, -7),
        ("two", "two"),
        ("", ""),
        ("~", "~"),
        ("~~tilde", "~tilde"),
        ("~^x", "^x"),
        ("~`y", "`y"),
        ("~_", None),
        ("~?t", True),
        ("~?f", False),
        ("~i9007199254740993", 9007199254740993),
        ("~n1180591620717411303424", 1180591620717411303424),
        ("~n-1", -1),
        ("~d1.50", 1.5),
        ("~zNaN", None),
        ("~z-INF", None),
        ("~f12.340", Digits("12.340")),
        ("~f-1E+3", Digits("-1000")),
        ("~m1525107600000", Timestamp("2018-04-30T17:00:00Z")),
        ("~m-1", Timestamp("1969-12-31T23:59:59.999000Z")),
        ("~t2018-04-30T17:00:00.000Z", Timestamp("2018-04-30T17:00:00Z")),
        ("~u00000000-0000-0000-0000-000000000005", "00000000-0000-0000-0000-000000000005"),
        ("~:keyword", "keyword"),
        ("~$symbol", "symbol"),
        ("~rhttp://x/", "http://x/"),
        ("~cx", "x"),
        ("~bAQI=", "AQI="),
        ("~xunknown", "~xunknown"),
        (["~#'", "~f1"], Digits("1")),
        (["~#set", [1, "~i2"]], [1, 2]),
        (["~#list", []], []),
        (["~#m", "1525107600000"], Timestamp("2018-04-30T17:00:00Z")),
        (["~#m", 0], Timestamp("1970-01-01T00:00:00Z")),
        (["~#f", "1.10"], Digits("1.10")),
        (["~#point", [1, 2]], [1, 2]),
        ({"~#t": "2018-04-30T17:00:00Z"}, Timestamp("2018-04-30T17:00:00Z")),
        ({"~#set": [1]}, [1]),
        (["~#cmap", [["^ ", "a", 1], "x", 2, "y"]], {'{"a":1}': "x", "2": "y"}),
        (["^ "], {}),
        (["^ ", "~:id", 1, "~i5", 2, "~~x", 3], {"id": 1, "5": 2, "~x": 3}),
        ({"~:id": 1, "plain": ["^ ", "a", []]}, {"id": 1, "plain": {"a": []}}),
        ([], []),
        ([1, "~f2"], [1, Digits("2")]),
    ],
)
def test_each_type(written, value) -> None:
    assert read(written) == value


def test_numbers_of_json_keep_their_digits() -> None:
    assert str(decode_transit(b"[1.10]")[0]) == "1.10"


def test_strings_come_again_as_codes() -> None:
    body = '[["^ ","name",1,"~:kind",2],["^ ","^0",3,"^1",4],"~$symbol","^2",["~#point",[0]],["^3",[1]],"name"]'
    assert decode_transit(body.encode()) == [
        {"name": 1, "kind": 2},
        {"name": 3, "kind": 4},
        "symbol",
        "symbol",
        [0],
        [1],
        "name",
    ]


def test_short_strings_and_values_are_not_cached() -> None:
    assert decode_transit(b'[["^ ","abc","value","long","value"],["^ ","^0",1]]')[1] == {"long": 1}


@pytest.mark.parametrize("count", [44, 45, CACHED_MAX, CACHED_MAX + 1])
def test_the_cache_has_1936_places_and_begins_anew(count) -> None:
    names = [f"name{at:05d}" for at in range(count)]
    last = (count - 1) % CACHED_MAX
    code = chr(48 + last) if last < 44 else chr(48 + last // 44) + chr(48 + last % 44)
    body = [["^ ", *(part for name in names for part in (name, 1))], ["^ ", f"^{code}", 2]]
    assert decode_transit(json.dumps(body).encode())[1] == {names[-1]: 2}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b'["^0"]',
        b'["^!"]',
        b'["^ab~"]',
        b'["^"]',
        b'["~#x"]',
        b'["~#x",1,2]',
        b'[1,"~#set"]',
        b'[["^ ","a"]]',
        b'[["^ ",["~#x",1]]]',
        b'[{"~#x":1,"b":2}]',
        b'["~ix"]',
        b'["~i1.5"]',
        b'["~n1_0"]',
        b'["~n\xd9\xa1"]',
        b'["~fNaN"]',
        b'["~f1_0"]',
        b'["~f1e5000"]',
        b'["~dx"]',
        b'["~?x"]',
        b'["~mx"]',
        b'["~m99999999999999999999"]',
        b'["~t2018"]',
        b'["~t2018-04-30T17:00:00"]',
        b'[["~#cmap",[1]]]',
        b'[["~#cmap",1]]',
        b"[" * 200 + b"]" * 200,
        b"[" * 5000,
    ],
)
def test_what_is_no_transit_is_malformed(body) -> None:
    with pytest.raises(Malformed):
        decode_transit(body)


def test_codes_cannot_be_made_to_stand_for_more_than_memory_has() -> None:
    keyword = "~:" + "x" * 1_000_000
    with pytest.raises(Malformed, match="expand to more than"):
        decode_transit(json.dumps([keyword, *["^0"] * 50]).encode())


def push(body: str) -> list[bytes]:
    return read_push(body.encode(), Media.TRANSIT, CLIENT_ID)


def test_a_push_as_the_python_client_writes_it() -> None:
    first, second, third = push(
        '[["^ ","action","upsert","sequence",1565880017,"data",["^ ","id",1,"name","Finn"],"key_names",["id"],'
        '"client_id",7723,"table_name","customers"],["^ ","^0","upsert","^1","~n9223372036854775807","^2",["^ ","id",2,'
        '"^3","Jake","when","~m1525107600000","d","~f12.340","f",1.50,"~~t","mine","u","~:kw"],"^4",["id"],"^5",7723,'
        '"^6","customers"],["^ ","^0","~:switch_view","^6","customers","^1","~i5","^5",7723,"table_version",3]]'
    )
    assert as_plain(first)["data"] == {"id": 1, "name": "Finn"}
    message = decode_document(second)
    assert (message.sequence, message.key_names) == (2**63 - 1, ("id",))
    assert bytes(message.data) == (
        b'{"id":2,"name":"Jake","when":{"~t":"2018-04-30T17:00:00Z"},"d":{"~d":"12.340"},"f":1.50,"~~t":"mine","u":"kw"}'
    )
    assert (as_plain(third)["action"], as_plain(third)["table_version"]) == ("activate", 3)


@pytest.mark.parametrize("body", ['["^ ","action","upsert"]', '{"action":"upsert"}', "[1]", "1", '"~:x"'])
def test_the_root_of_transit_is_an_array_of_maps_too(body) -> None:
    with pytest.raises(StitchRefusal) as raised:
        push(body)
    assert raised.value.content == {"status": "ERROR", "message": "An array of records is expected"}


class Writer:
    """Writes Transit as its specification says, with the cache."""

    def __init__(self) -> None:
        self.cached: dict[str, str] = {}

    def write(self, value: Any) -> Any:
        match value:
            case dict():
                pairs = [
                    part for key, member in value.items() for part in (self.string(key, key=True), self.write(member))
                ]
                return ["^ ", *pairs]
            case list():
                return [self.write(element) for element in value]
            case str():
                return self.string(value)
            case bool() | None:
                return value
            case int():
                return value if abs(value) < 2**53 else f"~i{value}" if abs(value) < 2**63 else f"~n{value}"
            case datetime():
                return f"~m{round(value.timestamp() * 1000)}"
        raise TypeError(value)

    def string(self, text: str, *, key: bool = False) -> str:
        text = f"~{text}" if text[:1] in {"~", "^", "`"} and text[:1] else text
        if not key or len(text) < 4:
            return text
        if text in self.cached:
            return self.cached[text]
        if len(self.cached) == CACHED_MAX:
            self.cached.clear()
        place = len(self.cached)
        self.cached[text] = "^" + (chr(48 + place) if place < 44 else chr(48 + place // 44) + chr(48 + place % 44))
        return text


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["~:x", "^ ", "^0", "`", "name", "name2"])
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 -- given a zone below
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | MOMENTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(VALUES, max_size=5))
def test_what_is_written_is_read(values) -> None:
    body = json.dumps(Writer().write(values)).encode()
    assert decode_transit(body) == as_read(values)


def as_read(value: Any) -> Any:
    if isinstance(value, datetime):
        return Timestamp(value.isoformat().replace("+00:00", "Z"))
    if isinstance(value, dict):
        return {name: as_read(member) for name, member in value.items()}
    return [as_read(element) for element in value] if isinstance(value, list) else value


MARKS = st.sampled_from(
    ["^ ", "^0", "^1", "~#set", "~#cmap", "~#'", "~i1", "~f1", "~m0", "~t", "~", "~#", "^", "~:abcd"]
)
PIECES = st.recursive(
    MARKS | st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MARKS, inner, max_size=2),
    max_leaves=15,
)


@given(PIECES)
def test_whatever_comes_is_read_or_malformed(value) -> None:
    try:
        read_value = decode_transit(json.dumps(value).encode())
    except Malformed as error:
        assert str(error)  # noqa: PT017 -- either is right
    else:
        json.dumps(read_value, default=lambda tag: tag.text)
