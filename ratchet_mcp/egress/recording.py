"""Reads recordings: those of Ratchet with all their facts, and the HAR of any other program."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet_mcp.egress.har import FACTS_FILE, FORMAT, HAR_FILE, Recorded, unusable
from ratchet_mcp.egress.matching import Seen
from ratchet_mcp.egress.messages import FetchResponse, Headers
from ratchet_mcp.errors import RecordingInvalid
from ratchet_mcp.tasks.json_values import is_object


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that was read: the requests in their order, and the facts of the run."""

    entries: tuple[Recorded, ...]
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path, max_bytes: int = 256 << 20) -> Recording:
        """Read a recording. Blocking. Raises `RecordingInvalid`."""
        har, facts = _load(folder / HAR_FILE, max_bytes), _load(folder / FACTS_FILE, max_bytes)
        parsed = _parsed(facts, folder / FACTS_FILE)
        if not is_object(parsed) or parsed.get("format") != FORMAT:
            raise unusable(folder / FACTS_FILE, f"its format is not {FORMAT}")
        if parsed.get("har_sha256") != hashlib.sha256(har).hexdigest():
            raise unusable(folder / HAR_FILE, f"it is not the one that {FACTS_FILE} was written with")
        return cls(read_entries(_parsed(har, folder / HAR_FILE), folder / HAR_FILE), parsed)


def is_of(folder: Path, execution_id: str) -> bool:
    """Tell whether a folder holds the recording of an execution. Blocking."""
    try:
        return Recording.read(folder).facts.get("execution_id") == execution_id
    except RecordingInvalid:
        return False


def _load(file: Path, max_bytes: int) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise unusable(file, error.strerror or str(error)) from None
    if len(data) > max_bytes:
        raise unusable(file, f"it is larger than {max_bytes} bytes")
    return data


def _parsed(data: bytes, file: Path) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise unusable(file, f"it is no JSON: {error}") from None


def read_entries(har: Any, file: Path) -> tuple[Recorded, ...]:
    """Return the requests of a HAR; one that other programs wrote will do as well. Raises `RecordingInvalid`."""
    try:
        entries: list[Any] = har["log"]["entries"]
        return tuple(_recorded(entry, index) for index, entry in enumerate(entries))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise unusable(file, f"it is no HAR 1.2 ({type(error).__name__}: {error})") from None


def _recorded(entry: dict[str, Any], index: int) -> Recorded:
    own: dict[str, Any] = entry.get("_ratchet") or {}
    request, response = entry["request"], entry["response"]
    post: dict[str, Any] | None = request.get("postData")
    body = _bytes(post.get("text") or "", post.get("_encoding")) if post is not None else None
    seen = Seen(str(request["method"]), str(request["url"]), _read_headers(request["headers"]), body)
    error, status = own.get("error"), int(response["status"])
    answer = None
    if error is None and status > 0:
        content = response["content"]
        answer = FetchResponse(
            url=str(own.get("url", request["url"])),
            status=status,
            status_text=str(response["statusText"]),
            headers=_read_headers(response["headers"]),
            body=_bytes(content.get("text") or "", content.get("encoding")),
            redirected=bool(own.get("redirected", False)),
            http_version=str(response["httpVersion"]),
        )
    finished = own.get("finished", index) if answer is not None or error is not None else None
    return Recorded(int(own.get("number", index + 1)), seen, answer, error, finished, None, bool(own.get("complete", True)))


def _read_headers(pairs: list[Any]) -> Headers:
    return tuple((str(pair["name"]), str(pair["value"])) for pair in pairs)


def _bytes(text: str, encoding: str | None) -> bytes:
    return base64.b64decode(text, validate=True) if encoding == "base64" else text.encode("utf-8")
