"""The page of the command line is true: its table is what --help says.

Its commands are run in tests/docs/test_pages.py.
"""

from collections.abc import Iterator

import click

from app.main import main
from tests.docs.pages import DOCS, blocks, rows

PAGE = DOCS / "cli.md"
EVERYWHERE = {"--url", "--token", "--admin-token", "--json"}


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, *path, name)
    else:
        yield " ".join(path), command


def row(path: str, command: click.Command) -> list[str]:
    """As the page has it: the command with its arguments, the first sentence of its help, its own options."""
    arguments = [one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)]
    options = [one.opts[0] for one in command.params if isinstance(one, click.Option)]
    sentence = (command.help or "").split("\n\n")[0].replace("\n", " ").split(". ")[0].rstrip(".")
    own = ", ".join(f"`{name}`" for name in options if name not in EVERYWHERE)
    return [f"`{' '.join(['forebay', path, *arguments])}`", sentence, own]


def test_the_page_has_every_command_with_its_options() -> None:
    assert rows(PAGE, "Commands") == [row(path, command) for path, command in commands(main)]


def test_every_command_that_talks_to_a_server_takes_the_same_options() -> None:
    for path, command in commands(main):
        names = {name for one in command.params for name in one.opts}
        if path != "serve":
            token = "--admin-token" if path.startswith(("tokens", "stitch-sources")) else "--token"
            assert {"--url", "--json", token} <= names, path


def test_the_page_shows_every_command_at_work() -> None:
    shown = "\n".join([*blocks(PAGE, "sh"), *blocks(PAGE, "text")])
    not_shown = [path for path, _ in commands(main) if f"forebay {path}" not in shown]
    assert not_shown == ["serve"]
