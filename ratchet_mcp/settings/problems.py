"""Turn what Pydantic says about settings into problems that name the key, the place, and the key that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from ratchet_mcp.settings.layers import DEFAULT, KeyPath, Layer, Origin, Problem
from ratchet_mcp.settings.model import Settings
from ratchet_mcp.settings.passwords import without_passwords
from ratchet_mcp.settings.reference import keys, section_of, sections
from ratchet_mcp.settings.registry import SourceSettings

Leaves = list[tuple[KeyPath, Layer]]

CONFIDENTIAL = {("network", "secrets"), ("registry", "sources")}
"""Where a credential may stand by mistake, so that values are not repeated."""

KINDS = ((dict, "a mapping"), (list, "a list"), (str, "a text"), (bool, "true or false"), (int | float, "a number"))


def explain(error: ValidationError, leaves: Leaves) -> list[Problem]:
    """Return one problem for each thing that Pydantic found, in its order."""
    return [_problem(detail, leaves) for detail in error.errors(include_url=False)]


def _problem(detail: Any, leaves: Leaves) -> Problem:
    path: KeyPath = tuple(detail["loc"])
    origin = _origin(path, leaves)
    key = ".".join(str(part) for part in path)
    if detail["type"] == "extra_forbidden":
        what = "section" if len(path) == 1 else "key"
        return Problem(key, origin.place, f"There is no such {what}.", _nearest(path, origin))
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] in ("missing", "value_error"):
        return Problem(key, origin.place, f"{message}.")
    if detail["type"] in ("model_type", "dict_type", "model_attributes_type"):
        message = "This is a section: it holds keys, not one value"
    if path[:2] in CONFIDENTIAL:
        return Problem(key, origin.place, f"{message}, not {_kind(detail['input'])}.")
    return Problem(key, origin.place, f"{message}, but it is {_show(detail['input'])}.")


def _origin(path: KeyPath, leaves: Leaves) -> Origin:
    """Find the layer that said the value at `path`, or, for a rule over a whole section, the last one that said a part of it."""
    origin = DEFAULT
    longest = -1
    for leaf, layer in leaves:
        around = path[: len(leaf)] == leaf
        if around and len(leaf) > longest:
            origin, longest = layer.origin(path), len(leaf)
    within = [layer.origin(leaf) for leaf, layer in leaves if len(leaf) > len(path) and leaf[: len(path)] == path]
    return within[-1] if within else origin


def _nearest(path: KeyPath, origin: Origin) -> str | None:
    """Name the key that was probably meant: in the same section, else the same word anywhere."""
    word = str(path[-1])
    if len(path) == 1:
        near = near_names(word, Settings.model_fields)
        everywhere = [key.path for key in keys() if key.word == word]
        found = near[0] if near else next(iter(everywhere), None)
    elif path[:2] == ("registry", "sources"):
        near = near_names(word, SourceSettings.model_fields)
        found = ".".join(str(part) for part in (*path[:-1], near[0])) if near else None
    else:
        section, model = str(path[0]), sections()[str(path[0])]
        for part in path[1:-1]:
            inner = section_of(model.model_fields[str(part)]) if str(part) in model.model_fields else None
            if inner is not None:
                section, model = f"{section}.{part}", inner
        here = near_names(word, model.model_fields)
        elsewhere = [key.path for key in keys() if key.word == word]
        found = f"{section}.{here[0]}" if here else next(iter(elsewhere), None)
    if found is not None and origin.kind == "environment":
        return "RATCHET_" + found.replace(".", "__").upper()
    return found


def near_names(word: str, names: Iterable[str]) -> list[str]:
    """Return the names that `word` was probably meant to be, the likeliest first: alike, or one within the other."""
    candidates = list(names)
    return get_close_matches(word, candidates, 1) or [name for name in candidates if word and (word in name or name in word)]


def _kind(value: object) -> str:
    return next((name for kind, name in KINDS if isinstance(value, kind)), "this")


def _show(value: Any) -> str:
    text = without_passwords(repr(value))
    return text if len(text) <= 80 else text[:77] + "…"
