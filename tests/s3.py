"""An S3-compatible server for the tests, from pip alone: moto's, in a process of its own.

It answers one request after another: moto looks whether a key is there, and then writes it. Two threads could both find
it missing, and a conditional write would be none.
"""

import os
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection
from itertools import count

from tests.server import free_port

START_MAX_S = 60.0
_numbers = count()


class S3Server:
    """A port of its own, and what it holds in memory; `start` and `stop` are the caller's."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client has to know."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "a-key",
            "AWS_SECRET_ACCESS_KEY": "its-secret",
        }

    def start(self) -> None:
        """Return when it answers."""
        command = [sys.executable, "-m", "tests.s3", str(self.port)]
        self._process = subprocess.Popen(  # noqa: S603 -- this very file
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline_s = time.monotonic() + START_MAX_S
        while True:
            try:
                self.call("GET", "/")
            except OSError:
                assert self._process.poll() is None, "the S3 server died"
                assert time.monotonic() < deadline_s, "the S3 server does not answer"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """At once; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Take connections, and answer nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """After `pause`."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def new_bucket(self) -> str:
        """The name of an empty one."""
        name = f"bucket-{next(_numbers)}"
        assert self.call("PUT", f"/{name}") == 200
        return name

    def call(self, method: str, path: str, body: bytes = b"") -> int:
        """A request without a signature, which moto does not ask for; the status."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


def main() -> None:
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 -- only in the process of its own
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import run_simple  # noqa: PLC0415 -- same

    run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)


if __name__ == "__main__":
    main()
