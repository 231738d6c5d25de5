"""The format of mocks, checked with everything that is wrong in it at once."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from ratchet_mcp.egress.messages import Headers
from ratchet_mcp.egress.preparing import METHODS
from ratchet_mcp.egress.urls import read_url
from ratchet_mcp.errors import InvalidFetch
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.violations import did_you_mean, shown

FAILURES = ("dns", "refused", "unreachable", "reset", "closed", "tls", "protocol", "timeout")
MATCHES = ("substring", "exact", "pattern")
MAX_MOCKS = 1000
_MAX_DELAY_MS = 60_000
_KEYS = (
    "url", "match", "method", "query", "headers", "body", "body_contains", "times", "response", "responses", "delay_ms", "failure",
    "description",
)  # fmt: skip
_REPLY_KEYS = ("ok", "status", "statusText", "status_text", "headers", "body", "json", "text", "body_base64", "url", "delay_ms", "failure")
_NO_BODY = frozenset({101, 204, 205, 304})


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a mock: a response, or a failure; either may come late."""

    status: int = 200
    status_text: str = ""
    headers: Headers = ()
    body: bytes = b""
    url: str | None = None
    delay_seconds: float = 0.0
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Glob:
    """A value in which * stands for any characters."""

    text: str

    @property
    def expression(self) -> re.Pattern[str]:
        """Return the regular expression."""
        return re.compile(".*".join(re.escape(part) for part in self.text.split("*")), re.DOTALL)


@dataclass(frozen=True, slots=True)
class MockFormat:
    """One mock: what a request must look like, and the answers in their order; the last one repeats."""

    place: str
    url: str = ""
    match: Literal["substring", "exact", "pattern"] = "substring"
    method: str | None = None
    query: Mapping[str, list[str] | None] | None = None
    headers: Mapping[str, Glob] = field(default_factory=dict[str, Glob])
    body: Any = None
    has_body: bool = False
    body_contains: str | None = None
    times: int | None = None
    replies: tuple[Reply, ...] = (Reply(),)

    @property
    def pattern(self) -> re.Pattern[str]:
        """Return the URL as a pattern."""
        return Glob(self.url).expression

    @property
    def name(self) -> str:
        """Return `GET api.example.com`."""
        return f"{self.method or 'any method'} {self.url}"[:120]


def read_mocks(raw: Any, file: str, path: str = "$", name: str = "mock") -> tuple[list[MockFormat], bool]:
    """Return the mocks, and whether other requests reach the network. Raises `TaskInvalid`.

    `path` is where they stand in the file, `name` what errors of requests call them.
    """
    problems = Problems()
    mocks, live = _Reader(problems, file, path, name).read(raw)
    if problems:
        raise problems.error(f"The mocks of {file}", file)
    return mocks, live


class _Reader:
    def __init__(self, problems: Problems, file: str, root: str, name: str) -> None:
        self._problems, self._file, self._root, self._name = problems, file, root, name

    def read(self, raw: Any) -> tuple[list[MockFormat], bool]:
        if raw is None:
            return [], False
        if is_array(raw):
            return self._list(raw, "$"), False
        if not is_object(raw):
            self._wrong("$", f'expected {{"http": …}}, got {shown(raw)}')
            return [], False
        if "url" in raw and "http" not in raw:
            return self._list([raw], "$"), False
        self._known(raw, ("http", "network", "answers"), "$")
        network = raw.get("network")
        if network not in (None, "live", "mocked"):
            self._wrong("$.network", f'expected "live" or "mocked", got {shown(network)}')
        http: Any = raw.get("http")
        return self._list(http if is_array(http) else [] if http is None else [http], "$.http"), network == "live"

    def _list(self, raw: list[Any], path: str) -> list[MockFormat]:
        if len(raw) > MAX_MOCKS:
            self._wrong(path, f"there are {len(raw)} mocks; at most {MAX_MOCKS} are taken")
            return []
        found: list[MockFormat] = []
        for index, each in enumerate(raw):
            place = f"{path}[{index}]"
            if is_object(each):
                found.append(self._mock(each, place))
            else:
                self._wrong(place, f"a mock is an object, got {shown(each)}")
        return found

    def _mock(self, raw: dict[str, Any], path: str) -> MockFormat:
        self._known(raw, _KEYS, path)
        url, match = raw.get("url"), raw.get("match", "substring")
        if not isinstance(url, str) or not url:
            self._wrong(f"{path}.url", f"expected a part of the URL, got {shown(url)}")
            url = ""
        if match not in MATCHES:
            self._wrong(f"{path}.match", f"expected one of {', '.join(MATCHES)}, got {shown(match)}{did_you_mean(str(match), MATCHES)}")
            match = "substring"
        if match == "exact":
            url = self._exact(url, path)
        return MockFormat(
            place=f"{self._name}{path[1:]}",
            url=url,
            match=match,
            method=self._method(raw.get("method"), path),
            query=self._query(raw.get("query"), path),
            headers={name: Glob(value) for name, value in self._texts(raw.get("headers"), f"{path}.headers")},
            body=raw.get("body"),
            has_body="body" in raw,
            body_contains=self._text(raw, "body_contains", path),
            times=self._number(raw, "times", path, 1, 1_000_000),
            replies=self._replies(raw, path),
        )

    def _exact(self, url: str, path: str) -> str:
        try:
            return read_url(url).href
        except InvalidFetch as error:
            self._wrong(f"{path}.url", error.message)
            return url

    def _method(self, value: Any, path: str) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str) or value.upper() not in METHODS:
            self._wrong(f"{path}.method", f"{shown(value)} is no method{did_you_mean(str(value).upper(), METHODS)}")
            return None
        return value.upper()

    def _query(self, value: Any, path: str) -> dict[str, list[str] | None] | None:
        if value is None:
            return None
        if not is_object(value):
            self._wrong(f"{path}.query", f"expected an object of parameters, got {shown(value)}")
            return None
        wanted: dict[str, list[str] | None] = {}
        for name, each in value.items():
            if each is None:
                wanted[name] = None
                continue
            values: list[Any] = each if is_array(each) else [each]
            if any(is_array(one) or is_object(one) or one is None for one in values):
                self._wrong(f"{path}.query.{name}", f"expected a text, a number, or a list of them, got {shown(each)}")
            wanted[name] = [one if isinstance(one, str) else json.dumps(one) for one in values]
        return wanted

    def _texts(self, value: Any, path: str) -> list[tuple[str, str]]:
        if value is None:
            return []
        if not is_object(value):
            self._wrong(path, f"expected an object of headers, got {shown(value)}")
            return []
        pairs: list[tuple[str, str]] = []
        for name, each in value.items():
            for one in each if is_array(each) else [each]:
                if (
                    not isinstance(one, str | int | float)
                    or not re.fullmatch(r"[!#-'*+\-.^-z|~A-Z]+", name)
                    or re.search(r"[\r\n\0]", str(one))
                ):
                    self._wrong(f"{path}.{name[:60]}", f"{shown(one)} is no value of a header")
                    continue
                pairs.append((name, str(one)))
        return pairs

    def _replies(self, raw: dict[str, Any], path: str) -> tuple[Reply, ...]:
        if "response" in raw and "responses" in raw:
            self._wrong(f"{path}.responses", "response and responses exclude each other")
        several: Any = raw.get("responses", [raw.get("response", {})])
        where = f"{path}.responses" if "responses" in raw else f"{path}.response"
        if not is_array(several) or not several:
            self._wrong(where, f"expected a list of at least one response, got {shown(several)}")
            return (Reply(),)
        outer = {key: raw[key] for key in ("delay_ms", "failure") if key in raw}
        if not outer and "response" not in raw and "responses" not in raw:
            self._wrong(path, "the mock has no response, no responses and no failure")
        replies: list[Reply] = []
        for index, each in enumerate(several):
            place = f"{where}[{index}]" if "responses" in raw else where
            if is_object(each):
                replies.append(self._reply({**outer, **each}, place))
            else:
                self._wrong(place, f"a response is an object, got {shown(each)}")
        return tuple(replies) or (Reply(),)

    def _reply(self, raw: dict[str, Any], path: str) -> Reply:
        self._known(raw, _REPLY_KEYS, path)
        failure = raw.get("failure")
        if failure is not None and failure not in FAILURES:
            self._wrong(
                f"{path}.failure", f"expected one of {', '.join(FAILURES)}, got {shown(failure)}{did_you_mean(str(failure), FAILURES)}"
            )
            failure = None
        ok = raw.get("ok", True)
        status = self._number(raw, "status", path, 200, 599) or (200 if ok else 500)
        if isinstance(ok, bool) and "ok" in raw and "status" in raw and ok != (200 <= status < 300):
            self._wrong(f"{path}.ok", f"ok is {shown(ok)}, but the status is {status}")
        headers = self._texts(raw.get("headers"), f"{path}.headers")
        body, kind = self._body(raw, path)
        if kind and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("content-type", kind))
        if body and status in _NO_BODY:
            self._wrong(f"{path}.body", f"a response with the status {status} has no body")
        text = self._text(raw, "statusText", path) or self._text(raw, "status_text", path)
        return Reply(
            status=status,
            status_text=text if text is not None else _phrase(status),
            headers=tuple(headers),
            body=body,
            url=self._text(raw, "url", path),
            delay_seconds=(self._number(raw, "delay_ms", path, 0, _MAX_DELAY_MS) or 0) / 1000,
            failure=failure,
        )

    def _body(self, raw: dict[str, Any], path: str) -> tuple[bytes, str | None]:
        given = [key for key in ("body", "json", "text", "body_base64") if key in raw]
        if len(given) > 1:
            self._wrong(path, f"{' and '.join(given)} exclude each other")
        if not given:
            return b"", None
        value: Any = raw[given[0]]
        if given[0] == "body_base64":
            try:
                return base64.b64decode(value, validate=True), "application/octet-stream"
            except (binascii.Error, ValueError, TypeError):
                self._wrong(f"{path}.body_base64", f"{shown(value)} is no base64")
                return b"", None
        if given[0] == "text" and not isinstance(value, str):
            self._wrong(f"{path}.text", f"expected a text, got {shown(value)}")
        if isinstance(value, str) and given[0] != "json":
            return value.encode("utf-8", "replace"), "text/plain;charset=UTF-8"
        if value is None and given[0] == "body":
            return b"", None
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"), "application/json"

    def _text(self, raw: dict[str, Any], key: str, path: str) -> str | None:
        value = raw.get(key)
        if value is not None and not isinstance(value, str):
            self._wrong(f"{path}.{key}", f"expected a text, got {shown(value)}")
            return None
        return value

    def _number(self, raw: dict[str, Any], key: str, path: str, least: int, most: int) -> int | None:
        value = raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._wrong(f"{path}.{key}", f"expected a number from {least} to {most}, got {shown(value)}")
            return None
        return value

    def _known(self, raw: dict[str, Any], keys: tuple[str, ...], path: str) -> None:
        for key in raw:
            if key not in keys:
                self._wrong(f"{path}.{key[:60]}", f"unknown key {shown(key)}{did_you_mean(key, keys)}")

    def _wrong(self, path: str, message: str) -> None:
        self._problems.add(self._file, message, path=self._root + path[1:])


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
