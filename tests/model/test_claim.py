from app.model.claim import Claim, decode_claims, encode_claims, key_hash
from tests.fakes import an_event


def test_claims_are_read_as_they_were_written():
    claims = [Claim(b"k" * 16, 1 << 60, "life", 1 << 40, 1 << 31), Claim(b"l" * 16, 0, "life", 0, 0)]
    message = decode_claims(encode_claims(claims, token="t", until_us=7))
    assert (message.token, message.log_id, message.until_us, message.unpacked()) == ("t", "life", 7, claims)


def test_a_key_belongs_to_its_receiver():
    named = [("r", "h:1"), ("r", "h:2"), ("s", "h:1"), ("rh", ":1"), ("", "rh:1")]
    hashes = {key_hash(an_event(receiver=receiver, key=key)) for receiver, key in named}
    assert len(hashes) == len(named)
    assert key_hash(an_event("a", key="k")) == key_hash(an_event("b", arrival_us=9, key="k"))
