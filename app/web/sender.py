"""Who sent a request, and with which headers."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web
from multidict import istr

from app.model.event import HeaderPairs
from app.web.errors import HeadersTooLarge

HEADERS_BYTES_MAX = 64 * 1024
LINE_BYTES_MAX = 8190  # the address, the name or the value of one header
_FEW = HEADERS_BYTES_MAX // (2 * LINE_BYTES_MAX)  # so many headers are never too large
_REAL_IP = istr("X-Real-Ip")
_FORWARDED_FOR = istr("X-Forwarded-For")
UNKNOWN = "<nil>"


def client_ip(request: web.Request) -> str:
    """`X-Real-Ip` if it is an address, else the first address in `X-Forwarded-For`, else the connection's."""
    headers = request.headers
    if _REAL_IP in headers and (ip := _address(headers[_REAL_IP])):
        return ip
    if _FORWARDED_FOR in headers:
        for item in headers[_FORWARDED_FOR].split(","):
            if ip := _address(item):
                return ip
    peer = request.remote
    if peer is None:
        return UNKNOWN
    return peer if ":" not in peer else _address(peer.partition("%")[0]) or UNKNOWN


def _address(text: str) -> str | None:
    """As it is usually written, or None; a zone is no part of an address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    match address:
        case IPv4Address():
            return str(address)
        case IPv6Address(scope_id=None):
            return str(address.ipv4_mapped or address)
    return None


def header_pairs(request: web.Request) -> HeaderPairs:
    """All headers, names as sent, in their order. Raises HeadersTooLarge."""
    raw = request.raw_headers
    if len(raw) > _FEW and sum(len(name) + len(value) for name, value in raw) > HEADERS_BYTES_MAX:
        raise HeadersTooLarge(HEADERS_BYTES_MAX)
    return tuple([(name.decode("utf-8", "replace"), value.decode("utf-8", "replace")) for name, value in raw])
