import pytest

from app.errors import SettingInvalid
from app.settings import read_settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LOG_BYTES_MAX", "20MiB", "must be bytes, as a plain number"),
        ("DISK_RESERVE_BYTES", "1.5", "must be bytes, as a plain number"),
        ("EVENTS_RETENTION_S", "1h", "must be seconds, as a plain number"),
        ("PARTITIONS", "four", "must be a plain number"),
        *(
            (
                "KAFKA_BINDABLE_TOPICS",
                value,
                "must be names of topics, parted by commas; * is anything, {project} a project's number",
            )
            for value in ("a,,b", "a b", "[ab]*", "{receiver}.*", " ")
        ),
        ("PORT", "65536", "Input should be less than or equal to 65535"),
    ],
)
def test_what_is_no_number_is_told_in_which_unit_it_should_be(monkeypatch, name, value, said):
    monkeypatch.setenv(f"FOREBAY_{name}", value)
    with pytest.raises(SettingInvalid) as refused:
        read_settings()
    assert str(refused.value) == f"FOREBAY_{name}: {said}"


def test_a_variable_that_is_no_setting_is_named_at_the_start(monkeypatch, caplog):
    monkeypatch.setenv("FOREBAY_PRT", "7000")
    assert read_settings().port == 6066
    assert "there is no setting FOREBAY_PRT" in caplog.text


@pytest.mark.parametrize(("missing", "given"), [("DESTINATION", "STAGING"), ("STAGING", "DESTINATION")])
def test_on_kafka_it_is_said_what_has_to_be_set(monkeypatch, missing, given):
    monkeypatch.setenv("FOREBAY_BROKER", "kafka://localhost:9092")
    monkeypatch.setenv(f"FOREBAY_{given}", "file:///somewhere")
    with pytest.raises(SettingInvalid) as refused:
        read_settings()
    assert str(refused.value) == f"FOREBAY_{missing}: on Kafka all workers share it, so it has to be set"
