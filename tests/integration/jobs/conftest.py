"""A whole Ratchet with tasks for jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from job_tasks import job_settings, write_job_tasks

from ratchet_mcp.app import Ratchet


@pytest.fixture(scope="session")
def job_task_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_job_tasks(tmp_path_factory.mktemp("job-tasks"))


@pytest.fixture(scope="session")
def settings_for(job_task_folder: Path) -> partial:
    """Make settings with our tasks: the URL of the database, `jobs` with settings of that section, others of the store."""
    return partial(job_settings, job_task_folder)


@pytest.fixture(scope="module")
async def ratchet(settings_for: partial, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ratchet]:
    async with Ratchet.open(settings_for(f"sqlite:///{tmp_path_factory.mktemp('store')}/ratchet.db")) as opened:
        yield opened
