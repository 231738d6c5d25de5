"""What `config` of a remote source may hold: checked like settings, and no error ever repeats a value."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator

from ratchet_mcp.errors import SettingsInvalid
from ratchet_mcp.settings import SourceSettings
from ratchet_mcp.settings.base import Section
from ratchet_mcp.tasks.files import MAX_ZIP_BYTES
from ratchet_mcp.tasks.reading import hidden_characters

SECRETS = ("token", "password", "secret", "api_key", "authorization", "auth", "credentials", "key")
"""Names that people give to options in which a secret would stand; there are none."""
_REF = re.compile(r"(?!.*(?:\.\.|//|@\{|/\.))[A-Za-z0-9_][A-Za-z0-9_./+@#-]{0,199}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


def _ref(value: str) -> str:
    if not _REF.fullmatch(value) or value.endswith((".", "/", ".lock")):
        raise ValueError("this is no name of a branch or tag")
    return value


def _commit(value: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}", value):
        raise ValueError("a commit is named by its whole id: 40 (or 64) hexadecimal digits")
    return value.lower()


def _folder(value: str) -> str:
    plain = value.strip("/")
    if not plain or any(part in ("", ".", "..") for part in plain.split("/")) or hidden_characters(plain) or "\n" in plain:
        raise ValueError("this is no path of a folder inside the repository")
    return plain


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError("this is no name of an environment variable (write the name, never the secret itself)")
    return value


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value) or value.lower() in ("host", "content-length", "transfer-encoding", "connection"):
        raise ValueError("this is no name of a header that can carry a token")
    return value


Variable = Annotated[str, AfterValidator(_variable)]
File = Annotated[Path, AfterValidator(lambda path: path.expanduser())]


class CredentialOptions(Section):
    """Where the credentials of a source are: in environment variables or files, never in the settings."""

    token_env: Variable | None = Field(default=None, description="Environment variable that holds a token.")
    token_file: File | None = Field(default=None, description="File that holds a token.")
    username: str | None = Field(default=None, pattern=r"^[^\s:]{1,100}$", description="User name that goes with a password or token.")
    username_env: Variable | None = Field(default=None, description="Environment variable that holds the user name.")
    password_env: Variable | None = Field(default=None, description="Environment variable that holds a password.")
    password_file: File | None = Field(default=None, description="File that holds a password.")
    ca_file: File | None = Field(default=None, description="Certificates (PEM) of the authorities to trust instead of the usual ones.")

    @model_validator(mode="after")
    def _one_way_in(self) -> CredentialOptions:
        secrets = [name for name in ("token_env", "token_file", "password_env", "password_file") if getattr(self, name) is not None]
        if len(secrets) > 1:
            raise ValueError(f"{' and '.join(secrets)} exclude each other; keep one")
        if self.username is not None and self.username_env is not None:
            raise ValueError("username and username_env exclude each other; keep one")
        return self


class HttpOptions(CredentialOptions):
    """Options of an HTTP index."""

    refresh_seconds: float | None = Field(default=300.0, ge=1, le=31_536_000, description="How often the index is asked for; null: never.")
    timeout_seconds: float = Field(default=30.0, gt=0, le=3600, description="Time for one answer, repetitions included.")
    attempts: int = Field(default=3, ge=1, le=10, description="How often a request is tried when the server or the network fails.")
    max_index_bytes: int = Field(default=32 << 20, ge=1024, le=256 << 20, description="Size of the index.")
    max_zip_bytes: int = Field(default=MAX_ZIP_BYTES, ge=1024, le=MAX_ZIP_BYTES, description="Size of one task ZIP.")
    max_tasks: int = Field(default=50_000, ge=1, le=50_000, description="Number of entries in the index.")
    prefetch: bool = Field(default=False, description="Fetch every task with the index, so that all of them work offline.")
    private: bool | None = Field(
        default=None,
        description="true: the index is in a private network; false: never connect to one; null: as its host is when first asked.",
    )
    header: Annotated[str, AfterValidator(_header)] | None = Field(
        default=None, description="Header that carries the token as it is; by default `Authorization: Bearer …`."
    )


class GitOptions(CredentialOptions):
    """Options of a git repository."""

    branch: Annotated[str, AfterValidator(_ref)] | None = Field(default=None, description="Branch to follow; by default the main one.")
    tag: Annotated[str, AfterValidator(_ref)] | None = Field(default=None, description="Tag to follow.")
    commit: Annotated[str, AfterValidator(_commit)] | None = Field(default=None, description="Commit to stay at: its whole id.")
    folder: Annotated[str, AfterValidator(_folder)] | None = Field(default=None, description="Folder inside the repository.")
    depth: int = Field(default=4, ge=0, le=16, description="How many folders deep tasks are looked for.")
    refresh_seconds: float | None = Field(default=300.0, ge=1, le=31_536_000, description="How often the repository is asked; null: never.")
    timeout_seconds: float = Field(default=120.0, gt=0, le=3600, description="Time for one fetch.")
    attempts: int = Field(default=2, ge=1, le=10, description="How often a fetch is tried when the network fails.")
    max_bytes: int = Field(default=256 << 20, ge=1 << 16, le=8 << 30, description="Size of what is fetched.")
    max_files: int = Field(default=200_000, ge=1, le=2_000_000, description="Number of files in the repository.")
    private: bool | None = Field(
        default=None,
        description="true: it is in a private network; false: never connect to one; null: as its host is when first asked (https only).",
    )
    ssh_key_file: File | None = Field(default=None, description="Private key for SSH; by default the keys of the user or the agent.")
    known_hosts_file: File | None = Field(default=None, description="Known hosts for SSH; by default those of the user.")

    @model_validator(mode="after")
    def _one_version(self) -> GitOptions:
        chosen = [name for name in ("branch", "tag", "commit") if getattr(self, name) is not None]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other; keep one")
        return self


Options = TypeVar("Options", bound=Section)


def read_options(model: type[Options], source: SourceSettings) -> Options:
    """Return the checked options of a source. Raises `SettingsInvalid` listing every wrong key, without any value."""
    try:
        return model.model_validate(source.config)
    except ValidationError as error:
        problems = [_problem(source.name, model, detail["loc"], detail["type"], str(detail["msg"])) for detail in error.errors()]
    told = "; ".join(f"{problem['key']}: {problem['message']}" for problem in problems)
    raise SettingsInvalid(
        f"The source {source.name!r} has wrong options: {told}.", hint="docs/sources.md lists the options.", details={"problems": problems}
    )


def _problem(name: str, model: type[Section], path: tuple[int | str, ...], kind: str, message: str) -> dict[str, str]:
    key = str(path[0])[:60] if path else ""
    problem = {"key": f"registry.sources.{name}.config" + (f".{key}" if key else ""), "source": name}
    if kind != "extra_forbidden":
        return problem | {"message": message.removeprefix("Value error, ")}
    if key.lower() in SECRETS:
        return problem | {"message": "a secret never stands in the settings; name the variable that holds it: token_env or password_env"}
    near = get_close_matches(key, model.model_fields, 1)
    return problem | {"message": "there is no such option" + (f"; did you mean {near[0]}?" if near else "")}
