"""The lines around a place in the source."""

from __future__ import annotations

import sys

from ratchet_mcp.tasks.frame import code_frame


def test_the_line_is_marked_and_the_column_pointed_at() -> None:
    assert code_frame("a\nb\nconst x = ;\nd\ne\nf", 3, 11) == "\n".join(
        ["  1 | a", "  2 | b", "> 3 | const x = ;", "    |           ^", "  4 | d", "  5 | e"]
    )


def test_the_gutter_is_as_wide_as_the_largest_number() -> None:
    frame = code_frame("\n" * 20, 9, 1, context=1).splitlines()
    assert [line.index("|") for line in frame] == [5] * len(frame)


def test_tabs_and_wide_characters_keep_the_caret_in_place() -> None:
    assert code_frame("\t😀x", 1, 4).splitlines()[1] == "    | \t ^"


def test_a_long_line_is_cut_around_the_column() -> None:
    shown, caret = code_frame("a" * 5000 + "!" + "b" * 5000, 1, 5001).splitlines()
    assert len(shown) < 140
    assert shown[caret.index("^")] == "!"


def test_a_place_outside_of_the_source_gives_nothing() -> None:
    assert code_frame("a", 7, 1) == code_frame("a", 0, 1) == ""
    assert code_frame("abc", 1, 99).endswith("^")
    assert "^" not in code_frame("abc", 1, None)


def test_the_parser_is_not_loaded_for_it() -> None:
    import subprocess

    program = "import sys; from ratchet_mcp.tasks.code import code_frame; code_frame('a', 1, 1); sys.exit('tree_sitter' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
