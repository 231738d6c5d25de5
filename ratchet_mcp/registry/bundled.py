"""Where the tasks are that come with Ratchet."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ratchet_mcp.errors import TaskNotFound


def bundled_path() -> Path:
    """Return the folder of the bundled tasks: inside an installed package, or `registry/` of a checkout. Raises `TaskNotFound`."""
    package = Path(str(files("ratchet_mcp")))
    for candidate in (package / "bundled", package.parent / "registry"):
        if candidate.is_dir():
            return candidate
    raise TaskNotFound(
        "The bundled tasks are missing from this installation.", hint="Install Ratchet again, or set registry.bundled to false."
    )
