from app.errors import StagingAway, StagingFailed
from app.slicing.staging import delete_staged
from tests.fakes import Act, FakeStaging


def test_one_file_that_cannot_be_deleted_holds_up_no_other():
    staging = FakeStaging()
    staging.act = lambda call, what: Act(0.0, StagingFailed("busy")) if (call, what) == ("delete", "b") else Act()
    for name in "abc":
        staging.write(name, b"")
    delete_staged(staging, "abc")
    assert set(staging.files) == {"b"}


def test_a_store_that_is_away_is_asked_to_delete_once():
    staging, asked = FakeStaging(), []
    staging.act = lambda call, what: asked.append(what) or Act(0.0, StagingAway("away")) if call == "delete" else Act()
    for name in "abc":
        staging.write(name, b"")
    delete_staged(staging, "abc")
    assert asked == ["a"]
