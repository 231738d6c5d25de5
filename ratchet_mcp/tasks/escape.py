r"""Text that the sandbox refuses anywhere in a script (HTML comments, `import(`), rewritten so that its meaning stays.

The sandbox looks at characters, not at tokens, so `'<!--'` in a string counts as well. Strings, templates and regular expressions get
an escape in the place of one character (`'<\x21--'`), operators a space between them (`a-- >b`), names a Unicode escape, and comments
are blanked. Only `RegExp.prototype.source` and `Function.prototype.toString` can tell the difference.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from ratchet_mcp.tasks.edits import Edit, blank
from ratchet_mcp.tasks.syntax import Script

_SPACE = rb"(?:[\t\n\x0b\x0c\r ]|\xc2\xa0|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80|\xef\xbb\xbf)*"
_REFUSED = re.compile(rb"<!(?=--)|--(?=>)|(?:(?<!\.)|(?<=\.\.\.))(?<![A-Za-z0-9_])import(?=" + _SPACE + rb"(?:\(|/[/*]))")
_TOKENS = """
[(comment) (html_comment)] @comment
(string) @text
(template_string [(string_fragment) (escape_sequence)] @text)
(call_expression arguments: (template_string [(string_fragment) (escape_sequence)] @tagged))
(regex) @regex
[(identifier) (property_identifier) (private_property_identifier) (shorthand_property_identifier)] @word
"""


def escape_refused_text(script: Script) -> list[Edit]:
    """Return the edits that free the source of refused text. Raises `TaskSyntaxError` where none exists."""
    hits = list(_REFUSED.finditer(script.data))
    if not hits:
        return []
    tokens = _Tokens(script)
    edits: dict[int, Edit] = {}
    for match in hits:
        edit = _escape(script, tokens, match)
        edits[edit.start] = edit
    return list(edits.values())


class _Tokens:
    """Tells which token stands at an offset; operators are no tokens here."""

    def __init__(self, script: Script) -> None:
        kinds: dict[tuple[int, int], str] = {}
        for kind, nodes in script.search(_TOKENS).items():
            for node in nodes:
                if kinds.get(node.byte_range) != "tagged":
                    kinds[node.byte_range] = kind
        self._ranges = sorted(kinds)
        self._kinds = kinds
        self._starts = [start for start, _ in self._ranges]

    def at(self, offset: int) -> tuple[str, int, int]:
        """Return kind, start and end; the kind is empty between tokens."""
        index = bisect_right(self._starts, offset) - 1
        if index >= 0 and offset < self._ranges[index][1]:
            return self._kinds[self._ranges[index]], *self._ranges[index]
        return "", offset, offset


def _escape(script: Script, tokens: _Tokens, match: re.Match[bytes]) -> Edit:
    start, end = match.span()
    kind, token_start, token_end = tokens.at(start)
    if kind == "comment":
        return blank(script.data, token_start, token_end)
    if kind == "tagged":
        raise script.error(
            start,
            f"A tagged template cannot hold the text '{_shown(match)}'",
            "Use a template without a tag, or put the text into a string and insert it with ${…}.",
        )
    if kind == "text":
        return _escape_character(match, in_class=True, after_group=False)
    if kind == "regex":
        in_class = _in_class(script.data[token_start + 1 : start])
        return _escape_character(match, in_class=in_class, after_group=script.data[start - 2 : start] == b"(?")
    if kind == "word":
        return Edit(start + 2, start + 3, b"\\u0070")
    if match.group() == b"import":
        raise script.error(start, "import is not supported here", "A task is one file: paste the library above your function.")
    return Edit(end, end, b" ")


def _shown(match: re.Match[bytes]) -> str:
    return {b"<!": "<!--", b"--": "-->"}.get(match.group(), "import(")


def _escape_character(match: re.Match[bytes], *, in_class: bool, after_group: bool) -> Edit:
    start, end = match.span()
    if match.group() == b"import":
        return Edit(start + 2, start + 3, rb"\x70")
    if match.group() == b"--":
        return Edit(end, end + 1, rb"\x3e")
    if after_group and not in_class:
        return Edit(end, end + 1, rb"\x2d")
    return Edit(start + 1, end, rb"\x21")


def _in_class(pattern: bytes) -> bool:
    """Tell whether a character class is open at the end of this part of a regular expression."""
    inside = skip = False
    for byte in pattern:
        if skip:
            skip = False
        elif byte == 0x5C:
            skip = True
        elif byte == 0x5B:
            inside = True
        elif byte == 0x5D:
            inside = False
    return inside
