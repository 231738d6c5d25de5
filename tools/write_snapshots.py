"""Write what the MCP server says of itself into tests/snapshots/mcp, so that a change of it is a diff to review."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "snapshots" / "mcp"
COMMAND = ".venv/bin/python tools/write_snapshots.py"


def wanted() -> Iterator[tuple[Path, str]]:
    """Yield each snapshot and what it should hold: one for a tool, one for all prompts, one for all templates."""
    from ratchet_mcp.mcp.prompts import PROMPTS
    from ratchet_mcp.mcp.resources import GUIDE_RESOURCE, TEMPLATES
    from ratchet_mcp.mcp.tools import ALL

    for tool in ALL:
        yield FOLDER / "tools" / f"{tool.name}.json", _text({"toolset": tool.toolset, **_wire(tool.wire)})
    yield FOLDER / "prompts.json", _text([_wire(prompt) for prompt in PROMPTS])
    yield FOLDER / "resources.json", _text([_wire(GUIDE_RESOURCE), *(_wire(template) for template in TEMPLATES)])


def differing() -> list[Path]:
    """Return the snapshots that are not what the server says, and those of what is gone."""
    current = dict(wanted())
    stale = [path for path, text in current.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return stale + [path for path in FOLDER.rglob("*.json") if path not in current]


def main() -> int:
    """Write the snapshots that differ."""
    current = dict(wanted())
    for path in differing():
        if path in current:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(current[path], encoding="utf-8")
        else:
            path.unlink()
        print(f"{path.relative_to(FOLDER.parents[2])} {'written' if path in current else 'removed'}")
    return 0


def _wire(model: Any) -> dict[str, Any]:
    return model.model_dump(by_alias=True, mode="json", exclude_none=True)


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
