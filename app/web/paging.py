"""Which page of a list a request asks for."""

from aiohttp import web

from app.web.errors import NumberMalformed, NumberOutOfRange

LIMIT, LIMIT_MAX = 100, 1000
OFFSET_MAX = 10**9
DIGITS_MAX = 10


def page_of(request: web.Request) -> tuple[int, int]:
    """Its `offset` and `limit`. Raises Refusal."""
    offset = _whole_number(request, "offset", 0, 0, OFFSET_MAX)
    return offset, _whole_number(request, "limit", LIMIT, 1, LIMIT_MAX)


def _whole_number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > DIGITS_MAX:
        raise NumberMalformed(name, text)
    if not least <= int(text) <= most:
        raise NumberOutOfRange(name, int(text), least, most)
    return int(text)
