"""Writes tasks into a ZIP that holds a folder for each: a collection ZIP, the same bytes for the same tasks."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ratchet_mcp.authoring.drafts import Texts

if TYPE_CHECKING:
    from ratchet_mcp.tasks.definition import Task

JSON_FORMAT = "ratchet-tasks-1"
"""The `format` of a JSON bundle."""
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o100644 << 16


def folder_of(task: Task) -> str:
    """Return the folder that a version of a task stands in."""
    return f"{task.name}-{task.version}"


def pack(tasks: Mapping[str, Texts]) -> bytes:
    """Write the files of tasks, by their folders."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for folder in sorted(tasks):
            for path, text in sorted(tasks[folder].items()):
                entry = zipfile.ZipInfo(f"{folder}/{path}", _LONG_AGO)
                entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_DEFLATED, _FILE_MODE, 3
                archive.writestr(entry, text.encode("utf-8"))
    return stream.getvalue()
