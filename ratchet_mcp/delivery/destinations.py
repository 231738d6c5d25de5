"""Where deliveries go: destinations as users write them, checked as far as that can be done before anything runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from ratchet_mcp.delivery.templates import Text, Use, read
from ratchet_mcp.errors import DeliveryInvalid
from ratchet_mcp.tasks.violations import did_you_mean, json_path, shown

Event = Literal["completed", "failed"]
Format = Literal["json", "jsonl", "yaml", "csv", "parquet", "text"]
EXTENSIONS: dict[str, Format] = {
    ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".yaml": "yaml", ".yml": "yaml", ".csv": "csv", ".parquet": "parquet",
}  # fmt: skip
APPENDABLE: tuple[Format, ...] = ("csv", "jsonl", "text")
MOST_DESTINATIONS = 20
MOST_HEADERS = 50
MOST_BYTES = 32 << 10
"""Size of all destinations of one list together, as JSON: they are read where others wait."""
NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,200}")
_START = re.compile(r"https?://[^/?#{}]+(?:[/?#]|$)", re.IGNORECASE)
_OURS = ("content-length", "host", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect")
_CREDENTIALS = re.compile(r"authorization$|^cookie$|api-?key$|-token$|-secret$|^token$", re.IGNORECASE)


def _mode(value: Any) -> Any:
    """Take permissions as octal text: a YAML number like 0640 means something else in each version of YAML."""
    if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3}", value):
        raise ValueError(f'permissions are written as text in octal digits, such as "0640", not {shown(value)}')
    mode = int(value, 8)
    if mode & 0o600 != 0o600:
        raise ValueError(f"with the permissions {value} Ratchet itself could not read and write the file; add 0600")
    return mode


def _events(value: Any) -> Any:
    if value == "both":
        return ["completed", "failed"]
    return [value] if isinstance(value, str) else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class _Common(_Model):
    events: Annotated[list[Event], BeforeValidator(_events), Field(min_length=1, max_length=2)] = ["completed"]
    attempts: int | None = Field(default=None, ge=1, le=100)


class FileDestination(_Common):
    """A file below one of the roots of the settings. `mode` are its permissions."""

    type: Literal["file"]
    path: str = Field(min_length=1, max_length=4000)
    root: str | None = Field(default=None, max_length=4000)
    format: Format | None = None
    content: Literal["output", "record"] = "output"
    template: str | None = None
    exists: Literal["replace", "keep", "number", "append"] = "replace"
    mode: Annotated[int, BeforeValidator(_mode)] = 0o640
    create_folders: bool = True

    @property
    def writes(self) -> Format:
        """Return the format: the one that is named, else that of the extension."""
        if self.format is not None:
            return self.format
        return "text" if self.template is not None else EXTENSIONS.get(_extension(self.path), "json")


class SecretName(_Model):
    """The value of a secret of the settings (`network.secrets`)."""

    secret: str = Field(pattern=NAME)


class Basic(_Model):
    """Basic authentication; `password` names a secret."""

    user: str = Field(min_length=1, max_length=200)
    password: str = Field(pattern=NAME)


class WebhookDestination(_Common):
    """A request to a server. `bearer`, `basic.password` and `sign` name secrets."""

    type: Literal["webhook"]
    url: str = Field(min_length=1, max_length=8000)
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: dict[str, str | SecretName] = Field(default_factory=dict[str, str | SecretName], max_length=MOST_HEADERS)
    bearer: str | None = Field(default=None, pattern=NAME)
    basic: Basic | None = None
    sign: str | None = Field(default=None, pattern=NAME)
    content: Literal["output", "record"] = "record"
    body: str | None = None
    timeout_seconds: float | None = Field(default=None, gt=0, le=300)

    def secrets(self) -> list[tuple[str, str]]:
        """Return the secrets that it uses as `(key, name)`."""
        found = [(f"headers.{name}", value.secret) for name, value in self.headers.items() if isinstance(value, SecretName)]
        named = (("bearer", self.bearer), ("basic.password", self.basic and self.basic.password), ("sign", self.sign))
        return found + [(key, name) for key, name in named if name is not None]


Model = FileDestination | WebhookDestination
_MODELS: dict[str, TypeAdapter[Any]] = {"file": TypeAdapter(FileDestination), "webhook": TypeAdapter(WebhookDestination)}


@dataclass(frozen=True, slots=True)
class Destination:
    """One checked destination: `raw` as it was written, `target` the template of its path or URL, `body` that of its content, if any."""

    raw: dict[str, Any]
    model: Model
    target: Text
    body: Text | None

    @property
    def kind(self) -> Literal["file", "webhook"]:
        """Return `file` or `webhook`."""
        return self.model.type

    def wants(self, event: str) -> bool:
        """Tell whether it is for an event."""
        return event in self.model.events


class Problems:
    """What is wrong with destinations, all at once."""

    def __init__(self) -> None:
        self.found: list[dict[str, str]] = []

    def add(self, path: Sequence[str | int], message: str) -> None:
        """Note a problem at a place within the list of destinations, once."""
        problem = {"path": json_path(path), "message": message}
        if problem not in self.found:
            self.found.append(problem)

    def check(self, where: str) -> None:
        """Raise `DeliveryInvalid` if there are any."""
        if self.found:
            first, more = self.found[0], len(self.found) - 1
            told = f"{first['path']}: {first['message']}" + (f" (and {more} more)" if more else "")
            raise DeliveryInvalid(f"{where} cannot be used: {told}", details={"problems": self.found})


def read_destinations(value: Any, problems: Problems) -> list[Destination]:
    """Read a list of destinations, or one; what is wrong is noted, and left out."""
    items: Any = [value] if isinstance(value, dict) else value
    if not isinstance(items, list):
        problems.add((), f'expected a list of destinations such as {{"type": "file", "path": "…"}}, got {shown(value)}')
        return []
    several = cast("list[Any]", items)
    if len(several) > MOST_DESTINATIONS:
        problems.add((), f"there are {len(several)} destinations; at most {MOST_DESTINATIONS} are taken")
        return []
    if reason := _why_not_kept(several):
        problems.add((), reason)
        return []
    read_ones = [_read(item, (number,), problems) for number, item in enumerate(several)]
    return [each for each in read_ones if each is not None]


def _read(item: Any, at: tuple[str | int, ...], problems: Problems) -> Destination | None:
    if not isinstance(item, dict):
        problems.add(at, f'expected an object such as {{"type": "webhook", "url": "https://…"}}, got {shown(item)}')
        return None
    raw = cast("dict[str, Any]", item)
    kind = raw.get("type")
    adapter = _MODELS.get(kind) if isinstance(kind, str) else None
    if adapter is None:
        told = "is required: file or webhook" if kind is None else f"is file or webhook, not {shown(kind)}"
        problems.add((*at, "type"), f"type {told}")
        return None
    try:
        model: Model = adapter.validate_python(raw)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            told = 'expected a text, or an object such as {"secret": "NAME"}' if detail["loc"][0] == "headers" else _told(detail, adapter)
            problems.add((*at, *detail["loc"][:2]), told)
        return None
    before = len(problems.found)
    target = _template(model.path, "path", (*at, "path"), problems) if isinstance(model, FileDestination) else None
    if isinstance(model, WebhookDestination):
        target = _template(model.url, "url", (*at, "url"), problems)
        _check_webhook(model, at, problems)
    else:
        _check_file(model, at, problems)
    source, key = (model.template, "template") if isinstance(model, FileDestination) else (model.body, "body")
    body = None if source is None else _template(source, "body", (*at, key), problems)
    if target is None or len(problems.found) > before:
        return None
    return Destination(raw, model, target, body)


def _why_not_kept(several: list[Any]) -> str | None:
    """Say why destinations could not be kept in the database as they were written."""
    try:
        size = len(orjson.dumps(several))
    except (TypeError, ValueError, RecursionError):
        return "they hold what JSON cannot say, such as half of a character"
    return f"they have {size} bytes together; at most {MOST_BYTES} are taken" if size > MOST_BYTES else None


def _template(source: str, use: Use, at: Sequence[str | int], problems: Problems) -> Text | None:
    try:
        return read(source, use)
    except ValueError as error:
        problems.add(at, str(error))
        return None


def _check_file(model: FileDestination, at: tuple[str | int, ...], problems: Problems) -> None:
    if "\0" in model.path:
        problems.add((*at, "path"), "a path holds no NUL character")
    elif model.path.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:", model.path):
        problems.add((*at, "path"), "the path counts from a root (delivery.roots), so it begins neither with / nor with a drive")
    elif any(piece in ("..", ".") for piece in re.split(r"[/\\]", model.path)):
        problems.add((*at, "path"), "a path does not go up: it holds no . or .. as a piece")
    elif "\\" in re.sub(r"\{[{%].*?[%}]\}", "", model.path):
        problems.add((*at, "path"), "pieces of a path are separated by /, not by a backslash")
    elif model.path.endswith("/"):
        problems.add((*at, "path"), "the path ends with /, so it names no file")
    if model.format is None and model.template is None and _extension(model.path) not in EXTENSIONS:
        problems.add((*at, "format"), f"the extension tells no format; name one, or end the path with one of {', '.join(EXTENSIONS)}")
    if model.template is not None and model.writes != "text":
        problems.add((*at, "template"), f"a template makes text, not {model.writes}; leave out the format, or the template")
    elif model.template is None and model.writes == "text":
        problems.add((*at, "template"), "the format text needs a template")
    if model.exists == "append" and model.writes not in APPENDABLE:
        problems.add((*at, "exists"), f"{model.writes} files cannot be appended to, only {', '.join(APPENDABLE)}")


def _check_webhook(model: WebhookDestination, at: tuple[str | int, ...], problems: Problems) -> None:
    if not _START.match(model.url):
        problems.add((*at, "url"), "the URL begins with http:// or https:// and a host, which no template can give")
    if model.bearer is not None and model.basic is not None:
        problems.add((*at, "basic"), "a request has one Authorization: either bearer or basic")
    for name, value in model.headers.items():
        if not _TOKEN.fullmatch(name):
            problems.add((*at, "headers"), f"{shown(name)} is no name of a header")
        elif name.lower() in _OURS or name.lower().startswith(("ratchet-", "proxy-")) or name.lower() == "idempotency-key":
            problems.add((*at, "headers", name), "this header is set by Ratchet")
        elif name.lower() == "authorization" and (model.bearer or model.basic):
            problems.add((*at, "headers", name), "a request has one Authorization: leave this out, or bearer and basic")
        elif isinstance(value, str) and _CREDENTIALS.search(name):
            problems.add((*at, "headers", name), 'a credential is named, not written: {"secret": "NAME"} of network.secrets')
        elif isinstance(value, str) and not re.fullmatch(r"[\t\x20-\x7e]*", value):
            problems.add((*at, "headers", name), "the value of a header is one line of plain characters")


def _extension(path: str) -> str:
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:].lower() if dot >= 0 else ""


def _told(detail: Any, adapter: TypeAdapter[Any]) -> str:
    kind, message = detail["type"], str(detail["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        return f"{detail['loc'][-1]} is required"
    if kind == "extra_forbidden":
        name = str(detail["loc"][-1])
        known = list(adapter.json_schema()["properties"]) if len(detail["loc"]) == 1 else []
        return f"there is no key {shown(name)}{did_you_mean(name, known)}" + (f"; keys are {', '.join(known)}" if known else "")
    if kind == "string_pattern_mismatch":
        return "a secret is named, not written: a name of network.secrets, such as API_KEY"
    return message[:1].lower() + message[1:] + ("" if kind == "value_error" else f", not {shown(detail['input'])}")
