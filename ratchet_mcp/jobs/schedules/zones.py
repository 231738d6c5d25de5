"""Time zones by their IANA names, the same on every machine: the names of the system and of the `tzdata` package."""

from __future__ import annotations

import difflib
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from ratchet_mcp.errors import InvalidArgument

SHOWN = 60


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of a name such as Europe/Berlin. Raises `InvalidArgument` with near names."""
    if name in _names():
        return ZoneInfo(name)
    near = _near(name)
    shown = name[:SHOWN]
    message = f"There is no time zone {shown!r}." + (f" Did you mean {' or '.join(near)}?" if near else "")
    raise InvalidArgument(
        message,
        hint="Name a zone of the IANA list, such as Europe/Berlin, America/New_York or UTC; a fixed offset is no zone.",
        details={"suggestions": near, "violations": [{"path": "$.timezone", "message": message}]},
    )


@cache
def _names() -> frozenset[str]:
    return frozenset(name for name in available_timezones() if name not in ("Factory", "localtime", "posixrules"))


@cache
def _plain_names() -> dict[str, list[str]]:
    """Map names, and the last parts of names, as a person may write them to the zones they mean."""
    plain: dict[str, list[str]] = {}
    for name in sorted(_names(), key=lambda each: ("/" not in each, each)):
        for written in {_plain(name), _plain(name.rpartition("/")[2])}:
            plain.setdefault(written, []).append(name)
    return plain


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _near(name: str) -> list[str]:
    plain = _plain_names()
    wanted = _plain(name[:SHOWN])
    found = [wanted] if wanted in plain else difflib.get_close_matches(wanted, plain, 3, 0.75)
    if not found and "/" in wanted:
        city = wanted.rpartition("/")[2]
        found = [city] if city in plain else difflib.get_close_matches(city, plain, 3, 0.75)
    return list(dict.fromkeys(zone for each in found for zone in plain[each]))[:3]
