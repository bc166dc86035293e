"""The token of a request's header Authorization."""

from aiohttp import hdrs, web

_SCHEME = "bearer"


def bearer_token(request: web.Request) -> str:
    """Of `Authorization: Bearer <token>`; empty if there is none."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == _SCHEME else ""
