"""Settings before they are checked: layers of values, and where each value came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

from ratchet_mcp.errors import SettingsInvalid

KeyPath = tuple[str | int, ...]
"""The way to a value: section, key, and further keys or positions inside a list."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: the kind of layer, and words that name the place (`ratchet.yaml:12`, `RATCHET_SERVER__PORT`)."""

    kind: Literal["default", "file", "profile", "environment", "override"]
    place: str


DEFAULT = Origin("default", "default")


@dataclass(slots=True)
class Layer:
    """Values of one source, nested as in the settings, with the origin of each key path that the source can name."""

    fallback: Origin
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    origins: dict[KeyPath, Origin] = field(default_factory=dict[KeyPath, Origin])

    def origin(self, path: KeyPath) -> Origin:
        """Return the origin of a key path: its own, or that of the nearest part around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return self.fallback


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings: the key, where it was said, what is wrong, and the key that was probably meant."""

    key: str
    source: str
    message: str
    did_you_mean: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the problem as it stands in `details.problems`."""
        body = {"key": self.key, "source": self.source, "message": self.message}
        return body | ({"did_you_mean": self.did_you_mean} if self.did_you_mean else {})

    def __str__(self) -> str:
        place = f"{self.source}: " if self.source else ""
        key = f"{self.key}: " if self.key else ""
        guess = f" Did you mean {self.did_you_mean}?" if self.did_you_mean else ""
        return f"{place}{key}{self.message}{guess}"


def invalid(problems: list[Problem]) -> SettingsInvalid:
    """Make the one error that tells all problems."""
    if len(problems) == 1:
        message = str(problems[0])
    else:
        message = f"{len(problems)} settings are wrong:" + "".join(f"\n  - {problem}" for problem in problems)
    return SettingsInvalid(
        message,
        hint="`ratchet config generate` prints every key with its default and meaning.",
        details={"problems": [problem.to_dict() for problem in problems]},
    )


def merge(layers: list[Layer]) -> tuple[dict[str, Any], list[tuple[KeyPath, Layer]]]:
    """Lay each layer over those before it, key by key. Returns the values, and the layer that each leaf came from."""
    merged: dict[str, Any] = {}
    leaves: dict[KeyPath, Layer] = {}
    for layer in layers:
        _lay_over(merged, layer.values, (), layer, leaves)
    return merged, list(leaves.items())


def is_mapping(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether a value of a document is a mapping."""
    return isinstance(value, dict)


def _lay_over(target: dict[str, Any], values: Mapping[str, Any], path: KeyPath, layer: Layer, leaves: dict[KeyPath, Layer]) -> None:
    for key, value in values.items():
        here = (*path, key)
        if is_mapping(value) and not path:
            present = target.get(key)
            below = present if is_mapping(present) else {}
            target[key] = below
            leaves.setdefault(here, layer)
            _lay_over(below, value, here, layer, leaves)
        else:
            target[key] = value
            leaves[here] = layer
