"""What `ratchet-mcp` may import before its first answer."""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import pytest

HEAVY = {"sqlmodel", "sqlalchemy", "alembic", "typer", "rich", "jsonschema", "tree_sitter", "pythonmonkey"}
PRINT_MODULES = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


@functools.cache
def imported_by(*modules: str) -> set[str]:
    code = "".join(f"import {module}\n" for module in modules) + PRINT_MODULES
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(run.stdout))


def test_the_script_itself_imports_next_to_nothing():
    assert not imported_by("ratchet_mcp.mcp.stdio_main") & (HEAVY | {"uvicorn", "mcp", "pydantic", "asyncio", "loguru"})


@pytest.mark.parametrize("heavy", sorted(HEAVY))
def test_answering_initialize_needs_none_of_the_heavy_libraries(heavy: str):
    # uvicorn is not in the list: the SDK's own server package imports it (through sse-starlette).
    needed = ("server", "stdio_transport", "stdio_lines", "resources")
    loaded = imported_by(*(f"ratchet_mcp.mcp.{name}" for name in needed), "ratchet_mcp.lazy", "ratchet_mcp.settings.loader")
    assert heavy not in loaded
