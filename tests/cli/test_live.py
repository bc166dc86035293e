"""Commands that go on until somebody ends them."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen

from tests.cli.serving import Run, Serving

PATIENCE_S = 30


@contextmanager
def running(server: Serving, *arguments: str) -> Iterator["Popen[str]"]:
    """The command, which is killed when it hangs, so that reading from it ends."""
    process = server.start(*arguments)
    watch = threading.Timer(PATIENCE_S, process.kill)
    watch.start()
    try:
        yield process
    finally:
        watch.cancel()
        process.kill()
        process.communicate()


def test_a_tail_shows_events_and_their_fates(run: Run, server: Serving, shop: str) -> None:
    with running(server, "tail", shop, "--events", "2") as tail:
        assert tail.stderr is not None
        assert tail.stdout is not None
        assert tail.stderr.readline() == f"listening to {shop}; Ctrl-C ends it\n"
        run("send", shop, given='{"sku": "A", "price": 1}')
        run("send", shop, given='{"price": 1}')
        output = tail.stdout.read()
        assert tail.wait() == 0
    assert ' application/json {"sku": "A", "price": 1}' in output
    assert "✓" in output
    assert "mapped by orders" in output
    assert 'orders: column "sku": path "sku" not found in the body (dead letter ' in output


def test_a_tail_is_json_for_scripts_and_ends_well_with_ctrl_c(run: Run, server: Serving, shop: str) -> None:
    with running(server, "tail", shop, "--json") as tail:
        assert tail.stdout is not None
        lines = (json.loads(line) for line in tail.stdout)
        told = (line for line in lines if line["type"] != "heartbeat")
        assert next(told)["type"] == "listening"
        run("send", shop, given='{"sku": "A", "price": 1}')
        event, fate = next(told), next(told)
        assert (event["type"], fate["type"], fate["id"]) == ("event", "fate", event["id"])
        tail.send_signal(signal.SIGINT)
        assert tail.wait() == 0


def test_a_tail_of_nobody_is_refused_and_one_whose_receiver_goes_ends(run: Run, server: Serving) -> None:
    run("tail", "nobody", code=1)
    run("receivers", "create", "Leaving")
    with running(server, "tail", "leaving") as tail:
        assert tail.stderr is not None
        tail.stderr.readline()
        run("receivers", "delete", "leaving", "--yes")
        assert tail.stderr.readline() == "forebay: the receiver is deleted\n"
        assert tail.wait() == 1


def test_a_ledger_that_is_watched_says_what_has_changed(run: Run, server: Serving, shop: str) -> None:
    with running(server, "ledger", shop, "--watch", "--json") as ledger:
        assert ledger.stdout is not None
        assert json.loads(ledger.stdout.readline())[shop]["accepted"] == 0
        run("send", shop, given='{"sku": "A", "price": 1}')
        run("exports", "flush", shop, "orders")
        assert json.loads(ledger.stdout.readline())[shop]["accepted"] == 1
        ledger.send_signal(signal.SIGINT)
        assert ledger.wait() == 0
