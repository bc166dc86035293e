"""The conditions under which an export's buffered rows are loaded, in the Buffer API's notation."""

import re

import msgspec

KIB = 1024
MIB = 1024 * KIB
COUNT_MIN, COUNT_MAX, COUNT_DEFAULT = 1, 10_000_000, 1000
SIZE_MIN_BYTES, SIZE_MAX_BYTES, SIZE_DEFAULT_BYTES = 100, 50 * MIB, 5 * MIB
TIME_MIN_S, TIME_MAX_S, TIME_DEFAULT_S = 30.0, 24 * 3600.0, 300.0


class Conditions(msgspec.Struct, frozen=True):
    """A file is closed when it has `count` rows, or `size_bytes` of CSV, or is `time_s` old, whichever comes first."""

    count: int = COUNT_DEFAULT
    size_bytes: int = SIZE_DEFAULT_BYTES
    time_s: float = TIME_DEFAULT_S


_SIZE = re.compile(r"(\d+)\s*([A-Za-z]*)", re.ASCII)
_UNIT_POWERS = {
    unit: power
    for power, units in enumerate(
        [
            ("", "b", "byte", "bytes"),
            ("k", "kb", "kilo", "kilobyte", "kilobytes"),
            ("m", "mb", "mega", "megabyte", "megabytes"),
            ("g", "gb", "giga", "gigabyte", "gigabytes"),
            ("t", "tb", "tera", "terabyte", "terabytes"),
            ("p", "pb", "peta", "petabyte", "petabytes"),
            ("e", "eb", "exa", "exabyte", "exabytes"),
        ]
    )
    for unit in units
}
_DIGITS_MAX = 20


def parse_size_bytes(text: str) -> int:
    """`5MB` → 5242880: powers of 1024, any case but `Mb` (a bit is no byte). Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None or len(match[1]) > _DIGITS_MAX:
        raise ValueError(text)
    unit = match[2]
    if len(unit) == 2 and unit[0].isupper() and unit[1] == "b":  # noqa: PLR2004 -- Kb, Mb, …
        raise ValueError(text)
    power = _UNIT_POWERS.get(unit.lower())
    if power is None:
        raise ValueError(text)
    return int(match[1]) * int(KIB**power)


def format_size(size_bytes: int) -> str:
    """With the largest unit that divides exactly: 5242880 → `5MB`, 102400 → `100KB`, 0 → `0B`."""
    units = ["B", "KB", "MB", "GB", "TB", "PB", "EB"]
    power = 0
    while size_bytes and size_bytes % KIB == 0 and power < len(units) - 1:
        size_bytes //= KIB
        power += 1
    return f"{size_bytes}{units[power]}"


_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_CHARACTERS_MAX = 64


def parse_duration_s(text: str) -> float:
    """Go's notation: `1h30m`, `90s`, `1.5h`, `300ms`. Raises ValueError."""
    sign = -1.0 if text.startswith("-") else 1.0
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0.0
    if not rest or len(rest) > _DURATION_CHARACTERS_MAX:
        raise ValueError(text)
    total_s, at = 0.0, 0
    while at < len(rest):
        match = _DURATION_PART.match(rest, at)
        if match is None:
            raise ValueError(text)
        total_s += float(match[1]) * _UNIT_SECONDS[match[2]]
        at = match.end()
    return sign * round(total_s, 9)


def format_duration(seconds: float) -> str:
    """As Go prints it: `30s`, `1m0s`, `1m40s`, `24h0m0s`, `300ms`."""
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds == 0:
        return "0s"
    if seconds < 1:
        for unit, factor in (("ms", 1e3), ("µs", 1e6), ("ns", 1e9)):
            if seconds * factor >= 1:
                return f"{_trimmed(seconds * factor)}{unit}"
    minutes, rest = divmod(round(seconds, 9), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{_trimmed(rest)}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def _trimmed(number: float) -> str:
    text = f"{number:.9f}".rstrip("0").rstrip(".")
    return text or "0"
