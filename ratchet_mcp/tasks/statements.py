"""What stands at the top level of a task's source."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ratchet_mcp.tasks.syntax import Script

if TYPE_CHECKING:
    from tree_sitter import Node

_TRIVIA = frozenset({"comment", "html_comment", "hash_bang_line", "empty_statement"})
_DECLARATIONS = frozenset({"lexical_declaration", "variable_declaration"})
_NAMED = frozenset({"function_declaration", "generator_function_declaration", "class_declaration"})
_EXPORTS = re.compile(r"(module\.)?exports(\.[\w$]+)?")
_FUNCTION_VALUES = frozenset({"function_declaration", "function_expression", "arrow_function"})


@dataclass(slots=True)
class TopLevel:
    """The statements without comments, the names they declare (with the value, if one stands there), and what they export."""

    statements: list[Node]
    names: dict[str, Node | None] = field(default_factory=dict[str, "Node | None"])
    places: dict[str, int] = field(default_factory=dict[str, int])
    exports: list[Node] = field(default_factory=list["Node"])
    assignments: list[Node] = field(default_factory=list["Node"])

    @classmethod
    def of(cls, script: Script) -> TopLevel:
        """Read the top level of a script."""
        top = cls([node for node in script.root.named_children if node.type not in _TRIVIA])
        for statement in top.statements:
            if statement.type == "export_statement":
                top.exports.append(statement)
                declaration = statement.child_by_field_name("declaration")
                if declaration is not None:
                    top._declare(script, declaration)
            elif assigned_exports(script, statement) is not None:
                top.assignments.append(statement)
            else:
                top._declare(script, statement)
        return top

    def _declare(self, script: Script, statement: Node) -> None:
        name = statement.child_by_field_name("name")
        if statement.type in _NAMED and name is not None:
            self._add(script, name, statement)
        elif statement.type in _DECLARATIONS:
            for declarator in statement.named_children:
                target = declarator.child_by_field_name("name")
                if target is None:
                    continue
                if target.type == "identifier":
                    self._add(script, target, declarator.child_by_field_name("value"))
                else:
                    for part in target.named_children:
                        self._add(script, part.child_by_field_name("value") or part.child_by_field_name("left") or part, None)

    def _add(self, script: Script, name: Node, value: Node | None) -> None:
        self.names[script.text(name)] = value
        self.places[script.text(name)] = name.start_byte

    def declared_after(self, name: str, statement: Node) -> bool:
        """Tell whether a name is declared further down than a statement."""
        return self.places[name] > statement.end_byte

    def functions(self) -> list[str]:
        """Return the names of the functions that are declared here."""
        return [name for name, value in self.names.items() if value is not None and unwrap(value).type in _FUNCTION_VALUES]


def unwrap(node: Node) -> Node:
    """Return what stands inside parentheses."""
    while node.type == "parenthesized_expression":
        inner = [child for child in node.named_children if child.type != "comment"]
        if len(inner) != 1:
            return node
        node = inner[0]
    return node


def assigned_exports(script: Script, statement: Node) -> tuple[str, Node] | None:
    """Return `("module.exports", value)` and the like when a statement assigns to the exports of a CommonJS module."""
    if statement.type != "expression_statement" or not statement.named_children:
        return None
    expression, found = unwrap(statement.named_children[0]), None
    while expression.type == "assignment_expression":
        left, right = expression.child_by_field_name("left"), expression.child_by_field_name("right")
        if left is None or right is None:
            break
        if left.end_byte - left.start_byte < 200:
            target = re.sub(r"\s", "", script.text(left))
            if left.type in ("member_expression", "identifier") and _EXPORTS.fullmatch(target) and target != "exports":
                found = target
        expression = right
    return (found, expression) if found else None


def callee_name(script: Script, expression: Node) -> str | None:
    """Return the name of the function that an expression calls in the end: `main` for `await main(x).catch(log)`."""
    name: str | None = None
    while True:
        expression = unwrap(expression)
        inner = expression.child_by_field_name("function" if expression.type == "call_expression" else "object")
        if expression.type == "await_expression":
            inner = expression.named_children[0]
        if inner is None:
            return name
        name = script.text(inner) if expression.type == "call_expression" and inner.type == "identifier" else None
        if name:
            return name
        expression = inner


def call_on_next_line(top: TopLevel) -> Node | None:
    """Return the arguments of a call that only exists because a semicolon is missing at the end of the line before."""
    for statement in top.statements:
        if statement.type not in _DECLARATIONS:
            continue
        for declarator in statement.named_children:
            value = declarator.child_by_field_name("value")
            while value is not None and value.type == "call_expression":
                callee, arguments = value.child_by_field_name("function"), value.child_by_field_name("arguments")
                if callee is None or arguments is None:
                    break
                if arguments.start_point.row > callee.end_point.row:
                    return arguments
                value = callee
    return None
