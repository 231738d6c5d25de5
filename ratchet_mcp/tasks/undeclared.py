"""Names that nothing can have declared.

A compartment answers `undefined` for a name that does not exist, so a misspelt one would go unnoticed. The engine makes reading these
names an error instead. The search errs on the safe side: a name that the source also mentions as a property, in a string or behind
`typeof` may come into being at run time (libraries do that) and is left alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ratchet_mcp.tasks.syntax import Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

_QUERY = """
(variable_declarator name: (_) @pattern)
(formal_parameters) @pattern
(arrow_function parameter: (identifier) @pattern)
(function_declaration name: (identifier) @pattern)
(generator_function_declaration name: (identifier) @pattern)
(function_expression name: (identifier) @pattern)
(generator_function name: (identifier) @pattern)
(class_declaration name: (identifier) @pattern)
(class name: (identifier) @pattern)
(catch_clause parameter: (_) @pattern)
(for_in_statement left: (_) @pattern)
(labeled_statement label: (_) @pattern)
(unary_expression "typeof" argument: (identifier) @pattern)
(property_identifier) @text
(private_property_identifier) @text
(string_fragment) @text
"""
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_IDENTIFIERS = {"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern", "statement_identifier"}
_NOT_BINDABLE = frozenset(
    "arguments async await eval implements interface let package private protected public static undefined yield".split()
)
MAX_NAMES = 200


def undeclared(script: Script) -> frozenset[str]:
    """Return the names that are read but neither declared nor mentioned in another way; globals of the engine are still among them."""
    found = script.search(_QUERY)
    known: set[str] = set()
    for node in found.get("pattern", ()):
        known.update(script.text(name) for name in _names(node))
    for node in found.get("text", ()):
        known.update(_NAME.findall(script.text(node)))
    names = {name for name in script.names - known - _NOT_BINDABLE if name.isascii() and _NAME.fullmatch(name)}
    return frozenset(sorted(names)[:MAX_NAMES])


def _names(root: Node) -> Iterator[Node]:
    """Yield the identifiers in a pattern, without recursion."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type in _IDENTIFIERS:
            yield node
        waiting.extend(node.named_children)
