"""What the settings say of a Kafka cluster, in Faust's words; and who this worker is in its group."""

import ssl
from pathlib import Path
from secrets import token_hex

from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT

from app.errors import SettingInvalid
from app.settings import Settings

INSTANCE_ID = "instance-id"


def kafka_credentials(settings: Settings) -> CredentialsT | None:
    """How to prove who we are, None where nobody asks. Raises SettingInvalid."""
    encrypted = settings.kafka_security.endswith("ssl")
    context = _ssl_context(settings) if encrypted else None
    if settings.kafka_security.startswith("sasl"):
        if not settings.kafka_username or settings.kafka_password is None:
            raise SettingInvalid("FOREBAY_KAFKA_USERNAME, FOREBAY_KAFKA_PASSWORD: SASL needs both")
        return SASLCredentials(
            username=settings.kafka_username,
            password=settings.kafka_password.get_secret_value(),
            ssl_context=context,
            mechanism=settings.kafka_sasl_mechanism,
        )
    return None if context is None else SSLCredentials(context)


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca_file)
        if settings.kafka_certificate_file is not None:
            context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingInvalid(f"FOREBAY_KAFKA_…_FILE: the certificates cannot be used: {error}") from None
    return context


def instance_id(data_dir: Path) -> str:
    """The name by which this worker keeps its place in the group when it comes back soon. Raises SettingInvalid."""
    path = data_dir / INSTANCE_ID
    try:
        if not path.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            path.write_text(f"forebay-{token_hex(8)}\n")
        return path.read_text().strip()
    except OSError as error:
        raise SettingInvalid(f"FOREBAY_DATA_DIR: {path} cannot be used: {error.strerror}") from None
