import pytest

from app.mapping.arrived import Arrived
from app.model.event import Event

JSON = (("Content-Type", "application/json"),)
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


def arrived(body=b"{}", headers=JSON, *, arrival_us=1_136_189_045_123_456, ip="1.2.3.4", event_id="id-1"):
    body = body.encode() if isinstance(body, str) else body
    return Arrived(Event("r", arrival_us, ip, tuple(headers), body), event_id)


@pytest.fixture(name="arrived")
def _arrived():
    return arrived


@pytest.fixture(name="form")
def _form():
    return lambda body: arrived(body, FORM)
