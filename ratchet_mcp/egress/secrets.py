"""Secrets of tasks: a task holds handles, the coordinator puts the values into headers, for hosts that a secret is bound to.

A handle is text like `{{secret:API_KEY:0123456789abcdef}}`. Its end belongs to one run: text that came with an input is no handle.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from ratchet_mcp.egress.messages import Headers
from ratchet_mcp.egress.policy import rules_of
from ratchet_mcp.egress.urls import Target
from ratchet_mcp.errors import InvalidFetch, SecretMissing
from ratchet_mcp.settings.hosts import HostPattern, first_match, read_patterns
from ratchet_mcp.settings.network import SecretSettings

if TYPE_CHECKING:
    from ratchet_mcp.tasks.definition import Task

MAX_SECRET = 16 << 10
MIN_SECRET = 6
"""Shorter values could not be taken out of texts without harm to them."""
_HANDLE = re.compile(r"\{\{secret:([A-Za-z_][A-Za-z0-9_]{0,63}):([0-9a-f]{16})\}\}")
_BASIC = re.compile(r"(?i)basic\s+([A-Za-z0-9+/=]+)\s*")


@dataclass(slots=True)
class _Secret:
    settings: SecretSettings
    hosts: tuple[HostPattern, ...]


@dataclass(slots=True)
class SecretStore:
    """The secrets of the settings. A value is read when it is first sent, and every text in which it comes back loses it."""

    settings: list[SecretSettings]
    env: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    _known: dict[str, _Secret] = field(init=False, repr=False)
    _forms: dict[bytes, bytes] = field(init=False, repr=False, default_factory=dict[bytes, bytes])

    def __post_init__(self) -> None:
        self._known = {each.name: _Secret(each, read_patterns(each.hosts)) for each in self.settings}

    def names_for(self, task: str | None) -> tuple[str, ...]:
        """Return the names that a task may use."""
        return tuple(name for name, secret in self._known.items() if _may_use(secret, task))

    def value(self, name: str, task: str | None, target: Target) -> str:
        """Return a value for one host. Raises `SecretMissing`."""
        secret = self._known.get(name)
        if secret is None or not _may_use(secret, task):
            raise _missing(
                name, target, f"The secret {name} is not there for this task", f"Add it to network.secrets, bound to {target.host}."
            )
        if not first_match(secret.hosts, target.scheme, target.host, target.port):
            bound = ", ".join(pattern.text for pattern in secret.hosts)
            raise _missing(name, target, f"The secret {name} may be sent to {bound}, not to {target.scheme}://{target.authority}", None)
        value = self._read(secret.settings, target)
        self._remember(value, name)
        return value

    def _read(self, settings: SecretSettings, target: Target) -> str:
        if settings.env is not None:
            place, value = f"the variable {settings.env}", self.env.get(settings.env, "")
        else:
            assert settings.file is not None  # noqa: S101  the settings have one of both
            place = f"the file {settings.file}"
            try:
                with settings.file.open(encoding="utf-8") as stream:
                    value = stream.read(MAX_SECRET + 1)
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "it is no text"
                raise _missing(settings.name, target, f"The secret {settings.name} cannot be read from {place} ({why})", None) from None
        value = value.strip()
        if not MIN_SECRET <= len(value) <= MAX_SECRET or re.search(r"[^\x20-\x7e]", value):
            wrong = "is not set" if not value else f"is no line of {MIN_SECRET} to {MAX_SECRET} plain characters"
            raise _missing(settings.name, target, f"The secret {settings.name} has no value: {place} {wrong}", None)
        return value

    def _remember(self, value: str, name: str) -> None:
        mark = f"***{name}***".encode()
        plain = value.encode()
        quoted = json.dumps(value)[1:-1]
        coded = base64.b64encode(plain).decode().rstrip("=")
        forms = {value, quoted, quoted.replace("/", "\\/"), quote(value, safe=""), quote(value), quote_plus(value), coded}
        forms.add(coded.replace("+", "-").replace("/", "_"))
        for form in sorted(forms, key=len, reverse=True):
            if len(form) >= MIN_SECRET:
                self._forms[form.encode()] = mark

    def remember_encoded(self, encoded: str, name: str) -> None:
        """Take note of a form in which a value was sent, as in basic authentication."""
        self._forms[encoded.encode()] = f"***{name}***".encode()

    def hide(self, data: bytes) -> bytes:
        """Take every value that was ever sent out of some bytes."""
        for form, mark in self._forms.items():
            if form in data:
                data = data.replace(form, mark)
        return data

    def hide_text(self, text: str) -> str:
        """Take every value that was ever sent out of a text."""
        return self.hide(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass") if self._forms else text


class RunSecrets:
    """The secrets of one run. `nonce` ends its handles: 16 hexadecimal digits; a replay must give the recorded one for the same output."""

    def __init__(self, store: SecretStore, task: Task | None, nonce: str | None = None) -> None:
        self._store, self._task = store, task.name if task else None
        self._declared = rules_of(task).secrets if task else ()
        self.nonce = nonce or secrets.token_hex(8)
        self._mark = f":{self.nonce}}}}}"

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that there are handles for: those that are there for this task, and those that its metadata declares.

        What is declared but not there fails when it is sent; with mocks and replays nothing is sent.
        """
        return tuple(dict.fromkeys((*self._store.names_for(self._task), *self._declared)))

    def handle(self, name: str) -> str:
        """Return the handle of a name; whether there is such a secret is seen when it is sent."""
        return f"{{{{secret:{name}{self._mark}"

    def uses(self, headers: Headers) -> bool:
        """Tell whether a handle stands in one of the headers."""
        return any(self.inside(value) for _, value in headers)

    def inside(self, value: str) -> bool:
        """Tell whether a handle stands in a header's value, also inside of basic authentication."""
        return self._mark in value or self._mark in (_basic(value) or "")

    def check_elsewhere(self, url: str, body: bytes | None) -> None:
        """Refuse handles where they are not filled in. Raises `InvalidFetch`."""
        for field_name, found in (("url", self.nonce in url), ("body", body is not None and self.nonce.encode() in body)):
            if found:
                raise InvalidFetch(
                    f"A secret of context.secrets stands in the {field_name} of the request, and is sent in headers only.",
                    hint="Put it into a header such as Authorization; most services take it there.",
                    details={"host": None, "field": field_name},
                )

    def fill(self, headers: Headers, target: Target) -> Headers:
        """Put the values in. Raises `SecretMissing` when one is not there, or not for this host."""
        return tuple((name, self._filled(value, target)) for name, value in headers)

    def _filled(self, value: str, target: Target) -> str:
        if self._mark in value:
            return self._replaced(value, target)
        inner = _basic(value)
        if inner is None or self._mark not in inner:
            return value
        encoded = base64.b64encode(self._replaced(inner, target).encode()).decode()
        self._store.remember_encoded(encoded, "BASIC")
        return f"Basic {encoded}"

    def _replaced(self, text: str, target: Target) -> str:
        return _HANDLE.sub(lambda found: self._store.value(found[1], self._task, target) if found[2] == self.nonce else found[0], text)

    def plain(self, text: str) -> str:
        """Write handles as `{{NAME}}`, for mocks and recordings, which know no run."""
        text = _HANDLE.sub(lambda found: f"{{{{{found[1]}}}}}" if found[2] == self.nonce else found[0], text)
        inner = _basic(text)
        return f"Basic {self.plain(inner)}" if inner is not None and self._mark in inner else text

    def hide(self, data: bytes) -> bytes:
        """Take every value out of some bytes."""
        return self._store.hide(data)

    def hide_text(self, text: str) -> str:
        """Take every value out of a text."""
        return self._store.hide_text(text)


def _may_use(secret: _Secret, task: str | None) -> bool:
    return task is None or any(fnmatch.fnmatchcase(task, pattern) for pattern in secret.settings.tasks)


def _missing(name: str, target: Target, message: str, hint: str | None) -> SecretMissing:
    return SecretMissing(f"{message}.", hint=hint, details={"host": target.host, "secret": name})


def _basic(value: str) -> str | None:
    """Return what stands in a value of basic authentication (RFC 7617), or None."""
    found = _BASIC.fullmatch(value)
    if found is None:
        return None
    try:
        return base64.b64decode(found[1], validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
