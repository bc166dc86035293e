"""What every handler asks first: whether it is the operator, and what the body says."""

from typing import TypeVar

from aiohttp import hdrs, web
from pydantic import BaseModel, ValidationError

from app.web.bearer import bearer_token
from app.web.doors import Doors
from app.web.house.errors import HouseRefusal

P = TypeVar("P", bound=BaseModel)


def authorize(doors: Doors, request: web.Request) -> None:
    """Raises HouseRefusal unless the request has the admin token."""
    if not doors.is_admin(bearer_token(request)):
        message = "The header Authorization must be Bearer and the admin token."
        raise HouseRefusal(401, "unauthorized", message, {hdrs.WWW_AUTHENTICATE: "Bearer"})


def decode(body: bytes, payload: type[P]) -> P:
    """Raises HouseRefusal with the first thing that is wrong."""
    try:
        return payload.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(["body", *map(str, first["loc"])])
        said = "there is no such member" if first["type"] == "extra_forbidden" else first["msg"]
        raise HouseRefusal(400, "badRequest", f"{place}: {said}.") from None


def answer(status: int, content: BaseModel) -> web.Response:
    """The content as the body."""
    return web.Response(status=status, text=content.model_dump_json(by_alias=True), content_type="application/json")
