"""Templates: complete tasks to start from, each with tests that pass."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from ratchet_mcp.authoring.drafts import Texts
from ratchet_mcp.errors import TaskNotFound
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.files import read_files
from ratchet_mcp.tasks.loading import load_metadata_of
from ratchet_mcp.tasks.problems import Problems


@dataclass(frozen=True, slots=True)
class Template:
    """A task to start from; `texts` are its files."""

    name: str
    title: str
    description: str
    tags: tuple[str, ...]
    texts: Texts


@lru_cache(maxsize=1)
def list_templates() -> tuple[Template, ...]:
    """Return all templates in order of their names. Reads files: call it in a thread."""
    root = Path(str(files("ratchet_mcp.authoring"))) / "templates"
    return tuple(_read(folder) for folder in sorted(root.iterdir()) if folder.is_dir())


def find_template(name: str) -> Template:
    """Return the template of this name. Raises `TaskNotFound` with the names there are."""
    for template in list_templates():
        if template.name == name:
            return template
    names = [template.name for template in list_templates()]
    near = difflib.get_close_matches(name[:64], names, 1, 0.5)
    meant = f"; did you mean {near[0]}?" if near else "."
    raise TaskNotFound(
        f"There is no template {name[:80]!r}{meant}", hint=f"The templates are {', '.join(names)}.", details={"suggestions": names}
    )


def _read(folder: Path) -> Template:
    taken = read_files(folder, Problems(), Limits())
    metadata = load_metadata_of(taken, str(folder), Limits())
    texts = {path: data.decode("utf-8") for path, data in taken.contents.items()}
    return Template(metadata.name, metadata.title, metadata.description, metadata.tags, texts)
