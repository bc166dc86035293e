"""Which server a command talks to, and as whom."""

import functools
import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import click

from app.admin_token import known_admin_token
from app.cli.api import Api
from app.cli.output import Output
from app.errors import SettingInvalid

if TYPE_CHECKING:
    from app.settings import Settings

SAY_WHO_YOU_ARE = """no API token. Set one, or make one with the admin token of this machine:
  export FOREBAY_API_TOKEN=…
  export FOREBAY_API_TOKEN=$(forebay tokens create --description "my shell")"""

_URL = click.option(
    "--url", envvar="FOREBAY_URL", metavar="URL", help="The server.  [env: FOREBAY_URL; default: the settings' own]"
)
_TOKEN = click.option(
    "--token",
    envvar=["FOREBAY_API_TOKEN", "FOREBAY_TOKEN"],
    metavar="TOKEN",
    help="The API token.  [env: FOREBAY_API_TOKEN, FOREBAY_TOKEN]",
)
_ADMIN_TOKEN = click.option(
    "--admin-token",
    envvar="FOREBAY_ADMIN_TOKEN",
    metavar="TOKEN",
    help="The admin token.  [env: FOREBAY_ADMIN_TOKEN; default: the one in FOREBAY_DATA_DIR, on this machine]",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")


class Session(NamedTuple):
    """What every command has."""

    api: Api
    out: Output


def as_client(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command a session of the Buffer API, and the options that say which."""

    @_URL
    @_TOKEN
    @_JSON
    @functools.wraps(command)
    def wrapped(url: str | None, token: str | None, *, as_json: bool, **given: Any) -> None:
        if not token:
            raise click.UsageError(SAY_WHO_YOU_ARE)
        with Api(url or _settings().public_url, {"X-StorageApi-Token": token}) as api:
            command(Session(api, Output(as_json=as_json)), **given)

    return wrapped


def as_admin(command: Callable[..., None]) -> Callable[..., None]:
    """The same for the house API."""

    @_URL
    @_ADMIN_TOKEN
    @_JSON
    @functools.wraps(command)
    def wrapped(url: str | None, admin_token: str | None, *, as_json: bool, **given: Any) -> None:
        server = url or _settings().public_url
        token = admin_token or _token_of_this_machine(server)
        with Api(server, {"Authorization": f"Bearer {token}"}) as api:
            command(Session(api, Output(as_json=as_json)), **given)

    return wrapped


def _token_of_this_machine(server: str) -> str:
    """The one that the server keeps in its data directory. It is told to no other machine."""
    settings = _settings()
    if urlsplit(server).netloc != urlsplit(settings.public_url).netloc and not _is_loopback(server):
        raise click.UsageError(f"{server} is another machine: give its admin token in FOREBAY_ADMIN_TOKEN")
    try:
        return known_admin_token(settings.data_dir)
    except SettingInvalid as error:
        raise click.UsageError(str(error)) from None


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _settings() -> "Settings":
    from app.settings import read_settings  # noqa: PLC0415 -- takes longer to load than most commands to run

    try:
        return read_settings()
    except SettingInvalid as error:
        raise click.UsageError(str(error)) from None


def sure(question: str, *, yes: bool) -> None:
    """Ask before something is lost. Where nobody can be asked, `--yes` must say it."""
    if yes:
        return
    if not click.get_text_stream("stdin").isatty():
        raise click.UsageError(f"{question} Say --yes where nobody can be asked.")
    click.confirm(question, abort=True)


def yes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--yes`."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)
