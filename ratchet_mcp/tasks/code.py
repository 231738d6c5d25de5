"""A task's JavaScript, made ready for the engine: checked, its form recognised, refused text escaped, lines kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ratchet_mcp.tasks.edits import ColumnMap
from ratchet_mcp.tasks.frame import code_frame

__all__ = ["Form", "PreparedCode", "code_frame", "prepare"]

Form = Literal["expression", "main", "module.exports", "export default"]


@dataclass(frozen=True, slots=True)
class PreparedCode:
    """Code that the engine can put into a strict function body.

    `body` holds statements on the same lines as the user's; run inside a function body they return the task's function. `form` is how
    the user named that function. `identifiers` are all names in the source: the engine picks from them the globals to capture.
    `undeclared` are those among them that nothing declares (see `ratchet_mcp.tasks.undeclared`).
    """

    body: str
    form: Form
    identifiers: frozenset[str]
    undeclared: frozenset[str] = frozenset()
    columns: ColumnMap = field(default_factory=lambda: ColumnMap({}))

    def to_source(self, line: int, column: int) -> tuple[int, int]:
        """Return the place in the user's source of a place in `body`. Both count from 1, columns in UTF-16 units."""
        return self.columns.to_source(line, column)


def prepare(source: str, *, file: str = "main.js") -> PreparedCode:
    """Check the source and make it ready. Raises `TaskSyntaxError` (`details`: `line`, `column`, `frame`, `file`)."""
    from ratchet_mcp.tasks.edits import apply, blank
    from ratchet_mcp.tasks.escape import escape_refused_text
    from ratchet_mcp.tasks.forms import find_form
    from ratchet_mcp.tasks.refusals import check_features
    from ratchet_mcp.tasks.syntax import Script
    from ratchet_mcp.tasks.syntax_errors import check_syntax
    from ratchet_mcp.tasks.undeclared import undeclared

    script = Script.parse(source.removeprefix("\ufeff"), file)
    check_syntax(script)
    check_features(script)
    form = find_form(script)
    edits = [
        *form.edits,
        *escape_refused_text(script),
        *(blank(script.data, *node.byte_range) for node in script.found.get("hash_bang", ())),
    ]
    data, columns = apply(script.data, edits)
    body = data.decode("utf-8") + form.ending
    return PreparedCode(body, form.name, script.names, undeclared(script), columns)
