import pytest

from app.errors import StagingFailed
from app.slicing.bounded_staging import DOORS_SHARE, MEASURED_AFTER_S, MEASURING_SHARE, BoundedStaging
from tests.fakes import FakeStaging

BYTES_MAX = 1000


class Slow(FakeStaging):
    """Staging that takes its time to tell what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.takes_s = 0.0
        self.asked = 0

    def staged_bytes(self) -> int:
        self.asked += 1
        self.now_s += self.takes_s
        return super().staged_bytes()


@pytest.fixture
def inner():
    return Slow()


@pytest.fixture
def staging(inner):
    return BoundedStaging(inner, BYTES_MAX, now_s=lambda: inner.now_s)


def test_it_takes_files_until_the_limit_is_reached_and_again_when_there_is_room(inner, staging):
    staging.write("a", b"x" * 999)
    staging.make_sure_of_room()
    staged = [staging.write(name, b"x" * 500) for name in "bc"]  # the last cut may exceed it, with all of its files
    with pytest.raises(StagingFailed, match="limit of 1000 bytes"):
        staging.make_sure_of_room()
    assert [staging.read(one) for one in staged] == [b"x" * 500] * 2
    for name in "ab":
        staging.delete(name)
    inner.now_s += MEASURED_AFTER_S
    staging.make_sure_of_room()
    assert staging.used_bytes == 500


def test_what_others_have_staged_counts_and_doors_close_before_mapping_waits(inner, staging):
    inner.files["theirs"] = b"x" * int(BYTES_MAX * DOORS_SHARE)
    assert not staging.is_full
    staging.measure()
    assert staging.is_full
    staging.write("ours", b"x")
    inner.files["theirs"] = b""
    inner.now_s += MEASURED_AFTER_S
    staging.measure()
    assert (staging.is_full, staging.used_bytes) == (False, 1)


def test_a_store_that_takes_long_to_tell_is_asked_less_often(inner, staging):
    inner.takes_s = 6.0
    inner.files["theirs"] = b"x" * BYTES_MAX
    staging.measure()
    inner.now_s += 6.0 / MEASURING_SHARE - 1
    staging.measure()
    with pytest.raises(StagingFailed):
        staging.make_sure_of_room()
    assert inner.asked == 1
    inner.now_s += 1
    staging.measure()
    assert inner.asked == 2


def test_nothing_is_asked_of_staging_while_there_is_room(inner, staging):
    for number in range(9):
        staging.make_sure_of_room()
        staging.write(str(number), b"x" * 100)
    assert inner.asked == 0
