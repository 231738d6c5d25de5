"""Task folders, ZIPs of them, and catalogs over both, for the tests."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.settings import Limits, RegistrySettings, SourceSettings
from ratchet_mcp.settings.registry import WatchSettings

QUICK = WatchSettings(debounce_ms=60, retry_seconds=0.05, database_seconds=0.1)
"""Notices changes soon enough for tests."""


def add_task(source: Path, folder: str, code: str = "(input) => input", **metadata: Any) -> Path:
    """Write a task folder, or write it again."""
    path = source / folder
    path.mkdir(parents=True, exist_ok=True)
    (path / "metadata.json").write_text(json.dumps(metadata))
    (path / "main.js").write_text(code)
    return path


def pack(file: Path, tasks: dict[str, dict[str, Any]], code: str = "(input) => input", **more: str | bytes) -> Path:
    """Write a collection ZIP: a folder with metadata and code for each task, and further entries."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, metadata in tasks.items():
            archive.writestr(f"{folder}/metadata.json", json.dumps(metadata))
            archive.writestr(f"{folder}/main.js", code)
        for name, content in more.items():
            archive.writestr(name, content)
    return file


def registry(*sources: Path, bundled: bool = False, **options: Any) -> RegistrySettings:
    """Return settings with these folders and ZIPs as sources, each named after its path."""
    named = [SourceSettings(name=path.name, uri=str(path)) for path in sources]
    return RegistrySettings(bundled=bundled, sources=named, **{"watch": QUICK, **options})


async def open_catalog(*sources: Path, **options: Any) -> Catalog:
    """Return a started catalog over these sources."""
    catalog = Catalog(registry(*sources, **options), Limits())
    await catalog.start()
    return catalog


def names(catalog: Catalog) -> list[str]:
    """Return the names of the tasks, in order."""
    return [each.name for each in catalog.find(limit=500).tasks]


async def until(holds: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until something holds, within a bound."""
    with anyio.fail_after(seconds):
        while not holds():
            await anyio.sleep(0.01)
