"""JavaScript that parses, but that tasks cannot use: refused in the user's words before anything runs."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from ratchet_mcp.tasks.statements import TopLevel, callee_name
from ratchet_mcp.tasks.syntax import Script

if TYPE_CHECKING:
    from tree_sitter import Node

_PASTE = "A task is one file: paste the library's browser build (UMD or IIFE) above your function and use its global."
_LEGACY_OCTAL = re.compile(r"0[0-9]")


def check_features(script: Script) -> None:
    """Raise `TaskSyntaxError` for the first thing in the source that tasks cannot use."""
    for kind, message, hint in _REFUSED:
        for node in script.found.get(kind, ()):
            raise script.error(node.start_byte, message, hint)
    for node in script.found.get("meta", ()):
        if script.text(node).startswith("import"):
            raise script.error(
                node.start_byte, "import.meta is not available", "A task has no module address; take what you need from the input."
            )
    for node in script.found.get("number", ()):
        if _LEGACY_OCTAL.match(script.text(node)):
            raise script.error(node.start_byte, "Numbers cannot start with 0 in strict mode", "Write octal numbers as 0o17.")
    _check_functions(script)
    _check_required_modules(script)


_REFUSED = (
    ("jsx", "JSX is not supported", "Build strings, or call functions instead of writing tags."),
    ("import", "import statements are not supported", _PASTE),
    ("import_call", "Dynamic import() is not supported", _PASTE),
    ("export_from", "export … from is not supported", _PASTE),
    ("with", "The with statement is not available: tasks run in strict mode", "Name the object each time, or destructure it."),
    ("delete", "Variables cannot be deleted: tasks run in strict mode", "Set it to undefined, or delete a property."),
    ("decorator", "Decorators are not supported", "Call the function yourself."),
)


def _check_functions(script: Script) -> None:
    """Check that `return` and `await` stand inside a function that may have them."""
    returns, awaits = script.found.get("return", []), script.found.get("await", [])
    if not returns and not awaits:
        return
    functions = EnclosingFunctions(script)
    for node in returns:
        if functions.around(node) is None:
            raise script.error(
                node.start_byte, "return outside of a function", "Put the code into a function: function main(input) { … return result; }"
            )
    for node in awaits:
        function = functions.around(node)
        if function is None:
            raise script.error(
                node.start_byte, "await outside of a function", "Put the code into a function: async function main(input) { … await … }"
            )
        if function.type != "class_static_block" and not _is_async(function):
            raise script.error(node.start_byte, "await is only allowed in async functions", "Write `async` before the function.")


def _check_required_modules(script: Script) -> None:
    """Refuse `const fs = require("fs")` at the top level; library bundles that merely look for `require` pass."""
    top = TopLevel.of(script)
    if "require" in top.names:
        return
    for value in top.names.values():
        if value is not None and callee_name(script, value) == "require":
            raise script.error(value.start_byte, "require is not available", _PASTE)


def _is_async(function: Node) -> bool:
    return any(child.type == "async" for child in function.children[:4])


class EnclosingFunctions:
    """Finds the innermost function around a node by the ranges of all functions, in one pass."""

    def __init__(self, script: Script) -> None:
        self._boundaries: list[int] = []
        self._owners: list[Node | None] = []
        open_functions: list[Node] = []

        def close(until: int) -> None:
            while open_functions and open_functions[-1].end_byte <= until:
                end = open_functions.pop().end_byte
                self._mark(end, open_functions[-1] if open_functions else None)

        for function in sorted(script.found.get("function", ()), key=lambda node: (node.start_byte, -node.end_byte)):
            close(function.start_byte)
            open_functions.append(function)
            self._mark(function.start_byte, function)
        close(len(script.data))

    def _mark(self, offset: int, owner: Node | None) -> None:
        self._boundaries.append(offset)
        self._owners.append(owner)

    def around(self, node: Node) -> Node | None:
        """Return the innermost function that holds the node, or None at the top level."""
        index = bisect_right(self._boundaries, node.start_byte) - 1
        return self._owners[index] if index >= 0 else None
