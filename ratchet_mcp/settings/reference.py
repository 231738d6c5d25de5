"""Every key of the settings with its type, default, bounds and meaning: for `config generate`, the documentation and near-miss hints."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from ratchet_mcp.settings.base import Section
from ratchet_mcp.settings.model import Settings

_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the settings.

    `name` has a dot where a section holds another one. `default` is JSON text, `default_in_words` the same or, where it depends on the
    machine, the rule. `bounds` reads like `>= 1, <= 64`, or lists the words that are allowed.
    """

    section: str
    name: str
    kind: str
    default: str
    default_in_words: str
    bounds: str
    description: str

    @property
    def path(self) -> str:
        """Return `section.key`."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """Return the environment variable that sets the key."""
        return f"RATCHET_{self.path.replace('.', '__')}".upper()

    @property
    def word(self) -> str:
        """Return the last part of the name."""
        return self.name.rpartition(".")[2]


def sections() -> dict[str, type[Section]]:
    """Return the model of each section, by its name."""
    found: dict[str, type[Section]] = {}
    for name, info in Settings.model_fields.items():
        model = info.annotation
        assert isinstance(model, type) and issubclass(model, Section)  # noqa: S101 - the type of every field of Settings
        found[name] = model
    return found


def keys() -> Iterator[Key]:
    """Yield every key, in the order of the models."""
    for section, model in sections().items():
        yield from _keys_of(section, model, "")


def _keys_of(section: str, model: type[Section], prefix: str) -> Iterator[Key]:
    for name, info in model.model_fields.items():
        inner = section_of(info)
        if inner is not None:
            yield from _keys_of(section, inner, f"{prefix}{name}.")
            continue
        kind, words = _kind(info.annotation)
        default, in_words = _default(info), _default_in_words(info)
        yield Key(section, prefix + name, kind, default, in_words, words or _bounds(info), info.description or "")


def section_of(info: FieldInfo) -> type[Section] | None:
    """Return the model of a key that is a section within a section, None for others."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def describe(section: str) -> str:
    """Return the sentence that says what a section is for."""
    return (sections()[section].__doc__ or "").strip().splitlines()[0]


def to_yaml() -> str:
    """Return a settings file that says every key with its default, commented out, and its meaning."""
    lines = [
        "# Settings of Ratchet. Every key is here with its default: take the # away to change one.",
        "# A variable of the environment wins over this file: limits.timeout_seconds is RATCHET_LIMITS__TIMEOUT_SECONDS.",
        "",
    ]
    section = None
    within = ""
    for key in keys():
        if key.section != section:
            section = key.section
            lines += ["", f"# {describe(section)}", f"{section}:"]
            within = ""
        outer = key.name.rpartition(".")[0]
        if outer != within:
            within = outer
            lines += [f"  # {outer}:"] if outer else []
        bounds = f" ({key.bounds})" if key.bounds else ""
        indent = "    " if outer else "  "
        lines += [f"{indent}# {key.description}{bounds}", f"{indent}# {key.word}: {key.default}"]
    lines += [
        "",
        "# A profile changes some keys when it is chosen: --profile careful, or RATCHET_PROFILE=careful",
        "profiles:",
        "  # careful:",
        "  #   limits:",
        "  #     timeout_seconds: 5",
        "",
    ]
    return "\n".join(lines)


def _default(info: FieldInfo) -> str:
    return json.dumps(info.get_default(call_default_factory=True, validated_data={}), ensure_ascii=False)


def _default_in_words(info: FieldInfo) -> str:
    extra: Any = info.json_schema_extra or {}
    return str(extra.get("default_in_words", _default(info)))


def _bounds(info: FieldInfo) -> str:
    parts = [f"{sign} {getattr(item, name):g}" for item in info.metadata for name, sign in _SIGNS.items() if hasattr(item, name)]
    return ", ".join(parts)


def _kind(annotation: Any) -> tuple[str, str]:
    """Return the name of a type for people, and the words that a `Literal` allows."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        inner = [part for part in arguments if part is not type(None)]
        kind, words = _kind(inner[0])
        return f"{kind} or null", words
    if origin is typing.Literal:
        return "text", "one of " + ", ".join(str(word) for word in arguments)
    if origin is list:
        kind, words = _kind(arguments[0])
        return f"list of {kind}", words.replace("one of", "any of")
    if origin is dict:
        return "mapping", ""
    names = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path"}
    return names.get(annotation) or annotation.__name__.removesuffix("Settings").lower(), ""
