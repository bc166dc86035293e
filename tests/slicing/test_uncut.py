import pytest

from app.errors import MappingFailed
from app.model.mapping import MappingKind
from app.slicing.uncut import DOCUMENT_CHARACTERS_MAX, ROW_CHARACTERS_MAX, unless_too_large


@pytest.mark.parametrize(
    ("kind", "characters_max"),
    [(MappingKind.ROWS, ROW_CHARACTERS_MAX), (MappingKind.DOCUMENTS, DOCUMENT_CHARACTERS_MAX)],
)
def test_a_row_may_have_so_many_characters(kind, characters_max):
    row = ("x" * (characters_max - 1), None, "y")
    assert unless_too_large(kind, row) is row
    refused = unless_too_large(kind, (*row, "z"))
    assert isinstance(refused, MappingFailed)
    assert f"the limit of {characters_max // 2**20}MB" in str(refused)


def test_what_was_not_mapped_keeps_its_reason():
    failed = MappingFailed("no such path")
    assert unless_too_large(MappingKind.DOCUMENTS, failed) is failed
