"""The forms in which a task may name its function, and the edits that make each of them return it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ratchet_mcp.tasks.edits import Edit, blank
from ratchet_mcp.tasks.refusals import EnclosingFunctions
from ratchet_mcp.tasks.statements import TopLevel, assigned_exports, call_on_next_line, callee_name, unwrap
from ratchet_mcp.tasks.syntax import Script

if TYPE_CHECKING:
    from tree_sitter import Node

_FUNCTIONS = frozenset({"function_expression", "arrow_function", "function_declaration"})
_GENERATORS = frozenset({"generator_function", "generator_function_declaration"})
_NEVER_FUNCTIONS = frozenset(
    {
        *("number", "string", "template_string", "array", "object", "regex", "true", "false", "null", "undefined", "binary_expression"),
        *("update_expression", "unary_expression", "class", "class_declaration", "this", "new_expression"),
    }
)
_ACCEPTED = "Write `function main(input) { … }`, `(input) => …`, `module.exports = { main }` or `export default function (input) { … }`."
_GUARDED_EXPORTS = re.compile(r"module\.exports(\.(main|default))?|exports\.(main|default)")


@dataclass(slots=True)
class Form:
    """How the source names its function: edits to the source, and text to put after it."""

    name: Literal["expression", "main", "module.exports", "export default"]
    edits: list[Edit] = field(default_factory=list[Edit])
    ending: str = ""


def find_form(script: Script) -> Form:
    """Recognise the form. Raises `TaskSyntaxError` when there is no function that could be the task."""
    top = TopLevel.of(script)
    if not top.statements:
        raise script.error(0, "The source is empty", _ACCEPTED)
    if top.exports:
        return _modules(script, top)
    if top.assignments:
        return _common_js(script, top)
    last = top.statements[-1]
    if last.type == "expression_statement" and (form := _last_expression(script, top, last)):
        return form
    if "main" in top.names:
        _check_function(script, top.names["main"])
        return Form("main", ending="\nreturn main;")
    if _exports_behind_a_condition(script):
        return Form("module.exports", [_MODULE], _exported(top))
    raise _no_function(script, top)


# ---------------------------------------------------------------- the last expression
def _last_expression(script: Script, top: TopLevel, statement: Node) -> Form | None:
    expression = unwrap(statement.named_children[0])
    if expression.type in _FUNCTIONS:
        return Form("expression", [Edit(statement.start_byte, statement.start_byte, b"return ")])
    if expression.type == "identifier" and (name := script.text(expression)) in top.names:
        _check_function(script, top.names[name])
        return Form("main" if name == "main" else "expression", [Edit(statement.start_byte, statement.start_byte, b"return ")])
    if callee_name(script, expression) == "main" and "main" in top.names:
        raise script.error(statement.start_byte, "The task calls main itself", "Remove this call: Ratchet calls main with the input.")
    if "main" in top.names or expression.type == "identifier" or _is_bundle(script, statement) or _exports_behind_a_condition(script):
        return None
    _check_function(script, expression)
    if expression.type in ("call_expression", "member_expression", "ternary_expression", "sequence_expression", "subscript_expression"):
        return Form("expression", [Edit(statement.start_byte, statement.start_byte, b"return ")])
    return None


def _check_function(script: Script, value: Node | None) -> None:
    if value is None:
        return
    inner = unwrap(value)
    if inner.type in _GENERATORS:
        raise script.error(
            inner.start_byte, "A generator cannot be a task", "Write a function or an async function that returns the result."
        )
    if inner.type in _NEVER_FUNCTIONS:
        raise script.error(inner.start_byte, "The task is not a function", f"The last expression must be the function. {_ACCEPTED}")


# ---------------------------------------------------------------- module.exports
MODULE_HEAD = "const module={exports:{}};let exports=module.exports;"
_MODULE = Edit(0, 0, MODULE_HEAD.encode())


def _common_js(script: Script, top: TopLevel) -> Form:
    edits = [_MODULE]
    for statement in top.statements:
        if statement not in top.assignments and _is_bundle(script, statement):
            edits += (
                Edit(statement.start_byte, statement.start_byte, b"{let module,exports;"),
                Edit(statement.end_byte, statement.end_byte, b"}"),
            )
    last = top.assignments[-1]
    left, value = assigned_exports(script, last) or ("", last)
    if "main" in top.names and top.declared_after("main", last) and not _exports_main(script, value):
        _check_function(script, top.names["main"])
        return Form("main", edits, "\nreturn main;")
    if left in ("module.exports", "exports.main", "module.exports.main"):
        inner = unwrap(value)
        if inner.type != "object":
            _check_function(script, inner)
        elif "main" not in top.names and not _may_have_main(script, inner):
            raise script.error(inner.start_byte, "module.exports has no main", "Export the function as main: module.exports = { main }.")
    return Form("module.exports", edits, _exported(top))


def _exports_main(script: Script, value: Node) -> bool:
    """Tell whether what is exported is the function `main`, or an object that holds it."""
    inner = unwrap(value)
    return _may_have_main(script, inner) if inner.type == "object" else script.text(inner) == "main"


def _exported(top: TopLevel) -> str:
    fallback = " ?? main" if "main" in top.names else ""
    return f'\nreturn typeof module.exports === "function" ? module.exports : module.exports?.main ?? module.exports?.default{fallback};'


def _is_bundle(script: Script, statement: Node) -> bool:
    """Tell whether a statement is a library bundle that looks for a module system before it sets a global."""
    if statement.type != "expression_statement":
        return False
    return any(
        statement.start_byte <= node.start_byte < statement.end_byte and script.text(node) in ("module", "exports")
        for node in script.found.get("typeof", ())
    )


def _may_have_main(script: Script, exported: Node) -> bool:
    for member in exported.named_children:
        name = member.child_by_field_name("key") or member.child_by_field_name("name") or member
        if member.type == "spread_element" or script.text(name).strip("'\"") in ("main", "default"):
            return True
    return False


def _exports_behind_a_condition(script: Script) -> bool:
    """Tell whether the code exports inside an `if` or a wrapping function, and is no bundle that merely may do so."""
    assigned = [node for node in script.found.get("assigned", ()) if _GUARDED_EXPORTS.fullmatch(_left(script, node))]
    if not assigned:
        return False
    functions = EnclosingFunctions(script)
    if any(functions.around(node) is None for node in assigned):
        return True
    return not any(script.text(node) in ("module", "exports") for node in script.found.get("typeof", ()))


def _left(script: Script, assignment: Node) -> str:
    left = assignment.child_by_field_name("left")
    if left is None or left.end_byte - left.start_byte > 60:
        return ""
    return re.sub(r"\s", "", script.text(left))


# ---------------------------------------------------------------- export
def _modules(script: Script, top: TopLevel) -> Form:
    result: str | None = None
    edits: list[Edit] = []
    for statement in top.exports:
        if any(child.type == "default" for child in statement.children):
            edit, result = _default_export(script, statement)
        else:
            edit, named = _named_export(script, statement)
            result = result or named
        edits.append(edit)
    if result is None and "main" in top.names:
        result = "main"
    if result is None:
        raise script.error(
            top.exports[0].start_byte, "No default export and no export named main", f"Say which function is the task. {_ACCEPTED}"
        )
    if result in top.names:
        _check_function(script, top.names[result])
    return Form("export default", edits, f'\nreturn typeof {result} === "function" ? {result} : {result}?.main;')


def _default_export(script: Script, statement: Node) -> tuple[Edit, str]:
    value = statement.child_by_field_name("value") or statement.child_by_field_name("declaration")
    if value is None:
        raise script.error(statement.start_byte, "export default needs a value", _ACCEPTED)
    inner = unwrap(value)
    if inner.type != "object":
        _check_function(script, inner)
    elif not _may_have_main(script, inner):
        raise script.error(inner.start_byte, "The default export has no main", "Export the function itself, or an object with main in it.")
    keyword = next(child for child in statement.children if child.type == "default")
    cleared = blank(script.data, statement.start_byte, keyword.end_byte)
    name = value.child_by_field_name("name")
    if value.type.endswith(("declaration", "function_expression", "generator_function")) and name is not None:
        return cleared, script.text(name)
    variable = free_name(script)
    return _with_head(cleared, f"const {variable} =".encode()), variable


def free_name(script: Script) -> str:
    """Return a variable name of six letters that the source does not use."""
    return next(name for name in ("$main$", *(f"$main{letter}" for letter in "abcdefghijklmnop_0123456789")) if name not in script.names)


def _with_head(cleared: Edit, head: bytes) -> Edit:
    """Put text at the start of a blanked range, keeping the range's line ends and, where it fits, its length."""
    lines = cleared.text.lstrip(b" ")
    if not lines:
        return Edit(cleared.start, cleared.end, head.ljust(len(cleared.text)))
    return Edit(cleared.start, cleared.end, head + lines)


def _named_export(script: Script, statement: Node) -> tuple[Edit, str | None]:
    declaration = statement.child_by_field_name("declaration")
    if declaration is not None:
        return blank(script.data, statement.start_byte, declaration.start_byte), None
    result: str | None = None
    for specifier in (child for clause in statement.named_children for child in clause.named_children):
        name, alias = specifier.child_by_field_name("name"), specifier.child_by_field_name("alias")
        if name is None:
            continue
        public = script.text(alias or name).strip("'\"")
        if public == "default" or (public == "main" and result is None):
            result = script.text(name)
    return blank(script.data, statement.start_byte, statement.end_byte), result


# ---------------------------------------------------------------- nothing found
def _no_function(script: Script, top: TopLevel) -> Exception:
    swallowed = call_on_next_line(top)
    if swallowed is not None:
        return script.error(
            swallowed.start_byte,
            "A semicolon is missing before this '('",
            "JavaScript reads the line above and this one as one call; put a ; between.",
        )
    functions = top.functions()
    last = top.statements[-1]
    if len(functions) == 1:
        name = functions[0]
        return script.error(last.start_byte, "No function named main", f"Rename {name} to main, or end the file with the line `{name}`.")
    if last.type == "statement_block":
        hint = "Braces at the start of a line are a block. " + _ACCEPTED
        return script.error(last.start_byte, "There is no function that takes the input", hint)
    return script.error(last.start_byte, "There is no function that takes the input", _ACCEPTED)
