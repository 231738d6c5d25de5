"""The tree of an execution: the tasks that it called, those that they called, and so on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ratchet_mcp.execution.models import Execution

if TYPE_CHECKING:
    from ratchet_mcp.execution.service import Executions

MOST_NODES = 200
MOST_LEVELS = 16


@dataclass(slots=True)
class Branch:
    """An execution without its big values, with those that it called, in the order of their starts.

    `more` tells that it called others which are left out: there are too many, or they are too deep.
    """

    execution: Execution
    children: list[Branch] = field(default_factory=list["Branch"])
    more: bool = False


async def tree_of(executions: Executions, execution: Execution, *, nodes: int = MOST_NODES, levels: int = MOST_LEVELS) -> Branch:
    """Return the tree below an execution: level by level, at most so many nodes and levels of it."""
    root = Branch(execution)
    level = {execution.id: root}
    for _ in range(levels):
        if not level or nodes < 1:
            break
        found = await executions.children(list(level), nodes + 1)
        following: dict[str, Branch] = {}
        for child in found[:nodes]:
            branch = following[child.id] = Branch(child)
            level[str(child.parent_id)].children.append(branch)
        for child in found[nodes:]:
            level[str(child.parent_id)].more = True
        nodes -= len(following)
        level = following
    if level:
        for child in await executions.children(list(level), len(level)):
            level[str(child.parent_id)].more = True
    return root
