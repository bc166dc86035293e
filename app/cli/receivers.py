"""`forebay receivers`."""

from collections.abc import Callable
from typing import IO, TypeVar

import click

from app.cli.api import Json, path_of
from app.cli.connection import Session, as_client, sure, yes_option
from app.cli.documents import file_option, given, read_document
from app.cli.tasks import finished

RECEIVERS = "/v1/receivers"
Command = TypeVar("Command", bound=Callable[..., None])


def topic_options(command: Command) -> Command:
    """`--topic` and `--from`."""
    start = click.option(
        "--from",
        "start",
        type=click.Choice(["earliest", "latest"]),
        help="Where a topic is begun that the receiver has never read; latest when absent.",
    )
    topics = click.option("--topic", "topics", multiple=True, help="Take events from this topic of Kafka; any number.")
    return topics(start(command))


@click.group()
def receivers() -> None:
    """Addresses that take events."""


@receivers.command("list")
@as_client
def list_receivers(session: Session) -> None:
    """List all receivers of the project."""
    answer = session.api.get(RECEIVERS)
    rows = [
        (one["id"], one["name"], ", ".join(export["id"] for export in one["exports"]), one["description"])
        for one in answer["receivers"]
    ]
    session.out.table(("id", "name", "exports", "description"), rows, answer)


@receivers.command("show")
@click.argument("receiver")
@as_client
def show_receiver(session: Session, receiver: str) -> None:
    """Show a receiver, with the address that takes its events."""
    _show(session, session.api.get(path_of("v1", "receivers", receiver)))


@receivers.command("create")
@click.argument("name", required=False)
@click.option("--id", "receiver_id", help="Its id; made of the name when absent.")
@click.option("--description", help="What it is for.")
@topic_options
@file_option("The receiver, with its exports")
@as_client
def create_receiver(
    session: Session,
    name: str | None,
    receiver_id: str | None,
    description: str | None,
    topics: tuple[str, ...],
    start: str | None,
    document: IO[bytes] | None,
) -> None:
    """Create a receiver, and wait until it is there.

    NAME alone makes one without exports; add them with `forebay exports create`. Options go before what the file says.
    """
    document_said = read_document(document, session.api, "CreateReceiver")
    content = document_said | given(name=name, id=receiver_id, description=description, kafka=_binding(topics, start))
    if not content:
        raise click.UsageError("give a NAME, or --file")
    task = finished(session, session.api.post(RECEIVERS, content), "creating the receiver")
    _show(session, session.api.get(path_of("v1", "receivers", task["outputs"]["receiverId"])))


@receivers.command("update")
@click.argument("receiver")
@click.option("--name", help="Its new name.")
@click.option("--description", help="What it is for.")
@topic_options
@click.option("--unbind", is_flag=True, help="Take no events from topics any more.")
@file_option("What shall be otherwise")
@as_client
def update_receiver(
    session: Session,
    receiver: str,
    name: str | None,
    description: str | None,
    topics: tuple[str, ...],
    start: str | None,
    document: IO[bytes] | None,
    *,
    unbind: bool,
) -> None:
    """Change a receiver's name, its description, or the topics that it takes events from.

    Of topics all are named that it shall have.
    """
    if unbind and topics:
        raise click.UsageError("--unbind does not go with --topic")
    content = read_document(document, session.api, "UpdateReceiver") | given(
        name=name, description=description, kafka=_binding(topics, start)
    )
    if unbind:
        content["kafka"] = None
    if not content:
        raise click.UsageError("say what shall be otherwise")
    _show(session, session.api.patch(path_of("v1", "receivers", receiver), content))


@receivers.command("delete")
@click.argument("receiver")
@yes_option
@as_client
def delete_receiver(session: Session, receiver: str, *, yes: bool) -> None:
    """Delete a receiver and its exports. Rows that are not loaded yet are lost, tables stay."""
    sure(f"Delete {receiver}, its exports, and the rows that are not loaded yet?", yes=yes)
    session.api.delete(path_of("v1", "receivers", receiver))
    session.out.say(f"{receiver} is deleted")


@receivers.command("rotate-secret")
@click.argument("receiver")
@click.option(
    *("--grace-seconds", "--grace", "grace_s"),
    type=click.IntRange(0),
    help="For so many seconds the old address is taken too.",
)
@as_client
def rotate_secret(session: Session, receiver: str, grace_s: int | None) -> None:
    """Give a receiver a new address. Senders that have the old one may use it for a time of grace."""
    path = path_of("v1", "receivers", receiver, "secret", "rotate")
    _show(session, session.api.post(path, given(graceSeconds=grace_s)))


@receivers.command("refresh-tokens")
@click.argument("receiver")
@as_client
def refresh_tokens(session: Session, receiver: str) -> None:
    """Make new the tokens with which the receiver's exports write their tables."""
    _show(session, session.api.post(path_of("v1", "receivers", receiver, "tokens", "refresh")))


def _binding(topics: tuple[str, ...], start: str | None) -> Json | None:
    if start is not None and not topics:
        raise click.UsageError("--from goes with --topic")
    return {"topics": list(topics), **given(**{"from": start})} if topics else None


def _show(session: Session, receiver: Json) -> None:
    members = {
        "id": receiver["id"],
        "name": receiver["name"],
        "description": receiver["description"],
        "url": receiver["url"],
        "exports": ", ".join(f"{export['id']} → {export['mapping']['tableId']}" for export in receiver["exports"]),
    }
    if "kafka" in receiver:
        members["topics"] = f"{', '.join(receiver['kafka']['topics'])} (from {receiver['kafka']['from']})"
    if "previousSecretValidUntil" in receiver:
        members["old url until"] = receiver["previousSecretValidUntil"]
    session.out.members(members, receiver)
