"""The settings file: where it is looked for, and how YAML and JSON are read so that every key knows its line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ratchet_mcp.settings.layers import KeyPath, Problem, invalid, is_mapping

if TYPE_CHECKING:
    import yaml

NAMES = ("config.yaml", "config.yml", "config.json")
MAX_BYTES = 1 << 20


@dataclass(slots=True)
class SettingsFile:
    """What a settings file says: its values, and the line (from 1) of each key path."""

    path: Path
    values: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict[KeyPath, int])

    def place(self, path: KeyPath) -> str:
        """Return `file:line` of a key path, or of the nearest part around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return f"{self.path}:{self.lines[path[:length]]}"
        return str(self.path)


def default_folder() -> Path:
    """Return the folder of the user's own settings.

    The working folder is never searched: an editor starts the server inside whatever project is open, and a project must not be able to
    switch off a limit by shipping a file.
    """
    import platformdirs

    return platformdirs.user_config_path("ratchet", appauthor=False)


def find_default() -> Path | None:
    """Return the user's settings file, when there is one."""
    folder = default_folder()
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read(path: Path) -> SettingsFile:
    """Read a YAML or JSON file (by its suffix). Raises `SettingsInvalid` when it cannot be read or parsed, or holds no mapping."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise invalid([Problem("", str(path), f"The settings file cannot be read: {error.strerror or error}.")]) from error
    if len(data) > MAX_BYTES:
        raise invalid([Problem("", str(path), f"The settings file is larger than {MAX_BYTES} bytes.")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid([Problem("", str(path), "The settings file is not UTF-8 text.")]) from error
    found = _read_json(path, text) if path.suffix.lower() == ".json" else _read_yaml(path, text)
    return SettingsFile(path, *found)


def _read_yaml(path: Path, text: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    import yaml

    loader: Any = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return {}, {}
        lines: dict[KeyPath, int] = {}
        repeated = list(_record_lines(node, (), lines))
        values = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise invalid([Problem("", f"{path}{line}", f"The file is not YAML: {error.problem or error.context}.")]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise invalid([Problem("", str(path), f"The file is not YAML: {error}.")]) from error
    finally:
        loader.dispose()
    if repeated:
        raise invalid([Problem(_dotted(key), f"{path}:{line}", "The key stands here for the second time.") for key, line in repeated])
    return _mapping(path, values), lines


def _read_json(path: Path, text: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    import yaml

    try:
        values: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise invalid([Problem("", f"{path}:{error.lineno}", f"The file is not JSON: {error.msg} (column {error.colno}).")]) from error
    except RecursionError as error:
        raise invalid([Problem("", str(path), "The file is nested too deeply.")]) from error
    lines: dict[KeyPath, int] = {}
    try:
        # JSON is YAML as far as the places of its keys go, but for tabs, which JSON has only between tokens.
        node = cast(Any, yaml).compose(text.replace("\t", " "), yaml.SafeLoader)
    except yaml.YAMLError:
        node = None
    repeated = list(_record_lines(node, (), lines)) if node is not None else []
    if repeated:
        raise invalid([Problem(_dotted(key), f"{path}:{line}", "The key stands here for the second time.") for key, line in repeated])
    return _mapping(path, values), lines


def _record_lines(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int]) -> list[tuple[KeyPath, int]]:
    """Fill `lines` with the line of each key and list entry; return the keys that a mapping holds twice."""
    import yaml

    repeated: list[tuple[KeyPath, int]] = []
    pairs: list[tuple[str | int, int, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        pairs = [(str(key.value), key.start_mark.line + 1, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        pairs = [(index, value.start_mark.line + 1, value) for index, value in enumerate(node.value)]
    for key, line, value in pairs:
        here = (*path, key)
        if here in lines and key != "<<":
            repeated.append((here, line))
        lines[here] = line
        repeated += _record_lines(value, here, lines)
    return repeated


def _mapping(path: Path, values: Any) -> dict[str, Any]:
    if values is None:
        return {}
    if not is_mapping(values):
        raise invalid([Problem("", str(path), f"The file must hold sections (such as `limits:`), but it holds a {type(values).__name__}.")])
    return {str(key): value for key, value in values.items()}


def _dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path)
