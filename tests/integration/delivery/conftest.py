"""The databases that deliveries are shared through."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(params=["file", "postgres"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that several processes can share."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/ratchet.db"
