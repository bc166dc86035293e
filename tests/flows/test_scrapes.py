"""What a worker says of itself adds up, over HTTP only."""

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from app.scrape import METRICS
from tests.flows.client import Client, column, export, template
from tests.flows.stitch_client import SCHEMA, StitchClient
from tests.server import Server, free_port

PATIENCE_S = 30
BOX = {"project": "1", "receiver": "box"}
SUM = "1 + Body('price')"
ENDLESS = "local f(x) = f(x) tailstrict; f(1)"


class Metrics:
    """One scrape, read by Prometheus' own parser."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))

    def value(self, name: str, **labels: str) -> float:
        (value,) = self._values(name, labels)
        return value

    def total(self, name: str, **labels: str) -> float:
        return sum(self._values(name, labels))

    def _values(self, name: str, labels: dict[str, str]) -> Iterator[float]:
        samples = (sample for family in self.families for sample in family.samples if sample.name == name)
        return (sample.value for sample in samples if labels.items() <= sample.labels.items())


async def scrape(client: Client) -> Metrics:
    async with client.session.get(f"{client.server.url}/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return Metrics(await answer.text())


async def scrape_when(client: Client, name: str, value: float, **labels: str) -> Metrics:
    deadline_s = time.monotonic() + PATIENCE_S
    while (metrics := await scrape(client)).total(name, **labels) != value:
        assert time.monotonic() < deadline_s, f"{name}{labels} is {metrics.total(name, **labels)} instead of {value}"
        await asyncio.sleep(0.1)
    return metrics


def alter(client: Client, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(client.server.warehouse, isolation_level=None)) as other:
        other.execute(statement)


async def test_the_numbers_add_up_as_the_ledger_does(client: Client) -> None:
    url = await client.create("box", export("all", column("body"), count=5), export("sums", template(SUM), count=3))
    await client.create("idle")
    for body in [{"price": 1}, {"price": 2}, {"price": 3}, {"cost": 4}, {"price": 5}]:
        assert await client.push(url, json.dumps(body), **{"Idempotency-Key": f"k{body}"}) == 200
    assert await client.push(url, "{}", **{"Idempotency-Key": "k{'price': 1}"}) == 200  # a repeat
    assert await client.push(f"{url[:-48]}{'x' * 48}", "{}") == 404
    await client.rows_when("in.c-flow.all", 5)
    await client.rows_when("in.c-flow.sums", 3)
    await scrape_when(client, "forebay_rows_loaded_total", 3, **BOX, export="sums")
    await scrape_when(client, "forebay_rows_loaded_total", 5, **BOX, export="all")
    await scrape_when(client, "forebay_buffer_rows", 1, **BOX, export="sums")
    await scrape_when(client, "forebay_dead_letters", 1, **BOX)
    metrics = await scrape_when(client, "forebay_files", 0, **BOX)  # the last that a load does

    ledger = await client.ledger("box")
    assert ledger["accepted"] == 6 == metrics.value("forebay_events_accepted_total", **BOX)
    assert metrics.value("forebay_events_cut_total", **BOX) == 6
    assert metrics.value("forebay_events_deduplicated_total", **BOX) == ledger["deduplicated"] == 1
    assert metrics.value("forebay_events_unrouted_total", **BOX) == ledger["unrouted"] == 0
    for line in ledger["exports"]:
        labels = {**BOX, "export": line["exportId"]}
        dead = metrics.value("forebay_dead_letters_total", **labels)
        assert dead == line["deadLettered"]
        assert metrics.value("forebay_events_mapped_total", **labels) == line["routed"] - dead
        loaded = metrics.value("forebay_rows_loaded_total", **labels)
        assert loaded == line["loaded"] == line["routed"] - dead - line["buffered"]
        assert metrics.total("forebay_files", **labels) == 0
        assert metrics.value("forebay_load_attempts_total", **labels, result="loaded") == 1
    assert metrics.total("forebay_dead_letters", **BOX) == 1
    assert metrics.value("forebay_events_accepted_total", project="1", receiver="idle") == 0


async def test_doors_say_how_they_answered(client: Client) -> None:
    url = await client.create("box")
    assert await client.push(url, "12345") == 200
    assert await client.push(url, b"12345", **{"Content-Encoding": "br"}) == 415
    assert await client.push(f"{url[:-48]}{'x' * 48}", "{}") == 404
    assert await client.push(f"{client.server.url}/v1/nothing", "{}") == 404
    route = "/v1/import/{project_id}/{receiver_id}/{secret}"
    metrics = await scrape_when(client, "forebay_http_requests_refused_total", 1, route="unknown")
    for status, reason in ((415, "encodingUnknown"), (404, "receiverNotFound")):
        labels = {"route": route, "status": str(status), "reason": reason}
        assert metrics.value("forebay_http_requests_refused_total", **labels) == 1
    assert metrics.value("forebay_http_requests_total", route=route, method="POST", status="200") == 1
    assert metrics.value("forebay_http_requests_in_flight") == 1  # the scrape itself
    assert metrics.value("forebay_ack_seconds_count") == metrics.value("forebay_ack_seconds_bucket", le="+Inf") == 1
    assert metrics.value("forebay_events_accepted_bytes_total", **BOX) > len("12345")


async def test_every_metric_of_the_list_is_there_and_no_other_and_no_secret(client: Client) -> None:
    url = await client.create("box", export("slow", template(ENDLESS)))
    assert await client.push(url, "{}") == 200
    assert await client.push(url[:-1], "{}") == 400
    await client.dead_letters_when("box", "slow", 1)
    metrics = await scrape_when(client, "forebay_dead_letters", 1)
    said = {family.name + ("_total" if family.type == "counter" else "") for family in metrics.families}
    listed = {spec.name for spec, _ in METRICS}
    assert {name for name in said if name.startswith("forebay_")} == listed
    assert {"process_resident_memory_bytes", "process_start_time_seconds", "python_info"} <= said
    async with client.session.get(f"{client.server.url}/metrics") as answer:
        assert url[-48:] not in await answer.text()
    assert metrics.value("forebay_template_events_total") == metrics.value("forebay_template_deadline_hits_total") == 1
    assert metrics.value("forebay_ready") == 1
    assert metrics.value("forebay_log_answers") == 1
    assert metrics.total("forebay_partitions", topic="events") == 4
    assert metrics.total("forebay_mapping_lag_messages") == 0


async def test_a_destination_that_refuses_is_seen_from_outside(client: Client) -> None:
    url = await client.create("box", export("bad", column("body"), count=1))
    labels = {**BOX, "export": "bad"}
    alter(client, 'ALTER TABLE "in.c-flow.bad" ADD COLUMN extra TEXT')
    assert await client.push(url, "1") == 200
    metrics = await scrape_when(client, "forebay_files", 1, **labels, state="failed")
    assert metrics.value("forebay_load_attempts_total", **labels, result="rejected") == 1
    assert metrics.value("forebay_files_bytes", **labels) == len("1\n")
    assert metrics.value("forebay_files_age_seconds", **labels) > 0
    alter(client, 'ALTER TABLE "in.c-flow.bad" DROP COLUMN extra')
    status, _ = await client.call("POST", "/v1/receivers/box/exports/bad/files/retry")
    assert status == 202
    metrics = await scrape_when(client, "forebay_files_bytes", 0, **labels)
    assert metrics.value("forebay_load_retries_total", **labels) == 1
    assert metrics.value("forebay_rows_loaded_total", **labels) == 1


async def test_an_import_source_is_a_receiver_of_no_project(client: Client) -> None:
    stitch = StitchClient(client.server, client.session)
    documents = [{"id": 1}, {"id": 2, "_sdc_id": 2}]
    messages = [{"action": "upsert", "sequence": 1, "data": data} for data in documents]
    assert (await stitch.batch("things", *messages, key_names=["id"]))[0] == 201
    assert (await stitch.house("POST", f"/{SCHEMA}/flush"))[0] == 202
    labels = {"project": "0", "receiver": SCHEMA}
    metrics = await scrape_when(client, "forebay_documents_rejected_total", 1, **labels, export="documents")
    assert metrics.value("forebay_rows_loaded_total", **labels, export="documents") == 1
    assert metrics.value("forebay_events_accepted_total", **labels) == 2
    assert (await stitch.house("DELETE", f"/{SCHEMA}"))[0] == 200
    await scrape_when(client, "forebay_rows_loaded_total", 0, **labels)


async def test_what_is_deleted_is_told_no_more(client: Client) -> None:
    url = await client.create("box", export("all", column("body")))
    assert await client.push(url, "1") == 200
    await scrape_when(client, "forebay_rows_loaded_total", 1, **BOX)
    assert (await client.call("DELETE", "/v1/receivers/box"))[0] == 200
    deadline_s = time.monotonic() + PATIENCE_S
    while any(
        sample.labels.get("receiver") == "box" for one in (await scrape(client)).families for sample in one.samples
    ):
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.1)


async def test_a_worker_with_a_metrics_token_tells_nobody_else(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", free_port())
    try:
        await server.start(metrics_token="of-prometheus")
        assert await server.until_ready()
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{server.url}/metrics") as answer:
                assert answer.status == 401
                assert "forebay_" not in await answer.text()
            async with session.get(
                f"{server.url}/metrics", headers={"Authorization": "Bearer of-prometheus"}
            ) as answer:
                assert answer.status == 200
                assert "of-prometheus" not in await answer.text()
    finally:
        await server.kill()
