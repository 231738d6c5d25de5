"""Finds code that blocks, waits needlessly, or is never reached."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ratchet_mcp.authoring.findings import Finding, finding
from ratchet_mcp.authoring.lint.budget import tick
from ratchet_mcp.authoring.lint.function import inside
from ratchet_mcp.tasks.statements import unwrap

if TYPE_CHECKING:
    from tree_sitter import Node

    from ratchet_mcp.tasks.syntax import Script

_QUERY = """
[(while_statement) (do_statement) (for_statement) (for_in_statement)] @loop
[(return_statement) (throw_statement) (break_statement) (continue_statement)] @end
(assignment_expression left: (_) @assigned)
(augmented_assignment_expression left: (_) @assigned)
(update_expression argument: (_) @assigned)
(for_in_statement left: (_) @assigned)
"""
_LOOPS = frozenset({"while_statement", "do_statement", "for_statement", "for_in_statement"})
_CLOCK = re.compile(r"\b(Date\.now|performance\.now|new Date)\b")
_ALWAYS = frozenset({"true", "1"})
_SIMPLE = frozenset({"identifier", "number", "true", "false", "null", "undefined", "string", "binary_expression", "unary_expression"})
_HARMLESS = frozenset({"function_declaration", "generator_function_declaration", "comment", "empty_statement", "class_declaration"})
_UNCERTAIN = frozenset({"call_expression", "new_expression", "await_expression", "yield_expression"})


def check_flow(script: Script, file: str) -> list[Finding]:
    """Look at every loop and at what stands behind a return."""
    found = script.search(_QUERY)
    made: list[Finding] = []
    assigned = sorted(found.get("assigned", []), key=_start)
    for loop in found.get("loop", ()):
        one = _loop(script, file, loop, assigned)
        if one is not None:
            made.append(one)
    seen: set[int] = set()
    for end in sorted(found.get("end", ()), key=lambda node: node.start_byte):
        behind = _unreachable(end)
        if behind is not None and end.parent is not None and end.parent.id not in seen:
            seen.add(end.parent.id)
            word = end.type.removesuffix("_statement")
            made.append(_at(script, file, behind, "unreachable-code", f"this is never reached: {word} stands before it", "Delete it."))
    return made


def _at(script: Script, file: str, node: Node, code: str, message: str, advice: str) -> Finding:
    line, column = script.places.at(node.start_byte)
    return finding(code, file, message, line=line, column=column, suggestion=advice)


def _loop(script: Script, file: str, loop: Node, assigned: list[Node]) -> Finding | None:
    body = loop.child_by_field_name("body")
    if body is None:
        return None
    condition = loop.child_by_field_name("condition")
    if loop.type == "for_in_statement":
        return _waits(script, file, loop, body)
    if condition is not None and _CLOCK.search(script.text(condition)) and not _works(script, condition, body):
        return _at(
            script,
            file,
            loop,
            "busy-wait",
            "this loop keeps the processor busy until the clock says so",
            "Wait with `await new Promise((resolve) => setTimeout(resolve, ms))`.",
        )
    if _is_endless(script, loop, condition) and not _has_exit(script, loop, body):
        return _at(
            script, file, loop, "endless-loop", "this loop has no break, return or throw, so it never ends", "Add a condition or a break."
        )
    if condition is not None and _never_changes(script, loop, condition, assigned) and not _has_exit(script, loop, body):
        return _at(
            script,
            file,
            loop,
            "endless-loop",
            "nothing in this loop changes its condition, so it never ends once it has begun",
            "Change a variable of the condition in the loop, or add a break.",
        )
    return _waits(script, file, loop, body)


def _works(script: Script, condition: Node, body: Node) -> bool:
    """Tell whether a loop by the clock does something meanwhile, or looks at more than the clock."""
    if any(node.type == "binary_expression" and _operator(node) in ("&&", "||") for node in [_plain(condition), *inside(condition)]):
        return True
    return any(node.type in _UNCERTAIN and not _CLOCK.search(script.text(node)[:40]) for node in inside(body))


def _operator(node: Node) -> str:
    operator = node.child_by_field_name("operator")
    return operator.type if operator is not None else ""


def _is_endless(script: Script, loop: Node, condition: Node | None) -> bool:
    if condition is None or condition.type == "empty_statement":
        return loop.type == "for_statement"
    return script.text(_plain(condition)) in _ALWAYS


def _plain(condition: Node) -> Node:
    if condition.type == "expression_statement" and condition.named_children:
        condition = condition.named_children[0]
    return unwrap(condition)


def _has_exit(script: Script, loop: Node, body: Node) -> bool:
    """Tell whether something in the loop leaves it: return, throw, break, a jump to a label, a yield."""
    for node in [body, *inside(body)]:
        if node.type in ("return_statement", "throw_statement", "yield_expression"):
            return True
        if node.type in ("break_statement", "continue_statement"):
            label = node.child_by_field_name("label")
            if label is not None and not _label_is_inside(script, node, body, script.text(label)):
                return True
            if label is None and node.type == "break_statement" and _broken(node) == loop:
                return True
    return False


def _label_is_inside(script: Script, node: Node, body: Node, label: str) -> bool:
    parent = node.parent
    while parent is not None and parent != body.parent:
        tick()
        name = parent.child_by_field_name("label") if parent.type == "labeled_statement" else None
        if name is not None and script.text(name) == label:
            return True
        parent = parent.parent
    return False


def _broken(node: Node) -> Node | None:
    """Return the loop or switch that a plain `break` ends."""
    parent = node.parent
    while parent is not None and parent.type not in _LOOPS and parent.type != "switch_statement":
        tick()
        parent = parent.parent
    return parent


def _never_changes(script: Script, loop: Node, condition: Node, assigned: list[Node]) -> bool:
    """Tell whether the condition is made of plain variables that nothing in the loop can change."""
    plain = _plain(condition)
    parts = [plain, *inside(plain, functions=True)]
    if not all(part.type in _SIMPLE or part.type == "parenthesized_expression" for part in parts):
        return False
    names = {script.text(part) for part in parts if part.type == "identifier"}
    if not names or any(node.type in _UNCERTAIN for node in inside(loop, functions=True)):
        return False
    for target in assigned[bisect_left(assigned, loop.start_byte, key=_start) : bisect_left(assigned, loop.end_byte, key=_start)]:
        for node in [target, *inside(target, functions=True)]:
            tick()
            if node.type in ("identifier", "shorthand_property_identifier_pattern") and script.text(node) in names:
                return False
    return True


def _start(node: Node) -> int:
    return node.start_byte


def _waits(script: Script, file: str, loop: Node, body: Node) -> Finding | None:
    """Find `for (const item of items) { … await … }` where nothing is carried from one item to the next."""
    if loop.type != "for_in_statement" or any(child.type == "await" for child in loop.children) or _has_exit(script, loop, body):
        return None
    awaits = [node for node in inside(body) if node.type == "await_expression"]
    if not awaits or any("assignment" in node.type or node.type == "try_statement" for node in inside(body)):
        return None
    return _at(
        script,
        file,
        awaits[0],
        "await-in-loop",
        "each round of this loop waits before the next one starts",
        "If the items do not depend on each other: `await Promise.all(items.map(async (item) => …))`.",
    )


def _unreachable(end: Node) -> Node | None:
    """Return the first statement behind an end that the end makes unreachable."""
    if end.parent is None or end.parent.type not in ("statement_block", "program", "switch_case", "switch_default"):
        return None
    for sibling in _behind(end):
        if sibling.type in _HARMLESS or (sibling.type == "variable_declaration" and not _has_value(sibling)):
            continue
        return sibling
    return None


def _behind(end: Node) -> Iterator[Node]:
    sibling = end.next_named_sibling
    while sibling is not None:
        yield sibling
        sibling = sibling.next_named_sibling


def _has_value(declaration: Node) -> bool:
    return any(part.child_by_field_name("value") is not None for part in declaration.named_children)
