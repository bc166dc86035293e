"""What the settings say of a Kafka cluster, as aiokafka takes it."""

import ssl
from pathlib import Path

import faust
import pytest
from faust.types.auth import AuthProtocol
from yarl import URL

from app.errors import SettingInvalid
from app.kafka import instance_id, kafka_credentials
from app.settings import Settings
from app.transports.kafka.connection import client_options

KAFKA = {"broker": "kafka://a:1,b", "destination": "sqlite:///x.db", "staging": "file:///x"}


def options_of(tmp_path: Path, **settings: object) -> dict[str, object]:
    """What every client of the cluster is given."""
    credentials = kafka_credentials(Settings(data_dir=tmp_path, **KAFKA, **settings))
    app = faust.App("test", broker_credentials=credentials)
    return dict(client_options(app, [URL("kafka-runs://a:1"), URL("kafka-runs://b")]))


def test_nobody_is_asked_for_anything_by_default(tmp_path):
    options = options_of(tmp_path)
    assert options["bootstrap_servers"] == ["a:1", "b:9092"]
    assert options["security_protocol"] == "PLAINTEXT"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("security", ["sasl_plaintext", "sasl_ssl"])
def test_a_name_and_a_password_reach_the_driver(tmp_path, security, mechanism):
    options = options_of(
        tmp_path,
        kafka_security=security,
        kafka_sasl_mechanism=mechanism,
        kafka_username="forebay",
        kafka_password="secret",
    )
    assert options["security_protocol"] == security.upper()
    assert options["sasl_mechanism"] == mechanism
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("forebay", "secret")
    context = options["ssl_context"]
    assert (context is not None) == (security == "sasl_ssl")
    if isinstance(context, ssl.SSLContext):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_tls_alone_checks_whom_it_talks_to(tmp_path):
    credentials = kafka_credentials(Settings(data_dir=tmp_path, **KAFKA, kafka_security="ssl"))
    assert credentials is not None
    assert credentials.protocol is AuthProtocol.SSL
    context = options_of(tmp_path, kafka_security="ssl")["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kafka_security": "sasl_ssl"}, "FOREBAY_KAFKA_USERNAME, FOREBAY_KAFKA_PASSWORD: SASL needs both"),
        (
            {"kafka_security": "sasl_plaintext", "kafka_username": "forebay"},
            "FOREBAY_KAFKA_USERNAME, FOREBAY_KAFKA_PASSWORD: SASL needs both",
        ),
        ({"kafka_security": "ssl", "kafka_ca_file": "/nowhere"}, "FOREBAY_KAFKA_…_FILE: the certificates cannot be"),
        (
            {"kafka_security": "ssl", "kafka_certificate_file": "/nowhere"},
            "FOREBAY_KAFKA_…_FILE: the certificates cannot be",
        ),
    ],
)
def test_what_is_missing_is_named(tmp_path, settings, said):
    with pytest.raises(SettingInvalid, match=said):
        options_of(tmp_path, **settings)


def test_a_worker_keeps_its_name(tmp_path):
    name = instance_id(tmp_path / "a")
    assert name == instance_id(tmp_path / "a") != instance_id(tmp_path / "b")
