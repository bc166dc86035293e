"""Addresses made of what people type."""

import pytest

from app.cli.api import path_of
from app.cli.errors import Refused


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_a_part_that_would_lead_elsewhere_is_refused(part):
    with pytest.raises(Refused, match="cannot be an id"):
        path_of("v1", "receivers", part)


def test_a_part_may_have_any_other_characters():
    assert path_of("v1", "a/b ..", "...") == "/v1/a%2Fb%20../..."
