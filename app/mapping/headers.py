"""Headers as a Go server shows them: names in canonical spelling, the first value of each."""

import re
from functools import cached_property, lru_cache

from app.mapping.json_text import print_go_json
from app.model.event import HeaderPairs

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LEFT_OUT = "Host"  # Go keeps it apart from the headers


def canonical_name(name: str) -> str:
    """`x-api-KEY` → `X-Api-Key`; a name that is no token stays as it is."""
    if _TOKEN.fullmatch(name) is None:
        return name
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


class Headers:
    """The headers of an event. Events with equal headers share one."""

    def __init__(self, pairs: HeaderPairs) -> None:
        values: dict[str, str] = {}
        for name, value in pairs:
            values.setdefault(canonical_name(_utf8(name)), _utf8(value))
        values.pop(_LEFT_OUT, None)
        self.values = dict(sorted(values.items()))

    @cached_property
    def json(self) -> str:
        """A compact JSON object, names sorted."""
        return print_go_json(self.values)

    @cached_property
    def lines(self) -> str:
        """`Name: value` and a line end each, sorted as lines."""
        return "".join(sorted(f"{name}: {value}\n" for name, value in self.values.items()))

    @cached_property
    def media_type(self) -> str:
        """Of the body, without parameters, in small letters."""
        return self.values.get("Content-Type", "").partition(";")[0].strip().lower()


def _utf8(text: str) -> str:
    """Bytes that were not UTF-8 arrive as surrogates; nothing further on can hold those."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


_HEADERS_KEPT = 256


@lru_cache(maxsize=_HEADERS_KEPT)
def headers_of(pairs: HeaderPairs) -> Headers:
    """Share the work: the same few clients send the same headers again and again."""
    return Headers(pairs)
