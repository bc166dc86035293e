import pytest
from web_fakes import ADMIN_TOKEN, METRICS_TOKEN

from app.web.metrics import may_scrape


async def test_metrics_are_text_for_whoever_has_the_token_also_before_the_service_is_ready(client, house):
    house.is_ready = False
    response = await client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    assert (response.status, await response.text()) == (200, "forebay_ready 1.0\n")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", f"Basic {METRICS_TOKEN}", METRICS_TOKEN])
async def test_others_are_refused_and_told_what_is_wanted(client, authorization):
    response = await client.get("/metrics", headers={"Authorization": authorization})
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "forebay_ready" not in await response.text()


EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 -- nothing listens
TRIED = ["", "wrong", "\ud800", METRICS_TOKEN, ADMIN_TOKEN]


@pytest.mark.parametrize(
    ("host", "metrics_token", "let_in"),
    [
        ("127.0.0.1", None, TRIED),
        ("::1", None, TRIED),
        ("localhost", None, TRIED),
        (EVERY_INTERFACE, None, [ADMIN_TOKEN]),
        ("::", None, [ADMIN_TOKEN]),
        ("example.com", None, [ADMIN_TOKEN]),
        ("127.0.0.1", METRICS_TOKEN, [METRICS_TOKEN, ADMIN_TOKEN]),
        (EVERY_INTERFACE, METRICS_TOKEN, [METRICS_TOKEN, ADMIN_TOKEN]),
    ],
)
def test_who_may_scrape(host, metrics_token, let_in):
    may = may_scrape(host, metrics_token, lambda token: token == ADMIN_TOKEN)
    assert [token for token in TRIED if may(token)] == let_in


async def test_answers_and_refusals_are_counted_by_what_is_listed_and_not_by_what_is_sent(client, house):
    tally = house.doors.tally
    await client.get("/health-check")
    await client.request("PROPFIND", "/nothing/that/anybody/knows")
    await client.get("/v1/receivers", headers={"X-StorageApi-Token": "wrong"})
    assert tally.answered == {
        ("/health-check", "GET", 200): 1,
        ("unknown", "unknown", 404): 1,
        ("/v1/receivers", "GET", 401): 1,
    }
    assert tally.refused == {("unknown", 404, "pathUnknown"): 1, ("/v1/receivers", 401, "storage.tokenInvalid"): 1}
    assert tally.in_flight == 0
