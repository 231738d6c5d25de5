"""Compares what the code reads of its input with what the input schema declares.

A finding is only made when it is certain: as soon as the input as a whole goes anywhere (into a call, a spread, a copy, a computed index),
everything may be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ratchet_mcp.authoring.findings import Finding, finding
from ratchet_mcp.authoring.lint.budget import tick
from ratchet_mcp.authoring.lint.function import parameters, task_function
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.schema_checks import subschemas
from ratchet_mcp.tasks.violations import did_you_mean, json_path

if TYPE_CHECKING:
    from tree_sitter import Node

    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.tasks.syntax import Script

_QUERY = """
[(identifier) (shorthand_property_identifier)] @read
[(variable_declarator name: (_) @bound) (formal_parameters (_) @bound) (arrow_function parameter: (_) @bound)
 (catch_clause parameter: (_) @bound) (for_in_statement left: (_) @bound) (function_declaration name: (_) @bound)
 (assignment_expression left: (_) @bound) (augmented_assignment_expression left: (_) @bound)]
"""
_NEUTRAL_OPERATORS = frozenset({"==", "===", "!=", "!==", "instanceof"})
_OBJECT_METHODS = frozenset({"hasOwnProperty", "propertyIsEnumerable", "toString", "toLocaleString", "valueOf", "constructor"})
_CONDITIONS = frozenset({"if_statement", "while_statement", "do_statement"})
_COMPOSED = frozenset(
    "$ref $dynamicRef allOf anyOf oneOf if then else not extends "
    "patternProperties dependentSchemas dependencies unevaluatedProperties".split()
)


@dataclass(slots=True)
class Use:
    """What the code reads of its input: names with the first place of each, or `everything`."""

    names: dict[str, Node] = field(default_factory=dict[str, "Node"])
    everything: bool = False
    sure: bool = True
    """Whether each of the names is certainly read of the input (and not of something else of the same name)."""


def check_input(task: Task, script: Script, schema_file: str, prefix: str) -> list[Finding]:
    """Compare the code with the input schema, which stands in `schema_file` under the JSON path `prefix`."""
    properties = task.input_schema.get("properties")
    declared: dict[str, Any] = properties if is_object(properties) else {}
    use = input_use(script)
    if use is None:
        return []
    found: list[Finding] = []
    if not use.everything:
        found += [_unused(name, schema_file, prefix) for name in declared if name not in use.names]
    if use.sure and declared and not (_COMPOSED & task.input_schema.keys()):
        found += _undeclared(task, script, use, declared)
    return found


def _unused(name: str, file: str, prefix: str) -> Finding:
    return finding(
        "unused-input",
        file,
        f"the code never reads the property {name[:80]!r} of its input",
        path=prefix + json_path(["properties", name])[1:],
        suggestion="Read it in the code, or take it out of the schema.",
    )


def _undeclared(task: Task, script: Script, use: Use, declared: dict[str, Any]) -> Iterator[Finding]:
    further = task.input_schema.get("additionalProperties")
    if further is not None and further is not False:
        return
    kinds = task.input_schema.get("type", "object")
    if kinds != "object":
        return
    for name, node in use.names.items():
        if name in declared or name in _OBJECT_METHODS:
            continue
        line, column = script.places.at(node.start_byte)
        never = "; additionalProperties is false, so it is never there" if further is False else ""
        near = did_you_mean(name, declared)
        yield finding(
            "undeclared-input",
            task.code_file,
            f"the code reads the property {name[:80]!r} of its input, which the input schema does not declare{never}{near}",
            severity="warning" if further is False else "hint",
            line=line,
            column=column,
            suggestion="Declare it under properties, or correct the name.",
        )


def check_required(schema: Any, file: str, prefix: str) -> list[Finding]:
    """Find `required` names that the same object schema does not declare."""
    found: list[Finding] = []
    for path, node in subschemas(schema):
        properties, required = node.get("properties"), node.get("required")
        if not is_object(properties) or not is_array(required) or _COMPOSED & node.keys():
            continue
        impossible = node.get("additionalProperties") is False
        for index, name in enumerate(required):
            if isinstance(name, str) and name not in properties:
                consequence = "; additionalProperties is false, so that no value can match" if impossible else ""
                found.append(
                    finding(
                        "undeclared-required",
                        file,
                        f"{name[:80]!r} is required but not declared under properties{consequence}{did_you_mean(name, properties)}",
                        severity="error" if impossible else "warning",
                        path=prefix + json_path([*path, "required", index])[1:],
                        suggestion="Declare it under properties, or take it out of required.",
                    )
                )
    return found


# ---------------------------------------------------------------- what the code reads
def input_use(script: Script) -> Use | None:
    """Return what the task reads of its input, or None when its function cannot be found."""
    function = task_function(script)
    if function is None:
        return None
    use = Use(everything=bool(script.names & {"arguments", "eval", "Function"}))
    taken = parameters(function)
    if taken:
        pattern = taken[0].child_by_field_name("left") if taken[0].type == "assignment_pattern" else taken[0]
        if pattern is None or pattern.type not in ("identifier", "object_pattern"):
            use.everything = True
        elif pattern.type == "object_pattern":
            _read_pattern(script, pattern, use)
        else:
            _read_name(script, pattern, use)
    return use


def _read_pattern(script: Script, pattern: Node, use: Use) -> None:
    """Note the keys of `{ a, b: c, d = 1, ...rest }`."""
    for part in pattern.named_children:
        key = part.child_by_field_name("key") or part.child_by_field_name("left") or part
        if part.type == "comment":
            continue
        if part.type == "rest_pattern" or key.type == "computed_property_name":
            use.everything = True
        elif key.type == "string":
            _note(script, key, use)
        else:
            use.names.setdefault(script.text(key), key)


def _note(script: Script, literal: Node, use: Use) -> None:
    text = script.text(literal)[1:-1]
    if "\\" in text:
        use.everything = True
    else:
        use.names.setdefault(text, literal)


def _read_name(script: Script, parameter: Node, use: Use) -> None:
    name = script.text(parameter)
    found = script.search(_QUERY)
    bound = [node for node in found.get("bound", ()) if _binds(script, node, name)]
    use.sure = len(bound) <= 1
    declarations = {node.start_byte for node in bound} | {parameter.start_byte}
    for node in found.get("read", ()):
        tick()
        if script.text(node) == name and node.start_byte not in declarations:
            _read_place(script, node, use)


def _binds(script: Script, pattern: Node, name: str) -> bool:
    waiting = [pattern]
    while waiting:
        node = waiting.pop()
        if node.type in ("identifier", "shorthand_property_identifier_pattern") and script.text(node) == name:
            return True
        if node.type not in ("member_expression", "subscript_expression"):
            waiting.extend(node.named_children)
    return False


def _read_place(script: Script, node: Node, use: Use) -> None:
    """Note what one mention of the input reads."""
    node, parent = _outward(node)
    if parent is None or parent.type == "expression_statement":
        return
    if parent.type == "member_expression" and _is_field(parent, "object", node):
        key = parent.child_by_field_name("property")
        if key is not None:
            method = script.text(key) in _OBJECT_METHODS and parent.parent is not None and parent.parent.type == "call_expression"
            use.everything = use.everything or method
            use.names.setdefault(script.text(key), key)
    elif parent.type == "subscript_expression" and _is_field(parent, "object", node):
        index = parent.child_by_field_name("index")
        if index is not None and index.type == "string":
            _note(script, index, use)
        else:
            use.everything = True
    elif (pattern := _target(parent, node)) is not None:
        _read_pattern(script, pattern, use)
    elif not _is_neutral(script, parent, node, use):
        use.everything = True


def _outward(node: Node) -> tuple[Node, Node | None]:
    """Step out of parentheses and of `input ?? {}`."""
    parent = node.parent
    while parent is not None:
        if parent.type == "binary_expression" and _is_field(parent, "left", node):
            right = parent.child_by_field_name("right")
            operator = parent.child_by_field_name("operator")
            if operator is None or operator.type not in ("??", "||") or right is None or right.type != "object" or right.named_child_count:
                break
        elif parent.type != "parenthesized_expression" or (parent.parent is not None and parent.parent.type in _CONDITIONS):
            break
        node, parent = parent, parent.parent
    return node, parent


def _target(parent: Node, node: Node) -> Node | None:
    """Return the object pattern that the input is taken apart into."""
    fields = {"variable_declarator": ("value", "name"), "assignment_expression": ("right", "left")}.get(parent.type)
    if fields is None or not _is_field(parent, fields[0], node):
        return None
    pattern = parent.child_by_field_name(fields[1])
    return pattern if pattern is not None and pattern.type == "object_pattern" else None


def _is_neutral(script: Script, parent: Node, node: Node, use: Use) -> bool:
    """Tell whether a mention reads no property: comparisons, `typeof`, `!`, conditions, `"x" in input`."""
    if parent.type == "binary_expression":
        operator = parent.child_by_field_name("operator")
        kind = operator.type if operator is not None else ""
        if kind == "in" and _is_field(parent, "right", node):
            left = parent.child_by_field_name("left")
            if left is not None and left.type == "string":
                _note(script, left, use)
                return True
            return False
        return kind in _NEUTRAL_OPERATORS or (kind == "&&" and _is_field(parent, "left", node))
    if parent.type == "unary_expression":
        return True
    if parent.type == "parenthesized_expression":
        return True
    return parent.type == "ternary_expression" and _is_field(parent, "condition", node)


def _is_field(parent: Node, name: str, node: Node) -> bool:
    child = parent.child_by_field_name(name)
    return child is not None and child.start_byte == node.start_byte and child.end_byte == node.end_byte
