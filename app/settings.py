"""The settings, read from the environment once, at the start, here and nowhere else."""

import logging
import os
import re
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import SettingInvalid

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

logger = logging.getLogger(__name__)

MIB = 1024 * 1024
KAFKA = "kafka://"
API_KEY = "api-key"
SECRET_GRACE_MAX_S = 7 * 24 * 3600
_TOPICS = re.compile(r"(?:[A-Za-z0-9._*-]|\{project\})+")


class Settings(BaseSettings):
    """Each is the environment variable `FOREBAY_<NAME>`. docs/operations.md lists them, and a test holds it to this."""

    model_config = SettingsConfigDict(env_prefix="FOREBAY_", env_ignore_empty=True, extra="forbid", frozen=True)

    port: Annotated[int, Field(ge=1, le=65535)] = 6066
    host: str = "127.0.0.1"
    data_dir: Path = Path("data")
    broker: str = ""
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: SecretStr | None = None
    kafka_ca_file: Path | None = None
    kafka_certificate_file: Path | None = None
    kafka_key_file: Path | None = None
    kafka_bindable_topics: str = "*"
    destination: str = ""
    staging: str = ""
    staging_bytes_max: Annotated[int, Field(ge=16 * MIB)] = 100 * 1024 * MIB
    api_token: SecretStr | None = None
    admin_token: SecretStr | None = None
    metrics_token: SecretStr | None = None
    public_url: str = ""
    worker_url: str = ""
    region: Literal["us", "eu"] = "us"
    feldera_auth: Literal["none", "api-key"] = "none"
    stitch_load_interval_s: Annotated[float, Field(ge=1, le=3600)] = 5.0
    secret_grace_s: Annotated[float, Field(ge=0, le=SECRET_GRACE_MAX_S)] = 24 * 3600.0
    partitions: Annotated[int, Field(ge=1, le=256)] = 4
    request_bytes_max: Annotated[int, Field(ge=1024, le=64 * MIB)] = MIB
    in_flight_bytes_max: Annotated[int, Field(ge=MIB)] = 64 * MIB
    log_bytes_max: Annotated[int, Field(ge=16 * MIB)] = 10 * 1024 * MIB
    disk_reserve_bytes: Annotated[int, Field(ge=0)] = 256 * MIB
    events_retention_s: Annotated[float, Field(ge=0)] = 24 * 3600.0
    failed_files_retention_s: Annotated[float, Field(ge=0)] = 7 * 24 * 3600.0
    template_processes: Annotated[int, Field(ge=1, le=64)] = 2
    template_deadline_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    template_memory_bytes_max: Annotated[int, Field(ge=64 * MIB)] = 256 * MIB
    crash_at: str = Field(
        default="",
        pattern=r"^([a-z-]+(:[1-9][0-9]*)?)?$",
        validation_alias=AliasChoices("FOREBAY_CRASH_AT", "crash_at"),
    )

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.absolute()

    @field_validator("broker")
    @classmethod
    def _broker_is_known(cls, value: str) -> str:
        if not value.startswith(("embedded:///", KAFKA)) or value == KAFKA:
            raise ValueError(
                "must be embedded:///<absolute directory>[?sync=…] or kafka://<host>:<port>[,<host>:<port>…]"
            )
        return value

    @field_validator("kafka_bindable_topics")
    @classmethod
    def _patterns_are_of_topics(cls, value: str) -> str:
        if not all(_TOPICS.fullmatch(pattern) for pattern in _listed(value)):
            raise ValueError("must be names of topics, parted by commas; * is anything, {project} a project's number")
        return value

    @property
    def bindable_topics(self) -> list[str]:
        """Patterns of the topics that receivers may be bound to."""
        return _listed(self.kafka_bindable_topics)

    @property
    def feldera_is_open_to_others(self) -> bool:
        """Whether somebody on another machine may use the Feldera API without a key."""
        return self.feldera_auth != API_KEY and not is_loopback(self.host)

    @property
    def on_kafka(self) -> bool:
        """Whether the log is a Kafka cluster, so that there may be several workers."""
        return self.broker.startswith(KAFKA)

    @field_validator("api_token", "admin_token", "metrics_token")
    @classmethod
    def _token_is_usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (not value.get_secret_value() or " " in value.get_secret_value()):
            raise ValueError("must be a text without blanks")
        return value

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: dict[str, object]) -> dict[str, object]:
        if str(values.get("broker")).startswith(KAFKA):
            for name in ("destination", "staging"):
                if not values.get(name):
                    raise ValueError(f"FOREBAY_{name.upper()}: on Kafka all workers share it, so it has to be set")
        data_dir = Path(str(values.get("data_dir") or "data")).absolute()
        host, port = values.get("host") or "127.0.0.1", values.get("port") or 6066
        defaults = {
            "broker": f"embedded://{quote(str(data_dir))}/log",
            "destination": f"sqlite:///{data_dir}/warehouse.db",
            "staging": f"file://{data_dir}/staging",
            "worker_url": f"http://{socket.gethostname() if host in {'0.0.0.0', '::'} else host}:{port}",  # noqa: S104
            "public_url": f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}",  # noqa: S104
        }
        return {**values, **{name: values.get(name) or default for name, default in defaults.items()}}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]


_NO_NUMBER = frozenset({"int_parsing", "int_from_float", "float_parsing"})
_UNITS = {"_S": "seconds", "_BYTES": "bytes", "_BYTES_MAX": "bytes"}
OF_COMMANDS = frozenset({"FOREBAY_URL", "FOREBAY_TOKEN"})  # read by app/cli, no setting of a worker


def _say_what_is_unknown() -> None:
    known = {f"FOREBAY_{name.upper()}" for name in Settings.model_fields} | OF_COMMANDS
    for name in sorted(os.environ):
        if name.startswith("FOREBAY_") and name not in known:
            logger.warning("there is no setting %s: it is passed over", name)


def read_settings() -> Settings:
    """From the environment. Raises SettingInvalid with one line that names the variable."""
    _say_what_is_unknown()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper().removeprefix("FOREBAY_")
        said = _said(name, first)
        raise SettingInvalid(f"FOREBAY_{name}: {said}" if name else said) from None  # of several: it names them itself


def _said(name: str, error: "ErrorDetails") -> str:
    if error["type"] not in _NO_NUMBER:
        return error["msg"].removeprefix("Value error, ")
    unit = next((f"{unit}, as " for ending, unit in _UNITS.items() if name.endswith(ending)), "")
    return f"must be {unit}a plain number"
