"""Whether the results of a task can go where its metadata says, as far as that is known before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratchet_mcp.authoring.findings import Finding, finding
from ratchet_mcp.errors import DeliveryInvalid
from ratchet_mcp.tasks.files import METADATA_FILES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ratchet_mcp.settings import Settings
    from ratchet_mcp.tasks.definition import Task


def check_delivery(task: Task, texts: Mapping[str, str], settings: Settings) -> list[Finding]:
    """Return what is wrong with the destinations of a task, under the settings of this server."""
    wanted = task.metadata.get("delivery")
    if not wanted:
        return []
    from ratchet_mcp.delivery.checks import Checks

    try:
        Checks(settings).read(wanted, where="The delivery of the task", task=task.name)
    except DeliveryInvalid as error:
        file = next((name for name in METADATA_FILES if name in texts), METADATA_FILES[0])
        return [
            finding("unusable-delivery", file, problem["message"], path=f"$.delivery{problem['path'].removeprefix('$')}")
            for problem in error.details["problems"]
        ]
    return []
