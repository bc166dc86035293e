import pytest

from app.cli.output import plain, rich_table


@pytest.mark.parametrize(
    ("cells", "justified"), [((1, ""), "right"), ((1, 22), "right"), (("a", 1), "left"), (("", ""), "left")]
)
def test_numbers_stand_on_the_right_also_where_some_are_blank(cells: tuple[object, ...], justified: str) -> None:
    (column,) = rich_table(["n"], [[cell] for cell in cells]).columns
    assert column.justify == justified


def test_what_came_from_outside_steers_no_terminal() -> None:
    assert plain("a\x1b]0;title\x07\r\n\u202eb\x9b") == "a·]0;title····b·"
