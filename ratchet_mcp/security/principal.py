"""Who asks for something to be done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `id` is recorded with each execution; `kind` tells how it was established."""

    id: str
    kind: str = "local"


LOCAL = Principal("local")
"""The user who started this process: stdio, CLI, and HTTP on loopback without authentication."""
