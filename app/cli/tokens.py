"""`forebay tokens`: over the house API, with the admin token."""

import click

from app.cli.api import path_of
from app.cli.connection import Session, as_admin, sure, yes_option
from app.cli.documents import given

TOKENS = "/house/tokens"


@click.group()
def tokens() -> None:
    """API tokens: who may use which project. They want the admin token."""


@tokens.command("list")
@as_admin
def list_tokens(session: Session) -> None:
    """List all API tokens, without what opens their projects."""
    answer = session.api.get(TOKENS)
    rows = [(one["id"], one["projectId"], one["createdAt"], one["description"]) for one in answer["tokens"]]
    session.out.table(("id", "project", "created at", "description"), rows, answer)


@tokens.command("create")
@click.option("--project", "project_id", type=click.IntRange(1), default=1, show_default=True, help="What it opens.")
@click.option("--description", help="Who has it.")
@as_admin
def create_token(session: Session, project_id: int, description: str | None) -> None:
    """Make an API token. It is printed now and never again; everything else goes to standard error.

    \b
    export FOREBAY_API_TOKEN=$(forebay tokens create)
    """
    answer = session.api.post(TOKENS, {"projectId": project_id, **given(description=description)})
    if session.out.as_json:
        session.out.json(answer)
    else:
        session.out.advise(f"Token {answer['id']} opens project {answer['projectId']}. It is shown only now:")
        click.echo(answer["token"])


@tokens.command("revoke")
@click.argument("token_id", metavar="ID")
@yes_option
@as_admin
def revoke_token(session: Session, token_id: str, *, yes: bool) -> None:
    """Revoke an API token, by its id. Who has it is let in no more."""
    sure(f"Revoke the token {token_id}?", yes=yes)
    session.api.delete(path_of("house", "tokens", token_id))
    session.out.say(f"token {token_id} is revoked")
