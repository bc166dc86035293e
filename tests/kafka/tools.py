"""Programs of the Kafka project that are not Forebay's: the console producer."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.kafka.broker import HEAP, QUIET, fetched, java

POM = Path(__file__).with_name("tools.xml")
PRODUCER = "org.apache.kafka.tools.ConsoleProducer"


def command(main: str, *arguments: str) -> list[str]:
    """A main class of Kafka's tools, with its arguments."""
    return [java(), HEAP, QUIET, "-cp", f"{fetched('kafka-tools-4.1.1', POM)}/*", main, *arguments]


def produce_on_console(address: str, topic: str, lines: Iterable[str]) -> None:
    """What `kafka-console-producer.sh --property parse.headers=true` does with these lines: headers, tab, value."""
    arguments = ("--bootstrap-server", address, "--topic", topic, "--property", "parse.headers=true")
    text = "".join(f"{line}\n" for line in lines)
    subprocess.run(command(PRODUCER, *arguments), input=text.encode(), check=True, timeout=60)  # noqa: S603 -- ours
