import msgspec
import pytest

from app.errors import MappingFailed
from app.mapping.headers import canonical_name


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        ("content-type", "Content-Type"),
        ("X-API-KEY", "X-Api-Key"),
        ("x--a-", "X--A-"),
        ("sec-WebSocket-key", "Sec-Websocket-Key"),
        ("with blank", "with blank"),
        ("", ""),
    ],
)
def test_header_names_are_spelled_as_go_does(sent, canonical):
    assert canonical_name(sent) == canonical


def test_of_headers_with_one_name_the_first_counts_and_host_is_apart(arrived):
    event = arrived(headers=[("host", "a.b"), ("x-b", "1"), ("X-B", "2"), ("accept", "*/*")])
    assert event.headers.values == {"Accept": "*/*", "X-B": "1"}
    assert event.headers.json == '{"Accept":"*/*","X-B":"1"}'
    assert event.headers.lines == "Accept: */*\nX-B: 1\n"


def test_lines_of_headers_are_sorted_as_lines(arrived):
    assert arrived(headers=[("A", "1"), ("A-B", "2")]).headers.lines == "A-B: 2\nA: 1\n"
    assert arrived(headers=()).headers.lines == ""
    assert arrived(headers=()).headers.json == "{}"


def test_headers_are_escaped_as_go_does(arrived):
    json = arrived(headers=[("A", '<a&b> "q" \\ \u2028\u2029 é\t')]).headers.json
    assert json == '{"A":"\\u003ca\\u0026b\\u003e \\"q\\" \\\\ \\u2028\\u2029 é\\t"}'


def test_header_bytes_that_were_not_utf8_become_replacement_characters(arrived):
    assert arrived(headers=[("A", "x\udcff")]).headers.json == '{"A":"x\ufffd"}'


def test_equal_headers_are_worked_out_once(arrived):
    assert arrived().headers is arrived().headers


def test_the_datetime_is_cut_to_milliseconds(arrived):
    assert arrived(arrival_us=1_136_189_045_123_999).datetime == "2006-01-02T08:04:05.123Z"
    assert arrived(arrival_us=1_136_189_045_000_000).datetime == "2006-01-02T08:04:05.000Z"
    assert arrived(arrival_us=1_136_189_045_000_999).arrived_at.isoformat() == "2006-01-02T08:04:05.000999+00:00"


def test_a_body_that_is_not_utf8_has_no_text(arrived):
    event = arrived(b"ab\xff")
    for _ in range(2):
        with pytest.raises(MappingFailed, match="the body is not UTF-8 at byte 2"):
            _ = event.body_text


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/vnd.api+json",
        "application/json;charset=UTF-8 ",
    ],
)
def test_json_is_told_by_its_media_type(arrived, content_type):
    assert arrived('{"a":1}', [("content-type", content_type)]).body_parsed == {"a": 1}


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/jsonx", ""])
def test_other_media_types_are_not_parsed(arrived, content_type):
    with pytest.raises(MappingFailed) as failure:
        _ = arrived("{}", [("Content-Type", content_type)]).body_parsed
    assert str(failure.value) == (
        f'Unsupported content type "{content_type}", '
        "supported types: application/json and application/x-www-form-urlencoded"
    )


@pytest.mark.parametrize("body", ["[1,2]", "3", '"x"', "null", "true"])
def test_a_json_body_may_be_anything(arrived, body):
    assert msgspec.json.encode(arrived(body).body_parsed).decode() == body


def test_the_last_of_equal_keys_wins(arrived):
    assert arrived('{"a":1,"a":2}').body_parsed == {"a": 2}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{...", "Invalid JSON: "),
        (b"", "Invalid JSON: "),
        (b"NaN", "Invalid JSON: "),
        (b"[Infinity]", "Invalid JSON: "),
        (b"[1,]", "Invalid JSON: "),
        (b'"\xff"', "Invalid JSON: not UTF-8"),
        (b"[" * 100_000, "Invalid JSON: nested too deep"),
        (b'{"a":' * 100_000, "Invalid JSON: nested too deep"),
        (b"\xef\xbb\xbf{}", "Invalid JSON: "),
        (b'"\\u12"', "Invalid JSON: "),
    ],
)
def test_a_broken_json_body_is_refused_with_a_reason(arrived, body, reason):
    with pytest.raises(MappingFailed) as failure:
        _ = arrived(body).body_parsed
    assert str(failure.value).startswith(reason)


@pytest.mark.parametrize(
    "number",
    [
        "1",
        "-12345678901234567890123456789",
        "1234567890.123456789012",
        "1e400",
        "1.0",
        "-0.00",
        "1E-999",
        "9" * 5000,
        "-" + "9" * 4299,
    ],
)
def test_numbers_keep_their_digits(arrived, number):
    assert msgspec.json.encode(arrived(f"[{number}]").body_parsed).decode() == f"[{number}]"


def test_half_a_surrogate_pair_becomes_a_replacement_character(arrived):
    body = r'["\ud800", "\udc00x", "\ud83d\ude00", "\\ud800", "\uD800\ud83d\ude00"]'
    assert arrived(body).body_parsed == ["\ufffd", "\ufffdx", "\U0001f600", "\\ud800", "\ufffd\U0001f600"]


def test_nul_is_a_character(arrived):
    assert arrived(r'{"a\u0000":"\u0000b"}').body_parsed == {"a\x00": "\x00b"}
    assert arrived(b"a\x00b").body_text == "a\x00b"


def test_templates_see_forms_with_brackets_in_the_names(form):
    event = form("one=two&five=&six&seven[]=eight&seven[]=nine&p=1+1%20%C3%A9")
    assert event.body_parsed == {
        "one": "two",
        "five": "",
        "six": "",
        "seven[]": ["eight", "nine"],
        "p": "1 1 é",
    }


@pytest.mark.parametrize(
    ("body", "nested"),
    [
        ("", {}),
        ("&&", {}),
        ("a=1&a=2", {"a": ["1", "2"]}),
        ("k[x]=1&k[y]=2", {"k": {"x": "1", "y": "2"}}),
        ("k[]=1&k[]=2", {"k": ["1", "2"]}),
        ("k[0][x]=1&k[1][x]=2", {"k": [{"x": "1"}, {"x": "2"}]}),
        ("k[0]=a&k[2]=c", {"k": ["a", None, "c"]}),
        ("k[1]=b&k[]=c", {"k": [None, "b", "c"]}),
        ("k[0]=a&k[x]=b", {"k": {"0": "a", "x": "b"}}),
        ("k[a=1&]=2&k]x[=3", {"k[a": "1", "]": "2", "k]x[": "3"}),
        ("k%5Bx%5D=1", {"k": {"x": "1"}}),
        ("k[00]=a", {"k": ["a"]}),
    ],
)
def test_paths_see_forms_nested(form, body, nested):
    assert form(body).body_nested == nested


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("a=%zz", 'Invalid form data: invalid URL escape "%zz"'),
        ("a=%4", 'Invalid form data: invalid URL escape "%4"'),
        ("a=1;b=2", "Invalid form data: invalid semicolon separator in query"),
        ("a=%ff", "Invalid form data: not UTF-8"),
        ("k=1&k[x]=2", 'Invalid form data: "k[x]" leads through a value'),
        ("k[x]=1&k=2", 'Invalid form data: "k" is a value and has members'),
        ("k[99999999]=1", "Invalid form data: more than 10000 holes in arrays"),
        ("&".join(f"k{n}[9]=1" for n in range(2000)), "Invalid form data: more than 10000 holes in arrays"),
        ("k" + "[a]" * 1000 + "=1", "Invalid form data: more than 100 levels of brackets"),
    ],
)
def test_a_broken_form_is_refused_with_a_reason(form, body, reason):
    with pytest.raises(MappingFailed) as failure:
        _ = form(body).body_nested
    assert str(failure.value) == reason


def test_a_json_body_looks_the_same_to_paths_and_templates(arrived):
    event = arrived('{"k[x]":1}')
    assert event.body_nested is event.body_parsed
