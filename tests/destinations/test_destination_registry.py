import pytest

from app.destinations.postgresql import Postgresql
from app.destinations.registry import DESTINATIONS, open_destination
from app.destinations.sqlite import Sqlite
from app.errors import SettingInvalid


def test_a_url_opens_the_destination_of_its_scheme():
    assert list(DESTINATIONS) == ["sqlite", "postgresql", "postgres"]
    assert isinstance(open_destination("sqlite:///data/warehouse.db"), Sqlite)
    assert isinstance(open_destination("postgresql://me@localhost/db"), Postgresql)


@pytest.mark.parametrize(
    "url",
    ["", "secret", "sqlite", "sqlite:/x", "secret://x", "mysql://me:secret@host/db", "SQLITE:///x", " sqlite:///x"],
)
def test_another_scheme_is_refused_without_showing_the_url(url):
    with pytest.raises(SettingInvalid, match=r"^FOREBAY_DESTINATION: .*sqlite://") as failure:
        open_destination(url)
    assert "secret" not in str(failure.value)
    assert "\n" not in str(failure.value)
