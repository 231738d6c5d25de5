"""The function of a task in its syntax tree: where it is, what it takes and what it returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ratchet_mcp.authoring.lint.budget import tick
from ratchet_mcp.errors import TaskSyntaxError
from ratchet_mcp.tasks.forms import find_form
from ratchet_mcp.tasks.statements import TopLevel, assigned_exports, unwrap
from ratchet_mcp.tasks.syntax import Script

if TYPE_CHECKING:
    from tree_sitter import Node

FUNCTIONS = frozenset(
    {
        *("function_declaration", "function_expression", "arrow_function", "method_definition"),
        *("generator_function", "generator_function_declaration", "class_static_block"),
    }
)
_ASSIGNED = """
(assignment_expression left: (identifier) @name)
(augmented_assignment_expression left: (identifier) @name)
"""


def task_function(script: Script) -> Node | None:
    """Return the function that a run calls, or None when it is made by other code (a call, a condition, …)."""
    try:
        form = find_form(script).name
    except TaskSyntaxError:
        return None
    top = TopLevel.of(script)
    if form == "main":
        return _resolve(script, top, top.names.get("main"), "main")
    if form == "expression":
        return _resolve(script, top, top.statements[-1].named_children[0])
    if form == "module.exports":
        assigned = assigned_exports(script, top.assignments[-1]) if top.assignments else None
        return _exported(script, top, assigned[1]) if assigned else None
    return _module(script, top)


def _module(script: Script, top: TopLevel) -> Node | None:
    for statement in top.exports:
        if any(child.type == "default" for child in statement.children):
            value = statement.child_by_field_name("value") or statement.child_by_field_name("declaration")
            return _exported(script, top, value) if value is not None else None
    return _resolve(script, top, top.names.get("main"), "main")


def _exported(script: Script, top: TopLevel, value: Node) -> Node | None:
    inner = unwrap(value)
    if inner.type != "object":
        return _resolve(script, top, inner)
    for member in inner.named_children:
        key = member.child_by_field_name("key") or member.child_by_field_name("name") or member
        if script.text(key).strip("'\"") == "main":
            if member.type == "method_definition":
                return member
            return _resolve(script, top, member.child_by_field_name("value") or key)
    return None


def _resolve(script: Script, top: TopLevel, node: Node | None, name: str | None = None) -> Node | None:
    """Follow one name to the function it stands for, unless it is assigned to anywhere."""
    if node is not None:
        node = unwrap(node)
        if node.type in ("identifier", "shorthand_property_identifier"):
            name = script.text(node)
            value = top.names.get(name)
            node = unwrap(value) if value is not None else None
    if node is None or node.type not in FUNCTIONS:
        return None
    if name is not None and any(script.text(each) == name for each in script.search(_ASSIGNED).get("name", ())):
        return None
    return node


def parameters(function: Node) -> list[Node]:
    """Return the parameters' patterns."""
    single = function.child_by_field_name("parameter")
    if single is not None:
        return [single]
    listed = function.child_by_field_name("parameters")
    return [child for child in listed.named_children if child.type != "comment"] if listed is not None else []


def inside(root: Node, *, functions: bool = False) -> Iterator[Node]:
    """Yield the nodes under a node in order, with or without those of functions that stand in it."""
    waiting = [*reversed(root.named_children)]
    while waiting:
        node = waiting.pop()
        tick()
        yield node
        if functions or node.type not in FUNCTIONS:
            waiting.extend(reversed(node.named_children))


def returned(function: Node) -> list[Node | None]:
    """Return the expressions that the function returns; None stands for a `return` without a value."""
    body = function.child_by_field_name("body")
    if body is None:
        return []
    if body.type != "statement_block":
        return [body]
    found: list[Node | None] = []
    for node in inside(body):
        if node.type == "return_statement":
            values = [child for child in node.named_children if child.type != "comment"]
            found.append(values[0] if values else None)
    return found
