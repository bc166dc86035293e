"""Whatever is sent wherever: the client of these tests takes no answer that the document does not promise.

Answers that have no end are left out.
"""

import gzip
import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from promised import CheckingClient
from web_fakes import PROJECT, SECRET, TOKEN, House, a_receiver, an_export
from yarl import URL

from app.web.buffer.routes import ROUTES
from app.web.views import Route

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
HEADER = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)
MEMBERS = st.sampled_from(
    [
        *("id", "name", "description", "exports", "mapping", "conditions", "deduplication", "graceSeconds"),
        *("tableId", "incremental", "columns", "type", "primaryKey", "template", "language", "content"),
        *("path", "defaultValue", "rawString", "count", "size", "time"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MEMBERS | TEXT, inner, max_size=6),
    max_leaves=12,
)
BODY = st.binary(max_size=100) | JSON.map(lambda content: json.dumps(content).encode())
SENT = BODY | BODY.map(gzip.compress)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain"])
        | HEADER,
        "Content-Encoding": st.sampled_from(["gzip", "zstd", "identity", "br"]) | HEADER,
        "X-StorageApi-Token": st.sampled_from([TOKEN, f"Bearer {TOKEN}"]) | HEADER,
        "X-Forebay-Now": st.sampled_from(["2026-01-02T03:04:05Z", "0001-01-01T00:00:00+14:00"]) | HEADER,
        "Idempotency-Key": HEADER,
        "X-Real-Ip": HEADER,
    },
)
QUERY = st.dictionaries(
    st.sampled_from(["batch", "limit", "offset", "exportId"]), TEXT, max_size=2
) | st.fixed_dictionaries({"batch": st.sampled_from(["array", "ndjson"])})
KNOWN = {"project_id": str(PROJECT), "receiver_id": "receiver-1", "export_id": "export-1", "secret": SECRET}


@st.composite
def addresses(draw: st.DrawFn, route: Route) -> str:
    """Of something that is there, or of anything."""
    known = draw(st.booleans())

    def part(named: re.Match[str]) -> str:
        return KNOWN[named[1]] if known and named[1] in KNOWN else draw(TEXT.filter(bool))

    return URL.build(path=re.sub(r"\{(\w+)[^}]*\}", part, route.path).replace("\0", "0")).raw_path


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), body=SENT, headers=HEADERS, query=QUERY)
@pytest.mark.parametrize(
    "route", [route for route in ROUTES if not route.operation.answer.media], ids=lambda route: route.operation.id
)
async def test_anything_gets_an_answer_that_the_document_promises(
    client: CheckingClient, house: House, route: Route, **generated: object
) -> None:
    data, body, headers, query = (generated[name] for name in ("data", "body", "headers", "query"))
    house.definitions.known["receiver-1"] = a_receiver("receiver-1", an_export())
    path = URL(data.draw(addresses(route)), encoded=True).with_query(query)
    encoded = {name: value.strip() for name, value in headers.items()}
    response = await client.request(route.method, path, data=body, headers={"X-StorageApi-Token": TOKEN, **encoded})
    assert response.status < 500
    assert await (await client.get("/health-check")).text() == "OK"
