"""Authoring on a real catalog and a real database; only what runs tasks is left out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from ratchet_mcp.authoring.drafts import Parts
from ratchet_mcp.authoring.service import Authoring
from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.settings import Settings
from ratchet_mcp.store.store import Store

Opening = Callable[..., AbstractAsyncContextManager[Authoring]]
GREET: dict[str, Any] = {
    "description": "Greets somebody by name. Input: a name. Output: the greeting.",
    "code": "function main(input) {\n  return { text: `Hello, ${input.name}!` };\n}\n",
    "input_schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    "output_schema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    "tests": [{"name": "Ada", "input": {"name": "Ada"}, "expected_output": {"text": "Hello, Ada!"}}],
    "tags": ["text"],
}


def greet(**changes: Any) -> Parts:
    return Parts(**{**GREET, **changes})


@pytest.fixture
def opening(tmp_path: Path) -> Opening:
    """Return what opens authoring on a database of its own name in the test's folder."""

    @asynccontextmanager
    async def opened(database: str = "tasks.db", **registry: Any) -> AsyncIterator[Authoring]:
        url = f"sqlite:///{tmp_path / database}"
        settings = Settings.model_validate({"store": {"url": url}, "registry": {"bundled": False, **registry}})
        async with Store.open(settings.store) as store:
            catalog = Catalog(settings.registry, settings.limits)
            await catalog.start()
            await catalog.attach(store)
            yield Authoring(catalog, store, cast("Any", None), settings)

    return opened


@pytest.fixture
async def authoring(opening: Opening) -> AsyncIterator[Authoring]:
    async with opening() as opened:
        yield opened
