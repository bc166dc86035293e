"""What every index of claims promises."""

import pytest

from app.claims.index import Mark
from app.claims.rocks import RocksClaimIndex
from app.errors import ClaimsFailed
from app.model.claim import Claim
from tests.fakes import ClaimDisk, FakeClaimIndex

A, B, C = (letter * 16 for letter in (b"a", b"b", b"c"))


def a_claim(key: bytes = A, offset: int = 0, index: int = 0, arrival_us: int = 7, log_id: str = "0123456789abcdef"):
    return Claim(key, arrival_us, log_id, offset, index)


def mark(offset: int) -> Mark:
    return Mark(offset, f"token {offset}")


@pytest.fixture(params=["fake", "rocks"])
def reopen(request, tmp_path):
    """Opens the index again, as it was left."""
    disk = ClaimDisk()
    opened = []

    def again():
        if opened:
            opened.pop().close()
        rocks = request.param == "rocks"
        opened.append(RocksClaimIndex(tmp_path / "claims" / "000") if rocks else FakeClaimIndex(disk))
        return opened[-1]

    yield again
    for index in opened:
        index.close()


def test_a_new_one_holds_nothing(reopen) -> None:
    index = reopen()
    assert index.mark() is None
    assert [list(claims) for claims in index.find([A, B])] == [[], []]
    assert index.find([]) == []


def test_it_holds_what_was_added_also_when_it_is_opened_again(reopen) -> None:
    index = reopen()
    index.add([a_claim(A), a_claim(B, 1, 2, 3, "life")], mark(0))
    index.add([a_claim(A, 5, 1 << 31, 1 << 60)], mark(1))
    for _ in range(2):
        assert [list(claims) for claims in index.find([B, C, A])] == [
            [a_claim(B, 1, 2, 3, "life")],
            [],
            [a_claim(A), a_claim(A, 5, 1 << 31, 1 << 60)],
        ]
        assert index.mark() == mark(1)
        index = reopen()


def test_a_claim_that_is_added_again_is_there_once(reopen) -> None:
    index = reopen()
    index.add([a_claim(), a_claim()], mark(0))
    index.add([a_claim()], mark(1))
    assert [list(claims) for claims in index.find([A])] == [[a_claim()]]


def test_it_forgets_the_claims_that_it_is_told_to_and_no_other(reopen) -> None:
    index = reopen()
    index.add([a_claim(A), a_claim(A, 1), a_claim(B)], mark(0))
    index.forget([a_claim(A), a_claim(B), a_claim(C)])
    assert [list(claims) for claims in index.find([A, B, C])] == [[a_claim(A, 1)], [], []]
    assert index.mark() == mark(0)


def test_it_can_be_emptied_and_filled_again(reopen) -> None:
    index = reopen()
    index.add([a_claim()], mark(0))
    index.clear()
    assert index.mark() is None
    assert [list(claims) for claims in index.find([A])] == [[]]
    index.add([a_claim(B)], mark(1))
    assert [list(claims) for claims in reopen().find([A, B])] == [[], [a_claim(B)]]


def test_a_closed_one_says_that_it_has_failed(reopen) -> None:
    index = reopen()
    index.close()
    index.close()
    with pytest.raises(ClaimsFailed):
        index.find([A])


def test_what_rocksdb_cannot_open_is_made_anew(tmp_path) -> None:
    index = RocksClaimIndex(tmp_path / "claims")
    index.add([a_claim()], mark(0))
    index.close()
    for file in (tmp_path / "claims").glob("MANIFEST*"):
        file.write_bytes(b"no manifest")
    index = RocksClaimIndex(tmp_path / "claims")
    assert index.mark() is None
    index.close()


def test_what_another_has_open_is_left_to_it(tmp_path) -> None:
    index = RocksClaimIndex(tmp_path / "claims")
    index.add([a_claim()], mark(0))
    other = RocksClaimIndex(tmp_path / "claims")
    for call in (other.mark, other.clear):
        with pytest.raises(ClaimsFailed):
            call()
    assert [list(claims) for claims in index.find([A])] == [[a_claim()]]
    index.add([a_claim(B)], mark(1))
    index.close()
    assert other.mark() == mark(1)
    other.close()
