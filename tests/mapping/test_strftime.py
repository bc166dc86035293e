from datetime import UTC, datetime, timedelta

import pytest

from app.errors import MappingFailed
from app.mapping.strftime import strftime

AFTERNOON = datetime(2006, 1, 2, 15, 4, 5, 123999, UTC)


@pytest.mark.parametrize(
    ("text", "formatted"),
    [
        ("%Y-%m-%dT%H:%M:%S.%fZ", "2006-01-02T15:04:05.123Z"),
        ("%A %a %B %b %h", "Monday Mon January Jan Jan"),
        ("%C %y %e %k %l %I %p", "20 06  2 15  3 03 PM"),
        (
            "%c|%D|%F|%R|%r|%T|%v|%X|%x",
            "Mon Jan  2 15:04:05 2006|01/02/06|2006-01-02|15:04|03:04:05 PM|15:04:05| 2-Jan-2006|15:04:05|01/02/06",
        ),
        ("%j %U %u %V %W %w", "002 01 1 01 01 1"),
        ("%n%t%%%Z%z", "\n\t%UTC+0000"),
        ("plain é", "plain é"),
        ("", ""),
    ],
)
def test_directives(text, formatted):
    assert strftime(text, AFTERNOON) == formatted


def test_midnight_and_noon_are_twelve():
    assert strftime("%I %l %p", AFTERNOON.replace(hour=0)) == "12 12 AM"
    assert strftime("%I %l %p", AFTERNOON.replace(hour=12)) == "12 12 PM"


def test_week_numbers_agree_with_posix():
    for day in range(0, 3000, 13):
        instant = AFTERNOON + timedelta(days=day)
        assert strftime("%U %W %V %j %w", instant) == instant.strftime("%U %W %V %j %w")


@pytest.mark.parametrize("text", ["%s", "%L", "%P", "%N", "%Q", "%", "a%", "%é"])
def test_unknown_directives_are_refused(text):
    with pytest.raises(MappingFailed, match=r"^datetime format .* is invalid: "):
        strftime(text, AFTERNOON)
