from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.document import DocumentAction, DocumentMessage, decode_document, encode_document, needs_tags, tagged


def test_a_message_comes_back_with_the_digits_it_had():
    data = b'{"id": 12345678901234567890123, "price": 1.10, "n": {"a": [1e400, null]}}'
    message = DocumentMessage(
        "orders", DocumentAction.UPSERT, -(2**63), msgspec.Raw(data), ("id",), 3, "2024-01-02T03:04:05Z"
    )
    again = decode_document(encode_document(message))
    assert bytes(again.data) == data
    assert msgspec.structs.replace(again, data=message.data) == message


def test_an_activation_needs_no_data():
    message = decode_document(b'{"table_name":"t","action":"activate","sequence":1,"table_version":7}')
    assert (message.action, bytes(message.data), message.key_names) == (DocumentAction.ACTIVATE, b"{}", ())


def test_what_json_has_no_type_for_is_tagged_and_text_stays_text():
    at = datetime(2020, 1, 13, 22, 25, 3, 4, tzinfo=timezone(timedelta(hours=1)))
    value = {"at": at, "price": Decimal("12.340"), "~t": "mine", "list": [at, "2020-01-13T21:25:03Z"], "none": None}
    assert tagged(value) == {
        "at": {"~t": "2020-01-13T21:25:03.000004Z"},
        "price": {"~d": "12.340"},
        "~~t": "mine",
        "list": [{"~t": "2020-01-13T21:25:03.000004Z"}, "2020-01-13T21:25:03Z"],
        "none": None,
    }
    assert tagged(datetime(2020, 1, 1, tzinfo=UTC)) == {"~t": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize("text", [b'{"~t":1}', b'{"a":[{"\\u007ex":1}]}', b'{"\\u007Ex":1}'])
def test_a_member_like_a_tag_is_noticed_however_it_is_written(text):
    assert needs_tags(text)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
def test_data_that_needs_no_tags_is_its_own_tagged_form(data):
    if not needs_tags(msgspec.json.encode(data)):
        assert tagged(data) == data
