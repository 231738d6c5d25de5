"""JavaScript source as a syntax tree, and the error that points into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from ratchet_mcp.errors import TaskSyntaxError
from ratchet_mcp.tasks.frame import Places, code_frame

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Parser, Query

_QUERY = """
(identifier) @name
(shorthand_property_identifier) @name
(shorthand_property_identifier_pattern) @name
[(function_declaration) (function_expression) (arrow_function) (method_definition)
 (generator_function) (generator_function_declaration) (class_static_block)] @function
(await_expression) @await
(for_in_statement "await" @await)
(return_statement) @return
(with_statement) @with
(import_statement) @import
(call_expression function: (import) @import_call)
(meta_property) @meta
(import) @import_word
(number) @number
(export_statement source: (string)) @export_from
[(jsx_element) (jsx_self_closing_element)] @jsx
(unary_expression "delete" argument: (identifier)) @delete
(unary_expression "typeof" argument: (identifier) @typeof)
(assignment_expression left: (member_expression)) @assigned
(hash_bang_line) @hash_bang
(decorator) @decorator
"""

_ESCAPE = re.compile(r"\\u(?:\{([0-9a-fA-F]{1,6})\}|([0-9a-fA-F]{4}))")


def _resolve(match: re.Match[str]) -> str:
    number = int(match[1] or match[2], 16)
    return chr(number) if number < 0x110000 else match[0]


@lru_cache(maxsize=1)
def language() -> Language:
    """Return the grammar."""
    import tree_sitter
    import tree_sitter_javascript

    return tree_sitter.Language(tree_sitter_javascript.language())


@lru_cache(maxsize=4)
def _query(text: str) -> Query:
    from tree_sitter import Query

    return Query(language(), text)


def _parser() -> Parser:
    from tree_sitter import Parser

    return Parser(language())


@dataclass(frozen=True)
class Script:
    """Parsed source. `data` is the source as UTF-8, `root` the syntax tree, `found` what the query of this module names."""

    source: str
    data: bytes
    file: str
    root: Node

    @classmethod
    def parse(cls, source: str, file: str) -> Script:
        """Parse; the tree may hold errors. Raises `TaskSyntaxError` for text that is not Unicode."""
        try:
            data = source.encode("utf-8")
        except UnicodeEncodeError as error:
            line = source.count("\n", 0, error.start) + 1
            raise TaskSyntaxError(
                f"Unpaired surrogate in {file}, line {line}: the source is not valid Unicode.", details={"file": file, "line": line}
            ) from None
        return cls(source, data, file, _parser().parse(data).root_node)

    @cached_property
    def places(self) -> Places:
        """Return the translator from byte offsets to lines and columns."""
        return Places(self.data)

    def search(self, query: str) -> dict[str, list[Node]]:
        """Return the nodes that a query captures, by the names it gives them."""
        from tree_sitter import QueryCursor

        return QueryCursor(_query(query)).captures(self.root)

    @cached_property
    def found(self) -> dict[str, list[Node]]:
        """Return the nodes that matter, by the names that the query above gives them."""
        return self.search(_QUERY)

    @cached_property
    def names(self) -> frozenset[str]:
        """Return every identifier of the source, Unicode escapes resolved."""
        words = {self.data[node.start_byte : node.end_byte] for node in self.found.get("name", ())}
        return frozenset(_ESCAPE.sub(_resolve, word.decode("utf-8", "replace")) for word in words)

    def text(self, node: Node) -> str:
        """Return the source of a node."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def error(self, offset: int, message: str, hint: str | None = None) -> TaskSyntaxError:
        """Return (not raise) the error that points at a byte offset."""
        line, column = self.places.at(offset)
        return TaskSyntaxError(
            f"{message} ({self.file}:{line}:{column})",
            hint=hint,
            details={"file": self.file, "line": line, "column": column, "frame": code_frame(self.source, line, column)},
        )


def leaves(root: Node) -> Iterator[tuple[Node, str]]:
    """Yield each token with the type of the node that holds it, without recursion."""
    cursor = root.walk()
    parents: list[str] = []
    while True:
        node = cursor.node
        if node is None:
            return
        if cursor.goto_first_child():
            parents.append(node.type)
            continue
        yield node, parents[-1] if parents else ""
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            parents.pop()
