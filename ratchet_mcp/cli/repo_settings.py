"""Adds a source to a settings file and leaves the rest as it is: comments, order, quotes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.tasks.json_values import is_array, is_object

if TYPE_CHECKING:
    from ratchet_mcp.settings import SourceSettings


def with_source(file: Path, text: str, source: SourceSettings, *, first: bool) -> str:
    """Return the text of a settings file with one more source. Raises `InvalidArgument` when it cannot be added without harm."""
    entry: dict[str, Any] = {"name": source.name, "uri": source.uri, **({"config": dict(source.config)} if source.config else {})}
    try:
        before = _parse(file, text)
        wanted = _added(before, entry, first=first)
        changed = next((each for each in _candidates(file, text, entry, wanted, first=first) if _parse(file, each) == wanted), None)
        if changed is None:
            raise ValueError("something else would change")
    except InvalidArgument:
        raise
    except Exception as error:  # the parsers raise many kinds, and all of them mean that the file stays as it is
        raise InvalidArgument(
            f"{file} cannot be changed safely: {str(error).splitlines()[0] if str(error) else type(error).__name__}.",
            hint=f"Nothing was written. Add this to registry.sources yourself: {json.dumps(entry)}",
        ) from error
    return changed


def _parse(file: Path, text: str) -> dict[str, Any]:
    import yaml

    body = text.removeprefix("\ufeff")
    value: Any = json.loads(body or "{}") if file.suffix.lower() == ".json" else yaml.safe_load(body)
    if value is None:
        return {}
    if not is_object(value):
        raise InvalidArgument(f"{file} does not hold sections.", hint="`ratchet config validate` says more.")
    return value


def _added(values: dict[str, Any], entry: dict[str, Any], *, first: bool) -> dict[str, Any]:
    registry: Any = values.get("registry") or {}
    sources: Any = (registry.get("sources") or []) if is_object(registry) else None
    if not is_object(registry) or not is_array(sources):
        raise InvalidArgument("registry.sources of the settings is not a list.", hint="`ratchet config validate` says more.")
    return {**values, "registry": {**registry, "sources": [entry, *sources] if first else [*sources, entry]}}


def _candidates(file: Path, text: str, entry: dict[str, Any], wanted: dict[str, Any], *, first: bool) -> Iterator[str]:
    """Yield texts that may be right, the one that changes least first."""
    if file.suffix.lower() == ".json":
        yield _json(text, wanted)
        return
    inserted = _with_lines(text, entry, first=first)
    if inserted is not None:
        yield inserted
    yield _yaml(text, entry, first=first)


def _with_lines(text: str, entry: dict[str, Any], *, first: bool) -> str | None:
    """Put lines into a list of sources that has a line of its own for each; None when there is no such list."""
    import yaml

    library: Any = yaml  # its types leave out what a node holds
    node = _child(_child(library.compose(text, yaml.SafeLoader), "registry"), "sources")
    if node is None or node.id != "sequence" or node.flow_style or not node.value:
        return None
    lines: list[str] = text.splitlines(keepends=True)
    items: list[Any] = node.value
    opening = lines[int(items[0 if first else -1].start_mark.line)]
    indent = opening[: len(opening) - len(opening.lstrip())]
    end = "\r\n" if opening.endswith("\r\n") else "\n"
    new = [f"{indent}{line}{end}" for line in _dumped([entry]).splitlines()]
    at = int(items[0].start_mark.line) if first else _last_line(node) + 1
    if at > 0 and not lines[at - 1].endswith("\n"):
        lines[at - 1] += end
    return "".join([*lines[:at], *new, *lines[at:]])


def _child(node: Any, key: str) -> Any:
    pairs: list[tuple[Any, Any]] = node.value if node is not None and node.id == "mapping" else []
    return next((value for name, value in pairs if name.value == key), None)


def _last_line(node: Any) -> int:
    """Return the line on which the last text of a node stands."""
    while node.id != "scalar" and node.value and not node.flow_style:
        node = node.value[-1][1] if node.id == "mapping" else node.value[-1]
    return int(node.end_mark.line) - (1 if node.end_mark.column == 0 else 0)


def _json(text: str, wanted: dict[str, Any]) -> str:
    from ratchet_mcp.cli.jsonc import Document

    document = Document(text.removeprefix("\ufeff") or "{}\n")
    return document.put(("registry", "sources"), wanted["registry"]["sources"]).text


def _yaml(text: str, entry: dict[str, Any], *, first: bool) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    new_map: Any = CommentedMap
    new_list: Any = CommentedSeq
    if not _holds_anything(text):
        return (
            text
            + ("" if not text or text.endswith("\n") else "\n")
            + _dumped({"registry": {"sources": [entry]}}, mapping=2, sequence=4, offset=2)
        )
    editor: Any = YAML()
    editor.preserve_quotes = True
    editor.width = 1 << 16
    values: Any = editor.load(text)
    editor.indent(**_indent(values))
    registry = values.get("registry")
    if registry is None:
        registry = values["registry"] = new_map()
    sources = registry.get("sources")
    if sources is None:
        sources = registry["sources"] = new_list()
    sources.insert(0 if first else len(sources), entry)
    if len(sources) == 1:
        sources.fa.set_block_style()
    out = io.StringIO()
    editor.dump(values, out)
    return out.getvalue()


def _holds_anything(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def _dumped(value: Any, **indent: int) -> str:
    from ruamel.yaml import YAML

    editor: Any = YAML()
    editor.width = 1 << 16
    editor.indent(**indent)
    out = io.StringIO()
    editor.dump(value, out)
    return out.getvalue()


def _indent(values: Any) -> dict[str, int]:
    """Return how the sections of the file are indented."""
    sections: list[Any] = [value for value in values.values() if isinstance(value, dict) and value]
    columns = [int(section.lc.col) for section in sections if section.lc.col]
    mapping = columns[0] if columns else 2
    return {"mapping": mapping, "sequence": mapping + 2, "offset": mapping}
