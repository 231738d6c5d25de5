"""Load the settings: defaults, then the file, then its profile, then `RATCHET_*`, then what the caller overrides."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from ratchet_mcp.settings import files
from ratchet_mcp.settings.layers import DEFAULT, KeyPath, Layer, Origin, Problem, invalid, is_mapping, merge
from ratchet_mcp.settings.model import Settings

if TYPE_CHECKING:
    from ratchet_mcp.settings.files import SettingsFile


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with their history: the file and profile that were used, and the origin of each key that is not a default."""

    settings: Settings
    origins: Mapping[str, Origin]
    file: Path | None = None
    profile: str | None = None
    profiles: tuple[str, ...] = ()

    def origin(self, section: str, key: str) -> Origin:
        """Return where the value of `section.key` came from."""
        return self.origins.get(f"{section}.{key}", DEFAULT)


def load(
    path: Path | None = None,
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings. Raises `SettingsInvalid` that lists everything wrong with them; see `load_with_origins`."""
    return load_with_origins(path, profile, overrides, env).settings


def load_with_origins(
    path: Path | None = None,
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> Loaded:
    """Return the settings and where each value came from.

    `path` defaults to `RATCHET_CONFIG`, then to the user's own file (`files.find_default`); `profile` to `RATCHET_PROFILE`. `overrides`
    is nested like the settings; None in it means "not given". `env` defaults to the environment of the process.
    Raises `SettingsInvalid`.
    """
    env = os.environ if env is None else env
    layers, file, names = _file_layers(path, profile, env)
    if any(name.upper().startswith("RATCHET_") for name in env):
        from ratchet_mcp.settings import environment

        from_environment = environment.read(env)
        layers += [from_environment] if from_environment else []
    given = _without_none(overrides or {})
    layers += [Layer(Origin("override", "command line"), given)] if given else []
    values, leaves = merge(layers)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        from ratchet_mcp.settings.problems import explain

        raise invalid(explain(error, leaves)) from error
    origins = {".".join(str(part) for part in leaf): layer.origin(leaf) for leaf, layer in leaves}
    return Loaded(settings, origins, file, profile or env.get("RATCHET_PROFILE") or None, names)


def _file_layers(path: Path | None, profile: str | None, env: Mapping[str, str]) -> tuple[list[Layer], Path | None, tuple[str, ...]]:
    named = env.get("RATCHET_CONFIG")
    found = path or (Path(named).expanduser() if named else files.find_default())
    wanted = profile or env.get("RATCHET_PROFILE") or None
    said_by = "--profile" if profile else "RATCHET_PROFILE"
    if found is None:
        if wanted:
            where = f"there is no settings file in {files.default_folder()}, and none was named"
            raise invalid([Problem("profiles", said_by, f"The profile {wanted!r} cannot be chosen: {where}.")])
        return [], None, ()
    file = files.read(found)
    profiles: Any = file.values.pop("profiles", None) or {}
    if not is_mapping(profiles):
        raise invalid([Problem("profiles", file.place(("profiles",)), "Profiles must be a mapping of names to sections.")])
    names = tuple(str(name) for name in profiles)
    layers = [_layer(file, file.values, (), "file")]
    if wanted is not None:
        layers.append(_profile_layer(file, profiles, wanted, said_by))
    return layers, found, names


def _profile_layer(file: SettingsFile, profiles: Mapping[str, Any], wanted: str, said_by: str) -> Layer:
    from difflib import get_close_matches

    chosen = profiles.get(wanted, False)
    if chosen is False:
        near = get_close_matches(wanted, [str(name) for name in profiles], 1)
        known = ", ".join(str(name) for name in profiles) or "none"
        text = f"{file.path} has no profile {wanted!r} (it has: {known})."
        raise invalid([Problem("profiles", said_by, text, near[0] if near else None)])
    if chosen is not None and not is_mapping(chosen):
        place = file.place(("profiles", wanted))
        raise invalid([Problem(f"profiles.{wanted}", place, "A profile must be a mapping of sections.")])
    return _layer(file, chosen or {}, ("profiles", wanted), "profile")


def _layer(file: SettingsFile, values: Mapping[str, Any], prefix: KeyPath, kind: Any) -> Layer:
    """Make a layer of a part of the file. An empty section counts as absent; relative paths count from the file's folder."""
    kept = {name: value for name, value in values.items() if value is not None or name not in Settings.model_fields}
    layer = Layer(Origin(kind, str(file.path)), _resolve_paths(kept, file.path.absolute().parent))
    for path in file.lines:
        if path[: len(prefix)] == prefix and len(path) > len(prefix):
            layer.origins[path[len(prefix) :]] = Origin(kind, file.place(path))
    return layer


def _resolve_paths(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    for section, key in (("logging", "file"), ("mcp", "state_key_file")):
        held = values.get(section)
        if is_mapping(held) and isinstance(held.get(key), str):
            held[key] = str(folder / Path(held[key]).expanduser())
    delivery = values.get("delivery")
    roots = delivery.get("roots") if is_mapping(delivery) else None
    if is_mapping(delivery) and isinstance(roots, list):
        named = cast("list[object]", roots)
        delivery["roots"] = [str(folder / Path(each).expanduser()) if isinstance(each, str) else each for each in named]
    registry = values.get("registry")
    sources = registry.get("sources") if is_mapping(registry) else None
    for source in cast("list[object]", sources) if isinstance(sources, list) else []:
        uri = source.get("uri") if is_mapping(source) else None
        if is_mapping(source) and isinstance(uri, str) and "://" not in uri:
            source["uri"] = str(folder / Path(uri).expanduser())
    return values


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    cleaned = {name: _without_none(value) if is_mapping(value) else value for name, value in values.items()}
    return {name: value for name, value in cleaned.items() if value is not None and value != {}}
