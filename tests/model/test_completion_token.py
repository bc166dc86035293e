from base64 import urlsafe_b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import CompletionTokenMalformed
from app.model.completion_token import (
    OFFSET_MAX,
    CompletionToken,
    decode_completion_token,
    encode_completion_token,
)

TOKENS = st.builds(
    CompletionToken, st.text(), st.text(), st.integers(0, 2**31), st.one_of(st.integers(0, OFFSET_MAX), st.just(0))
)


def text_of(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


@given(TOKENS)
def test_a_token_is_read_as_it_was_written_and_its_text_needs_no_quoting(token):
    text = encode_completion_token(token)
    assert decode_completion_token(text) == token
    assert text.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "e30",  # {}
        "!!!",
        "a",
        "é",
        "e30=",
        text_of(b"[]"),
        text_of(b'{"x":"u","l":"a","p":0}'),
        text_of(b'{"x":"u","l":"a","p":-1,"e":1}'),
        text_of(b'{"x":"u","l":"a","p":0,"e":-1}'),
        text_of(b'{"x":"u","l":"a","p":0,"e":9007199254740992}'),
        text_of(b'{"x":"u","l":"a","p":0,"e":"1"}'),
        text_of(b"\xff\xfe"),
    ],
)
def test_anything_else_is_malformed_and_why_is_said(text):
    with pytest.raises(CompletionTokenMalformed) as refusal:
        decode_completion_token(text)
    assert str(refusal.value)


@given(st.text(max_size=40))
def test_no_text_breaks_it(text):
    with suppress(CompletionTokenMalformed):
        decode_completion_token(text)
