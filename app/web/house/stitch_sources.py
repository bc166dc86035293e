"""Import sources over the house API: who may send documents under Stitch's Import API, and what became of them."""

from aiohttp import web

from app.model.draft import ImportSourceDraft
from app.model.import_source import ImportSource, ImportToken, Region, SourceState
from app.model.receiver import Receiver
from app.model.times import iso_ms
from app.web.doors import Doors
from app.web.house.access import answer, authorize, decode
from app.web.house.payloads import (
    CreateImportSourcePayload,
    CreateImportTokenPayload,
    ImportSourceAnswer,
    ImportSourcesAnswer,
    ImportTokenAnswer,
    NewImportSourceAnswer,
    NewImportTokenAnswer,
    UpdateImportSourcePayload,
)


async def list_sources(doors: Doors, request: web.Request) -> web.Response:
    """`GET /house/stitch-sources`."""
    authorize(doors, request)
    await doors.import_sources.catch_up()
    return answer(200, ImportSourcesAnswer(sources=[_source(source) for source in doors.import_sources.all()]))


async def create_source(doors: Doors, request: web.Request) -> web.Response:
    """`POST /house/stitch-sources`: the only answer that shows its first token."""
    authorize(doors, request)
    payload = decode(await doors.bodies.read(request), CreateImportSourcePayload)
    region = doors.region if payload.region is None else Region(payload.region)
    draft = ImportSourceDraft(payload.name, payload.client_id, region, payload.append_only)
    source, text = await doors.import_sources.create(draft, payload.token)
    return answer(201, NewImportSourceAnswer(**_source(source).model_dump(), token=text))


async def get_source(doors: Doors, request: web.Request) -> web.Response:
    """`GET /house/stitch-sources/{source}`."""
    return answer(200, _source(await _known(doors, request)))


async def update_source(doors: Doors, request: web.Request) -> web.Response:
    """`PATCH /house/stitch-sources/{source}`."""
    authorize(doors, request)
    payload = decode(await doors.bodies.read(request), UpdateImportSourcePayload)
    name = request.match_info["source"]
    changed = await doors.import_sources.update(name, new_name=payload.name, append_only=payload.append_only)
    return answer(200, _source(changed))


async def pause_source(doors: Doors, request: web.Request) -> web.Response:
    """`POST /house/stitch-sources/{source}/pause`."""
    return answer(200, _source(await _to(SourceState.PAUSED, doors, request)))


async def resume_source(doors: Doors, request: web.Request) -> web.Response:
    """`POST /house/stitch-sources/{source}/resume`."""
    return answer(200, _source(await _to(SourceState.ACTIVE, doors, request)))


async def delete_source(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /house/stitch-sources/{source}`."""
    await _to(SourceState.DELETED, doors, request)
    return web.Response()


async def create_token(doors: Doors, request: web.Request) -> web.Response:
    """`POST /house/stitch-sources/{source}/tokens`: the only answer that shows the token itself."""
    authorize(doors, request)
    payload = decode(await doors.bodies.read(request) or b"{}", CreateImportTokenPayload)
    token, text = await doors.import_sources.add_token(request.match_info["source"], payload.token)
    return answer(201, NewImportTokenAnswer(**_token(token).model_dump(), token=text))


async def revoke_token(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /house/stitch-sources/{source}/tokens/{id}`."""
    authorize(doors, request)
    await doors.import_sources.revoke_token(request.match_info["source"], request.match_info["token_id"])
    return web.Response()


async def receiver_of(doors: Doors, request: web.Request) -> Receiver:
    """What the source that the path names is to the core, if the operator asks. Raises as `_known`."""
    return (await _known(doors, request)).receiver


async def _known(doors: Doors, request: web.Request) -> ImportSource:
    """The source that the path names, if the operator asks. Raises HouseRefusal, DefinitionRefused."""
    authorize(doors, request)
    return await doors.import_sources.known(request.match_info["source"])


async def _to(state: SourceState, doors: Doors, request: web.Request) -> ImportSource:
    authorize(doors, request)
    return await doors.import_sources.update(request.match_info["source"], state=state)


def _source(source: ImportSource) -> ImportSourceAnswer:
    return ImportSourceAnswer(
        uid=source.uid,
        name=source.name,
        in_schema=source.schema,
        client_id=source.client_id,
        region=source.region.value,
        state=source.state.value,
        append_only=source.append_only,
        created_at=iso_ms(source.created_us),
        tokens=[_token(token) for token in source.tokens],
    )


def _token(token: ImportToken) -> ImportTokenAnswer:
    return ImportTokenAnswer(id=token.id, created_at=iso_ms(token.created_us) if token.created_us else None)
