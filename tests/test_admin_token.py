import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.admin_token import FILE, kept_admin_token, known_admin_token
from app.errors import SettingInvalid


def test_it_is_made_once_and_kept_for_its_owner_alone(tmp_path):
    token = kept_admin_token(tmp_path)
    assert len(token) == 48
    assert kept_admin_token(tmp_path) == known_admin_token(tmp_path) == token
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_copy_that_others_may_read_is_closed_again(tmp_path):
    token = kept_admin_token(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    assert kept_admin_token(tmp_path) == token
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_of_many_that_make_it_at_once_all_have_the_same(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        for number in range(20):
            directory = tmp_path / str(number)
            directory.mkdir()
            tokens = set(threads.map(kept_admin_token, [directory] * 8))
            assert len(tokens) == 1


@pytest.mark.parametrize("content", ["", "\n", "two words"])
def test_a_file_without_a_token_is_said_to_be_none(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(SettingInvalid, match="holds no token"):
        kept_admin_token(tmp_path)


def test_who_looks_for_one_where_none_was_made_is_told_so(tmp_path):
    with pytest.raises(SettingInvalid, match=r"it is not set, and .* cannot be read"):
        known_admin_token(tmp_path)
    with pytest.raises(SettingInvalid, match="cannot be kept"):
        kept_admin_token(tmp_path / "nowhere")
