import faust
import pytest
from aiohttp.test_utils import TestServer
from promised import CheckingClient
from web_fakes import TOKEN, House

from app.web.routes import install


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def client(house):
    app = faust.App("test", broker="memory://")
    install(app, house.doors)
    assert app.web.cors  # as Faust's own start does
    async with CheckingClient(TestServer(await app.web.wsgi())) as test_client:
        yield test_client


@pytest.fixture
def auth() -> dict[str, str]:
    return {"X-StorageApi-Token": TOKEN}
