"""Finds calls of other tasks whose promise nobody awaits, names that nothing declares, and patterns that explode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ratchet_mcp.authoring.findings import Finding, finding
from ratchet_mcp.authoring.lint.ambiguity import is_explosive
from ratchet_mcp.authoring.lint.budget import tick
from ratchet_mcp.engine.script import GLOBALS
from ratchet_mcp.tasks.json_values import is_object
from ratchet_mcp.tasks.reading import hidden_characters
from ratchet_mcp.tasks.schema_checks import subschemas
from ratchet_mcp.tasks.undeclared import undeclared
from ratchet_mcp.tasks.violations import did_you_mean, json_path, shown

if TYPE_CHECKING:
    from tree_sitter import Node

    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.tasks.syntax import Script

_QUERY = """
(call_expression function: (identifier)) @call
(call_expression function: (member_expression object: (identifier) @object property: (property_identifier) @property)) @call
(regex pattern: (regex_pattern) @pattern flags: (regex_flags)? @flags) @regex
(new_expression constructor: (identifier) @maker arguments: (arguments . (string) @text)) @made
[(identifier) (shorthand_property_identifier)] @read
"""
_HANDLERS = frozenset({"then", "catch", "finally"})
_LETTER = re.compile(r"[A-Za-z_$][\w$]*")
_MODULE = frozenset({"module", "exports", "require"})  # the first two exist where they are used, the third has a refusal of its own
_ADVICE = "Make what is repeated end in something that cannot be part of it, or do not nest repetitions: `(a+)+` is `a+`."


def check_calls(script: Script, file: str) -> list[Finding]:
    """Find `tasks.call(…)`, `tasks.all(…)` and `ask(…)` without `await`."""
    found: list[Finding] = []
    captured = script.search(_QUERY)
    reads: dict[str, list[Node]] = {}
    for node in captured.get("read", ()):
        reads.setdefault(script.text(node), []).append(node)
    for node in captured.get("call", ()):
        tick()
        callee = node.child_by_field_name("function")
        name = "" if callee is None else re.sub(r"\s", "", script.text(callee))
        if name in ("tasks.call", "tasks.all") or (name == "ask" and "ask" in undeclared(script)):
            wrong = _left_alone(script, node, reads)
            if wrong:
                line, column = script.places.at(node.start_byte)
                found.append(finding("call-not-awaited", file, wrong, line=line, column=column, suggestion=f"Write `await {name}(…)`."))
    return found


def _left_alone(script: Script, call: Node, reads: dict[str, list[Node]]) -> str | None:
    parent = call.parent
    while parent is not None and parent.type == "parenthesized_expression":
        call, parent = parent, parent.parent
    if parent is None:
        return None
    if parent.type == "expression_statement":
        return "the result of this call is thrown away and its failure goes unnoticed: nothing awaits it"
    if parent.type in ("member_expression", "subscript_expression") and parent.child_by_field_name("object") == call:
        key = parent.child_by_field_name("property")
        name = script.text(key) if key is not None else "[…]"
        return None if name in _HANDLERS else f"this reads {name[:40]} of a promise, not of its result"
    name = parent.child_by_field_name("name") if parent.type == "variable_declarator" else None
    if name is None:
        return None
    if name.type in ("object_pattern", "array_pattern"):
        return "this takes a promise apart, not its result"
    if name.type != "identifier":
        return None
    variable = script.text(name)
    uses = [node for node in reads.get(variable, ()) if node.start_byte != name.start_byte]
    tick(len(uses))
    if uses and all(_reads_field(script, node) for node in uses):
        return f"{variable[:40]} is a promise: its fields are read, but nothing awaits it"
    return None


def _reads_field(script: Script, node: Node) -> bool:
    parent = node.parent
    if parent is None or parent.type != "member_expression" or parent.child_by_field_name("object") != node:
        return False
    key = parent.child_by_field_name("property")
    return key is not None and script.text(key) not in _HANDLERS


def check_names(task: Task, script: Script, file: str) -> list[Finding]:
    """Find names that nothing declares; the engine makes reading them an error."""
    unknown = task.code.undeclared - GLOBALS - _MODULE
    first: dict[str, Node] = {}
    for node in script.search(_QUERY).get("read", ()):
        name = script.text(node)
        if name in unknown and (name not in first or node.start_byte < first[name].start_byte):
            first[name] = node
    made: list[Finding] = []
    for name, node in sorted(first.items(), key=lambda pair: pair[1].start_byte):
        line, column = script.places.at(node.start_byte)
        message = f"nothing declares {name[:80]}{did_you_mean(name, GLOBALS)}"
        made.append(finding("unknown-name", file, message, line=line, column=column, suggestion="Declare it, or correct the name."))
    return made


def check_hidden(source: str, file: str) -> list[Finding]:
    """Find characters by which code looks other than it is ("Trojan Source", CVE-2021-42574)."""
    for number, line in enumerate(source.removeprefix("\ufeff").split("\n"), 1):
        found = hidden_characters(line.removesuffix("\r"))
        if found:
            message = f"the line holds the character {found}, which cannot be seen"
            advice = f"Delete it, or write it as an escape: \\u{{{found[2:]}}}."
            return [finding("hidden-characters", file, message, line=number, suggestion=advice)]
    return []


# ---------------------------------------------------------------- patterns
def check_patterns(script: Script, file: str) -> list[Finding]:
    """Find regular expressions in the code that take exponential time."""
    found = script.search(_QUERY)
    places: list[tuple[Node, str, str]] = []
    for regex in found.get("regex", ()):
        pattern, flags = regex.child_by_field_name("pattern"), regex.child_by_field_name("flags")
        if pattern is not None:
            places.append((regex, script.text(pattern), script.text(flags) if flags is not None else ""))
    for made in found.get("made", ()):
        maker, arguments = made.child_by_field_name("constructor"), made.child_by_field_name("arguments")
        if maker is not None and arguments is not None and script.text(maker) == "RegExp":
            text = script.text(arguments.named_children[0])[1:-1]
            places.append((made, text.replace("\\\\", "\\"), ""))
    return [
        _explodes(pattern, file, dict(zip(("line", "column"), script.places.at(node.start_byte), strict=True)))
        for node, pattern, flags in sorted(places, key=lambda place: place[0].start_byte)
        if is_explosive(pattern, ignore_case="i" in flags, dot_all="s" in flags)
    ]


def check_schema_patterns(schema: Any, file: str, prefix: str) -> list[Finding]:
    """Find patterns of a schema that take exponential time; a check that takes too long fails the run."""
    return [
        _explodes(pattern, file, {"path": prefix + json_path(path)[1:]}) for path, pattern in _patterns(schema) if is_explosive(pattern)
    ]


def _patterns(schema: Any) -> Iterator[tuple[tuple[Any, ...], str]]:
    for path, node in subschemas(schema):
        if isinstance(node.get("pattern"), str):
            yield (*path, "pattern"), node["pattern"]
        members: Any = node.get("patternProperties")
        if is_object(members):
            yield from (((*path, "patternProperties", name), name) for name in members)


def _explodes(pattern: str, file: str, place: dict[str, Any]) -> Finding:
    message = f"the pattern {shown(pattern)} takes exponential time on some texts that it does not match"
    return finding("slow-pattern", file, message, suggestion=_ADVICE, **place)
