"""Load PythonMonkey's native core and nothing else of it.

`import pythonmonkey` would bring aiohttp, `require` and a `python` object with `eval` on the JavaScript global. The extension module
alone has none of that, and starts five times faster.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any


def load(on_rejection: Callable[[Any, Any], None]) -> Any:
    """Import the native core and return it; `on_rejection` satisfies its look-up of a handler (a missing one is a segfault)."""
    spec = importlib.util.find_spec("pythonmonkey")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("pythonmonkey is not installed")
    package = types.ModuleType("pythonmonkey")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["pythonmonkey"] = package
    import pythonmonkey.pythonmonkey as core  # pyright: ignore[reportMissingModuleSource, reportMissingImports]

    for name in dir(core):  # pyright: ignore[reportUnknownArgumentType]
        if not name.startswith("__"):
            setattr(package, name, getattr(core, name))  # pyright: ignore[reportUnknownArgumentType]
    package.simpleUncaughtExceptionHandler = on_rejection  # pyright: ignore[reportAttributeAccessIssue]
    return core  # pyright: ignore[reportUnknownVariableType]
