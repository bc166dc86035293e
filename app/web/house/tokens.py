"""API tokens over the house API: whoever has the admin token says who may use which project."""

from aiohttp import web

from app.model.api_token import ApiToken
from app.model.times import iso_ms
from app.web.doors import Doors
from app.web.house.access import answer, authorize, decode
from app.web.house.payloads import CreateTokenPayload, NewTokenAnswer, TokenAnswer, TokensAnswer


async def list_tokens(doors: Doors, request: web.Request) -> web.Response:
    """`GET /house/tokens`."""
    authorize(doors, request)
    await doors.definitions.catch_up()
    return answer(200, TokensAnswer(tokens=[_token(token) for token in doors.definitions.tokens()]))


async def create_token(doors: Doors, request: web.Request) -> web.Response:
    """`POST /house/tokens`: the only answer that shows the token itself."""
    authorize(doors, request)
    payload = decode(await doors.bodies.read(request), CreateTokenPayload)
    token, text = await doors.definitions.create_token(payload.project_id, payload.description or "")
    return answer(201, NewTokenAnswer(**_token(token).model_dump(), token=text))


async def revoke_token(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /house/tokens/{id}`."""
    authorize(doors, request)
    await doors.definitions.revoke_token(request.match_info["token_id"])
    return web.Response()


def _token(token: ApiToken) -> TokenAnswer:
    return TokenAnswer(
        id=token.id,
        project_id=token.project_id,
        description=token.description,
        created_at=iso_ms(token.created_us) if token.created_us else None,
    )
