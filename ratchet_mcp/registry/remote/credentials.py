"""Credentials of a source, read from the environment or a file each time they are needed, and kept out of every text."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ratchet_mcp.registry.remote.options import CredentialOptions

MAX_SECRET_BYTES = 64 << 10
GIT_USER = "x-access-token"
"""The user name that goes with a token over git when none is set; the large forges take any."""


class CredentialsMissing(Exception):
    """The variable or file that the settings name has no usable secret. Its text never holds one."""


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A user name, a secret, or both. Its `repr` shows neither."""

    username: str | None = None
    password: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"

    def header(self, name: str | None = None) -> tuple[str, str] | None:
        """Return the HTTP header that carries them, or None when there are none."""
        if self.token is not None and name is not None:
            return name, self.token
        if self.token is not None and self.username is None:
            return "Authorization", f"Bearer {self.token}"
        return self.basic(None)

    def basic(self, default_user: str | None) -> tuple[str, str] | None:
        """Return the header of basic authentication (RFC 7617), which git servers want for tokens too."""
        secret = self.password if self.password is not None else self.token
        user = self.username if self.username is not None else default_user
        if secret is None or user is None:
            return None
        return "Authorization", "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()

    def redact(self, text: str) -> str:
        """Take every secret, also as it stands in a header, out of a text."""
        encoded = self.basic(GIT_USER)
        secrets = [self.password, self.token, encoded[1].removeprefix("Basic ") if encoded else None]
        for secret in secrets:
            if secret:
                text = text.replace(secret, "***")
        return text


def read_credentials(options: CredentialOptions, env: Mapping[str, str] | None = None) -> Credentials:
    """Return the credentials that the options name. Raises `CredentialsMissing`."""
    env = os.environ if env is None else env
    token = _one(options.token_env, options.token_file, env, "token")
    password = _one(options.password_env, options.password_file, env, "password")
    username = options.username if options.username is not None else _one(options.username_env, None, env, "user name")
    if username is None and password is not None:
        raise CredentialsMissing("a password needs a user name: set config.username or config.username_env")
    return Credentials(username, password, token)


def _one(variable: str | None, file: Path | None, env: Mapping[str, str], what: str) -> str | None:
    if variable is not None:
        value = env.get(variable, "").strip()
        if not value:
            raise CredentialsMissing(f"the environment variable {variable}, which should hold the {what}, is not set")
        return _checked(value, f"the environment variable {variable}")
    if file is None:
        return None
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_SECRET_BYTES + 1)
        value = data.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise CredentialsMissing(f"the file {file}, which should hold the {what}, cannot be read: {reason}") from None
    if not value or len(data) > MAX_SECRET_BYTES:
        raise CredentialsMissing(f"the file {file}, which should hold the {what}, is {'too large' if value else 'empty'}")
    return _checked(value, f"the file {file}")


def _checked(value: str, place: str) -> str:
    if not value.isascii() or re.search(r"[\x00-\x1f\x7f]", value):
        raise CredentialsMissing(f"{place} holds characters that a credential cannot have (line ends, or others than ASCII)")
    return value
