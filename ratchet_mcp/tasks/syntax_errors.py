"""What is wrong with source that cannot be parsed, in words that help to correct it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ratchet_mcp.errors import TaskSyntaxError
from ratchet_mcp.tasks.frame import line_ends
from ratchet_mcp.tasks.syntax import Script, language, leaves

if TYPE_CHECKING:
    from tree_sitter import Node

_CLOSERS = {"(": ")", "[": "]", "{": "}", "${": "}"}
_OPENERS = {")", "]", "}"}
_TYPESCRIPT_WORDS = frozenset(
    {"interface", "type", "enum", "namespace", "declare", "abstract", "private", "public", "protected", "readonly"}
)
_TYPESCRIPT = "TypeScript is not supported"
_TYPESCRIPT_HINT = "Remove the types: tasks are plain JavaScript."
_TYPES = re.compile(rb"[\w)\]}]\s*\??\s*:\s*(?:string|number|boolean|any|unknown|void|never|object|Record|Array|Promise|Map|Set)\b")
_UNTERMINATED = {'"': "string", "'": "string", "`": "template string", "/": "regular expression"}


@dataclass(frozen=True, slots=True)
class _Finding:
    offset: int
    message: str
    hint: str | None = None


def check_syntax(script: Script) -> None:
    """Raise `TaskSyntaxError` when the tree holds an error; say the most helpful thing about the first one."""
    if not script.root.has_error:
        return
    tokens = list(leaves(script.root))
    found = [
        finding
        for finding in (_unterminated(script, tokens), _brackets(script, tokens), _unexpected(script, tokens), _missing(tokens))
        if finding is not None
    ]
    if not found:
        offset = _first_error(script.root)
        token = next((node for node, _ in tokens if node.start_byte >= offset and node.end_byte > node.start_byte), None)
        what = "The source ends too early" if token is None else f"Unexpected token '{script.text(token)[:40]}'"
        found = [_Finding(offset, what)]
    best = min(found, key=lambda finding: finding.offset)
    line_start = script.data.rfind(b"\n", 0, best.offset) + 1
    if best.message.startswith("Unexpected") and (typed := _TYPES.search(script.data[line_start : best.offset + 20])):
        best = _Finding(line_start + typed.start() + 1, _TYPESCRIPT, _TYPESCRIPT_HINT)
    raise _as_error(script, best)


def _as_error(script: Script, finding: _Finding) -> TaskSyntaxError:
    return script.error(finding.offset, finding.message, finding.hint)


def _unterminated(script: Script, tokens: list[tuple[Node, str]]) -> _Finding | None:
    for node, parent in tokens:
        kind = _UNTERMINATED.get(node.type)
        if kind is None or parent != "ERROR":
            continue
        if node.type != "/":
            return _Finding(node.start_byte, f"Unterminated {kind}")
        if script.data[node.start_byte : node.start_byte + 2] == b"/*":
            return _Finding(node.start_byte, "Unterminated comment", "Close it with */.")
    return None


def _brackets(script: Script, tokens: list[tuple[Node, str]]) -> _Finding | None:
    open_brackets: list[Node] = []
    for node, _ in tokens:
        if node.is_missing:
            continue
        if node.type in _CLOSERS:
            open_brackets.append(node)
        elif node.type in _OPENERS:
            if not open_brackets:
                return _Finding(node.start_byte, f"Unexpected '{node.type}'", "No bracket is open here; remove it, or add the opening one.")
            opener = open_brackets.pop()
            if _CLOSERS[opener.type] != node.type:
                line, _column = script.places.at(opener.start_byte)
                expected = _CLOSERS[opener.type]
                return _Finding(
                    node.start_byte,
                    f"Unexpected '{node.type}': expected '{expected}' first",
                    f"The '{opener.type}' of line {line} is still open here.",
                )
    if not open_brackets:
        return None
    opener = open_brackets[-1]
    line, column = script.places.at(opener.start_byte)
    closer = _CLOSERS[opener.type]
    end = len(script.data.rstrip())
    return _Finding(end, f"Missing '{closer}': the '{opener.type}' of line {line}, column {column} is never closed")


def _unexpected(script: Script, tokens: list[tuple[Node, str]]) -> _Finding | None:
    """Find the first token that the grammar does not allow after the one before it."""
    expected: dict[int, frozenset[int]] = {}
    grammar = language()
    semicolon = next(kind for kind in range(grammar.node_kind_count) if grammar.node_kind_for_id(kind) == "_automatic_semicolon")
    before: Node | None = None
    for node, _ in tokens:
        if node.is_missing or node.start_byte == node.end_byte or node.type in ("comment", "html_comment", "hash_bang_line"):
            continue
        if before is not None and (state := before.next_parse_state):
            if state not in expected:
                iterator = grammar.lookahead_iterator(state)
                expected[state] = frozenset(iterator.symbols()) if iterator else frozenset()
            allowed = expected[state]
            between = script.data[before.end_byte : node.start_byte]
            ends_statement = semicolon in allowed and (node.type == "}" or bool(line_ends(between)))
            if allowed and node.grammar_id not in allowed and not ends_statement:
                return _describe(script, before, node)
        before = node
    return None


def _describe(script: Script, before: Node, node: Node) -> _Finding:
    word, previous = script.text(node), script.text(before)
    typed = (
        previous in _TYPESCRIPT_WORDS
        or (word in ("as", "satisfies", "implements") and before.is_named)
        or (word == ":" and (before.is_named or previous == ")"))
        or (word == "?" and script.data[node.end_byte : node.end_byte + 1] == b":")
    )
    if typed:
        return _Finding(before.start_byte if previous in _TYPESCRIPT_WORDS else node.start_byte, _TYPESCRIPT, _TYPESCRIPT_HINT)
    if len(word) > 40:
        word = word[:40] + "…"
    hint = None
    if node.is_named and before.is_named:
        hint = f"Something is missing between {previous[-40:]!r} and {word!r}: an operator, a comma or a semicolon."
    return _Finding(node.start_byte, f"Unexpected {_kind(node)} '{word}'" if node.is_named else f"Unexpected token '{word}'", hint)


def _kind(node: Node) -> str:
    return {"number": "number", "string": "string", "string_fragment": "text"}.get(
        node.type, "identifier" if "identifier" in node.type else "token"
    )


def _missing(tokens: list[tuple[Node, str]]) -> _Finding | None:
    for index, (node, _) in enumerate(tokens):
        if node.is_missing:
            after = next((token for token, _ in tokens[index + 1 :] if token.end_byte > token.start_byte), None)
            before = f" before '{after.type}'" if after is not None and not after.is_named else ""
            return _Finding(node.start_byte, (f"Missing {node.type}" if node.is_named else f"Missing '{node.type}'") + before)
    return None


def _first_error(root: Node) -> int:
    cursor = root.walk()
    while True:
        node = cursor.node
        if node is None or node.is_error or node.is_missing:
            return node.start_byte if node else 0
        entered = cursor.goto_first_child()
        while entered and cursor.node is not None and not cursor.node.has_error:
            entered = cursor.goto_next_sibling()
        if not entered:
            return node.start_byte
