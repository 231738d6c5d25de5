"""The values of `format` that are checked; other formats are notes to the reader."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, time
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING
from uuid import UUID

from ratchet_mcp.tasks.patterns import compile_pattern

if TYPE_CHECKING:
    from jsonschema import FormatChecker

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{2}:\d{2}:\d{2}(\.\d+)?([zZ]|[+-]\d{2}:\d{2})", re.ASCII)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"[^\s@\"<>(),:;\[\]\\]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_URI_TEXT = r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_URI = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*:{_URI_TEXT}")
_URI_REFERENCE = re.compile(_URI_TEXT)
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_DURATION = re.compile(r"P(?=[\dT])(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text) and date.fromisoformat(text))


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    if text[6:8] == "60":
        text = text[:6] + "59" + text[8:]
    whole = re.sub(r"\.\d+", "", text).upper()
    return bool(time.fromisoformat(whole))


def _is_date_time(text: str) -> bool:
    return len(text) > 10 and text[10] in "tT " and _is_date(text[:10]) and _is_time(text[11:])


def _is_uri(text: str) -> bool:
    return bool(_URI.fullmatch(text)) and not text.endswith("://")


def _is_hostname(text: str) -> bool:
    return len(text) <= 253 and bool(_HOSTNAME.fullmatch(text))


def _is_uuid(text: str) -> bool:
    return bool(_UUID.fullmatch(text) and UUID(text))


FORMATS: dict[str, Callable[[str], bool]] = {
    "date": _is_date,
    "time": _is_time,
    "date-time": _is_date_time,
    "duration": lambda text: bool(_DURATION.fullmatch(text)),
    "email": lambda text: bool(_EMAIL.fullmatch(text)),
    "hostname": _is_hostname,
    "ipv4": lambda text: IPv4Address(text).version == 4,
    "ipv6": lambda text: IPv6Address(text).scope_id is None,
    "uri": _is_uri,
    "uri-reference": lambda text: bool(_URI_REFERENCE.fullmatch(text)),
    "uuid": _is_uuid,
    "json-pointer": lambda text: bool(_POINTER.fullmatch(text)),
    "regex": lambda text: compile_pattern(text) is not None,
}


@lru_cache(maxsize=1)
def format_checker() -> FormatChecker:
    """Return the checker of all formats above."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, check in FORMATS.items():
        checker.checks(name, raises=ValueError)(_strings_only(check))
    return checker


def _strings_only(check: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, str) or check(value)
