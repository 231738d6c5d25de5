"""What a model reads of our tools: no more than it must, always the same until a change of it is reviewed."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ratchet_mcp.mcp.tools import ALL
from ratchet_mcp.mcp.tools.arguments import parse
from ratchet_mcp.mcp.tools.spec import ToolSpec
from ratchet_mcp.mcp.toolsets import offered
from ratchet_mcp.settings import McpSettings

MOST_TOKENS = 4_000
SCRIPT = Path(__file__).parents[3] / "tools" / "write_snapshots.py"


def tokens_of(tool: ToolSpec[Any]) -> float:
    """Return the size of a tool's name, description and arguments; four characters count as a token."""
    return len(tool.name + tool.description + json.dumps(tool.input_schema, ensure_ascii=False, separators=(",", ":"))) / 4


def test_the_default_list_of_tools_stays_within_its_budget(capsys: pytest.CaptureFixture[str]):
    sizes = {tool.name: tokens_of(tool) for tool in offered(ALL, McpSettings()).values()}
    with capsys.disabled():
        print(f"\n{len(sizes)} tools have {sum(sizes.values()):,.0f} tokens (at most {MOST_TOKENS:,} are allowed):")
        print(", ".join(f"{name} {size:.0f}" for name, size in sorted(sizes.items(), key=lambda pair: -pair[1])))
    assert sum(sizes.values()) < MOST_TOKENS


def test_definitions_change_only_with_their_snapshots():
    specification = importlib.util.spec_from_file_location("write_snapshots", SCRIPT)
    assert specification is not None and specification.loader is not None
    snapshots = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(snapshots)
    stale = [path.name for path in snapshots.differing()]
    assert stale == [], f"If the change is meant, run {snapshots.COMMAND} and review the diff."


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_a_definition_is_what_every_client_takes(tool: ToolSpec[Any]):
    assert re.fullmatch(r"[a-z_]{1,64}", tool.name)
    assert tool.title and 0 < len(tool.description) <= 400
    assert '"ge"' not in json.dumps(tool.input_schema), "a bound that JSON Schema does not know"
    for schema in (tool.input_schema, tool.output):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert not set(schema) & {"oneOf", "anyOf", "allOf", "$ref", "$defs"}
    hints = tool.annotations
    assert None not in (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
    assert not (hints.read_only_hint and hints.destructive_hint)


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_every_tool_is_described_with_an_example_that_its_schema_accepts(tool: ToolSpec[Any]):
    description, _, example = tool.description.partition(" Example: ")
    assert description.endswith((".", ")"))
    parse(tool.name, tool.arguments, json.loads(example))
