import pytest

from app.model.bindable import BindableTopics


@pytest.mark.parametrize(
    ("pattern", "topic", "allowed"),
    [
        ("*", "anything.at-all", True),
        ("shop.*", "shop.orders", True),
        ("shop.*", "shop", False),
        ("shop.*", "my.shop.orders", False),
        ("shop", "SHOP", False),
        ("team-{project}.*", "team-7.orders", True),
        ("team-{project}.*", "team-77.orders", False),
        ("team-{project}.*", "team-{project}.orders", False),
    ],
)
def test_a_topic_is_allowed_by_its_whole_name_and_the_project(pattern, topic, allowed):
    assert BindableTopics(["other", pattern]).allow(7, topic) is allowed


def test_no_pattern_allows_nothing():
    assert not BindableTopics([]).allow(1, "t")
