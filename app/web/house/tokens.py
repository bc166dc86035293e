"""API tokens over the house API: whoever has the admin token says who may use which project."""

from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError

from app.model.api_token import ApiToken
from app.model.times import iso_ms
from app.web.bearer import bearer_token
from app.web.doors import Doors
from app.web.house.errors import HouseRefusal
from app.web.house.payloads import CreateTokenPayload, NewTokenAnswer, TokenAnswer, TokensAnswer


async def list_tokens(doors: Doors, request: web.Request) -> web.Response:
    """`GET /house/tokens`."""
    _authorize(doors, request)
    await doors.definitions.catch_up()
    return _answer(200, TokensAnswer(tokens=[_token(token) for token in doors.definitions.tokens()]))


async def create_token(doors: Doors, request: web.Request) -> web.Response:
    """`POST /house/tokens`: the only answer that shows the token itself."""
    _authorize(doors, request)
    payload = _decode(await doors.bodies.read(request))
    token, text = await doors.definitions.create_token(payload.project_id, payload.description or "")
    return _answer(201, NewTokenAnswer(**_token(token).model_dump(), token=text))


async def revoke_token(doors: Doors, request: web.Request) -> web.Response:
    """`DELETE /house/tokens/{id}`."""
    _authorize(doors, request)
    await doors.definitions.revoke_token(request.match_info["token_id"])
    return web.Response()


def _authorize(doors: Doors, request: web.Request) -> None:
    """Raises HouseRefusal unless the request has the admin token."""
    if not doors.is_admin(bearer_token(request)):
        message = "The header Authorization must be Bearer and the admin token."
        raise HouseRefusal(401, "unauthorized", message, {hdrs.WWW_AUTHENTICATE: "Bearer"})


def _decode(body: bytes) -> CreateTokenPayload:
    try:
        return CreateTokenPayload.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(["body", *map(str, first["loc"])])
        said = "there is no such member" if first["type"] == "extra_forbidden" else first["msg"]
        raise HouseRefusal(400, "badRequest", f"{place}: {said}.") from None


def _token(token: ApiToken) -> TokenAnswer:
    return TokenAnswer(
        id=token.id,
        project_id=token.project_id,
        description=token.description,
        created_at=iso_ms(token.created_us) if token.created_us else None,
    )


def _answer(status: int, content: BaseModel) -> web.Response:
    return web.Response(status=status, text=content.model_dump_json(by_alias=True), content_type="application/json")
