"""`RATCHET_*` variables as a layer of the settings; `__` separates a section from its key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from ratchet_mcp.settings.layers import KeyPath, Layer, Origin
from ratchet_mcp.settings.model import Settings

PREFIX = "RATCHET_"
RESERVED = frozenset({"RATCHET_CONFIG", "RATCHET_PROFILE"})
"""Variables that choose the file and the profile; they are no settings themselves."""


def variable(path: KeyPath) -> str:
    """Return the name of the variable that sets a key."""
    return PREFIX + "__".join(str(part) for part in path).upper()


class _EnvironmentSettings(Settings, BaseSettings):
    """The settings as pydantic-settings reads them from variables."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")


class _EnvironmentSource(EnvSettingsSource):
    """Read variables from a mapping; lists may also be written with commas."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(_EnvironmentSettings)
        self.env_vars = {name.lower(): value for name, value in variables.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: Any) -> Any:
        """Read JSON; what is no JSON is a list with commas where a list is wanted, else text that the check will name."""
        try:
            return json.loads(value)
        except ValueError:
            wants_text_list = field is not None and _is_text_list(field.annotation)
            return [part.strip() for part in str(value).split(",") if part.strip()] if wants_text_list else value


def _is_text_list(annotation: Any) -> bool:
    item = get_args(annotation)[0] if get_origin(annotation) is list else None
    return item is str or get_origin(item) is Literal


def read(env: Mapping[str, str]) -> Layer | None:
    """Return the layer that the variables make, or None when there are none. Unknown names stay in it, for the check to name."""
    ours = {name: value for name, value in env.items() if name.upper().startswith(PREFIX) and name.upper() not in RESERVED and value}
    if not ours:
        return None
    layer = Layer(Origin("environment", "environment"), values=dict(_EnvironmentSource(ours)()))
    for name in ours:
        path: KeyPath = tuple(name[len(PREFIX) :].lower().split("__"))
        layer.origins[path] = Origin("environment", name)
        if path[0] not in Settings.model_fields:
            layer.values[str(path[0])] = {}
            layer.origins[path[:1]] = Origin("environment", name)
    return layer
