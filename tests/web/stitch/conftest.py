import pytest
from stitch_examples import CLIENT_ID, TOKEN

from app.model.draft import ImportSourceDraft


@pytest.fixture
async def source(house):
    made, _ = await house.import_sources.create(ImportSourceDraft("import_api", CLIENT_ID), TOKEN)
    return made
