"""Recordings: the requests of one run as HAR 1.2, which browser tools open, and beside it everything else that a replay needs.

What is secret is taken out before anything is written. `_ratchet` in an entry holds what HAR has no place for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from ratchet_mcp import __version__
from ratchet_mcp.egress.calls import HttpCall
from ratchet_mcp.egress.matching import Seen
from ratchet_mcp.egress.messages import FetchResponse, Headers, joined
from ratchet_mcp.egress.redaction import Redactor, without
from ratchet_mcp.errors import RecordingInvalid

FORMAT = "ratchet-recording/1"
MOST_VALUES = 1000
"""Values of cookies and credentials that are looked for in the bodies of one recording."""

HAR_FILE, FACTS_FILE = "http.har", "recording.json"


@dataclass(slots=True)
class Recorded:
    """One request with what came of it: a response, an error, or neither when the run had ended by then."""

    number: int
    seen: Seen
    response: FetchResponse | None = None
    error: dict[str, Any] | None = None
    finished: int | None = None
    call: HttpCall | None = None
    complete: bool = True


@dataclass(slots=True)
class Recorder:
    """Collects the requests of one run. `max_bytes` bounds all bodies together; `hide` takes secrets out of what is written."""

    redactor: Redactor
    max_bytes: int
    hide: Callable[[bytes], bytes] = bytes
    entries: list[Recorded] = field(default_factory=list[Recorded])
    complete: bool = True
    _values: dict[bytes, None] = field(default_factory=dict[bytes, None])
    _bytes: int = 0
    _finished: int = 0

    def begin(self, number: int, seen: Seen, call: HttpCall) -> Recorded:
        """Note a request that starts."""
        entry = Recorded(number, self._redacted(seen), call=call)
        self._learn(seen.headers, seen.url)
        self._count(entry, len(seen.body or b""))
        self.entries.append(entry)
        return entry

    def finish(self, entry: Recorded, outcome: FetchResponse | dict[str, Any]) -> None:
        """Note what came of it; an error as `to_dict()` gives it."""
        entry.finished = self._finished
        self._finished += 1
        if isinstance(outcome, dict):
            entry.error = outcome
            return
        self._count(entry, len(outcome.body))
        self._learn(outcome.headers, outcome.url)
        entry.response = FetchResponse(
            url=self.redactor.url(outcome.url),
            status=outcome.status,
            status_text=outcome.status_text,
            headers=self.redactor.headers(outcome.headers),
            body=self.redactor.body(outcome.body) if entry.complete else b"",
            redirected=outcome.redirected,
            http_version=outcome.http_version,
        )

    def _count(self, entry: Recorded, size: int) -> None:
        self._bytes += size
        if self._bytes > self.max_bytes:
            entry.complete = self.complete = False

    def _learn(self, headers: Headers, url: str) -> None:
        if len(self._values) < MOST_VALUES:
            self._values.update(dict.fromkeys(self.redactor.values(headers, url)))

    def _cleaned(self, entry: Recorded) -> Recorded:
        """Return an entry in whose bodies no value of a cookie or a credential stands that went over the wire in this run."""
        seen: Seen = entry.seen
        answer: FetchResponse | None = entry.response
        for value in sorted(self._values, key=len, reverse=True):
            if seen.body and value in seen.body:
                seen = replace(seen, body=without(seen.body, value))
            if answer and value in answer.body:
                answer = replace(answer, body=without(answer.body, value))
        return replace(entry, seen=seen, response=answer)

    def _redacted(self, seen: Seen) -> Seen:
        body = self.redactor.body(seen.body) if seen.body is not None else None
        return Seen(seen.method, self.redactor.url(seen.url), self.redactor.headers(seen.headers), body)

    def har(self) -> dict[str, Any]:
        """Return the requests as HAR 1.2."""
        creator = {"name": "Ratchet", "version": __version__}
        entries = [_entry(self._cleaned(each)) for each in sorted(self.entries, key=lambda each: each.number)]
        return {"log": {"version": "1.2", "creator": creator, "pages": [], "entries": entries}}

    def write(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Write the recording into a folder, whole or not at all. Blocking. Raises `RecordingInvalid`.

        `facts` is JSON: `task`, `input`, `output` or `error`, `logs`, `clock`, `seed`, `nonce`; values of secrets are taken out of it.
        """
        try:
            har = self.hide(_dump(self.har()))
            whole = {
                "format": FORMAT,
                "ratchet": __version__,
                "complete": self.complete,
                **facts,
                "har_sha256": hashlib.sha256(har).hexdigest(),
            }
            text = self.hide(_dump(whole))
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if (folder / HAR_FILE).exists() and not (folder / FACTS_FILE).exists():
                raise unusable(folder / HAR_FILE, "it is there already, and belongs to no recording")
            _replace(folder / HAR_FILE, har)
            _replace(folder / FACTS_FILE, text)
        except OSError as error:
            raise unusable(Path(error.filename or folder), error.strerror or str(error)) from None
        except (TypeError, ValueError) as error:
            raise unusable(folder / FACTS_FILE, f"it would hold what JSON cannot say: {error}") from None


def _dump(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2)
    except TypeError:  # whole numbers beyond 64 bits, halves of surrogate pairs
        return json.dumps(value, indent=2, allow_nan=False).encode()


def _replace(file: Path, data: bytes) -> None:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(descriptor)
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _entry(recorded: Recorded) -> dict[str, Any]:
    call = recorded.call
    timing = call.timing if call else None
    started = datetime.fromtimestamp(call.started_at if call else 0.0, UTC).isoformat(timespec="milliseconds")
    own: dict[str, Any] = {"number": recorded.number, "finished": recorded.finished, "complete": recorded.complete}
    if call is not None:
        own |= {"source": call.source, "retries": call.retries, "redirects": call.redirects, "policy": call.policy, "cache": call.cache}
    if recorded.error is not None:
        own["error"] = recorded.error
    if recorded.response is not None:
        own |= {"url": recorded.response.url, "redirected": recorded.response.redirected}
    entry: dict[str, Any] = {
        "startedDateTime": started.replace("+00:00", "Z"),
        "time": round((timing.total if timing else None) or 0.0, 3),
        "request": _request(recorded.seen, call),
        "response": _response(recorded, call),
        "cache": {},
        "timings": {
            "blocked": -1,
            "dns": _milliseconds(timing.dns if timing else None),
            "connect": _milliseconds(timing.connect if timing else None),
            "ssl": _milliseconds(timing.tls if timing else None),
            "send": 0,
            "wait": max(0, _milliseconds(timing.first_byte if timing else None)),
            "receive": max(0, _milliseconds(timing.body if timing else None)),
        },
        "_ratchet": own,
    }
    if call is not None and call.address:
        entry["serverIPAddress"] = call.address
    return entry


def _request(seen: Seen, call: HttpCall | None) -> dict[str, Any]:
    request: dict[str, Any] = {
        "method": seen.method,
        "url": seen.url,
        "httpVersion": (call.http_version if call else None) or "HTTP/1.1",
        "cookies": [],
        "headers": _pairs(seen.headers),
        "queryString": [{"name": name, "value": value} for name, value in parse_qsl(urlsplit(seen.url).query, keep_blank_values=True)],
        "headersSize": -1,
        "bodySize": len(seen.body or b""),
    }
    if seen.body is not None:
        text, encoding = _text(seen.body)
        request["postData"] = {"mimeType": joined(seen.headers, "content-type") or "", "text": text}
        request["postData"] |= {"_encoding": encoding} if encoding else {}
    return request


def _response(recorded: Recorded, call: HttpCall | None) -> dict[str, Any]:
    response = recorded.response
    if response is None:
        content: dict[str, Any] = {"size": 0, "mimeType": "x-unknown"}
        return {
            "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [], "content": content,
            "redirectURL": "", "headersSize": -1, "bodySize": -1,
        }  # fmt: skip
    text, encoding = _text(response.body)
    content = {"size": len(response.body), "mimeType": joined(response.headers, "content-type") or "application/octet-stream", "text": text}
    return {
        "status": response.status,
        "statusText": response.status_text,
        "httpVersion": response.http_version or "HTTP/1.1",
        "cookies": [],
        "headers": _pairs(response.headers),
        "content": content | ({"encoding": encoding} if encoding else {}),
        "redirectURL": joined(response.headers, "location") or "",
        "headersSize": -1,
        "bodySize": call.received if call else -1,
    }


def _pairs(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _text(body: bytes) -> tuple[str, str | None]:
    try:
        return body.decode("utf-8"), None
    except UnicodeDecodeError:
        return base64.b64encode(body).decode("ascii"), "base64"


def _milliseconds(value: float | None) -> float:
    return -1 if value is None else round(value, 3)


def unusable(file: Path, why: str) -> RecordingInvalid:
    """Return the error for a recording that cannot be read or written."""
    return RecordingInvalid(f"The recording cannot be used: {file} ({why}).", details={"path": str(file)})
