"""Patterns of JSON Schema mean what they mean in JavaScript."""

from __future__ import annotations

import pytest

from ratchet_mcp.tasks.patterns import PatternError, compile_pattern, search


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^\d+$", "12", True),
        (r"^\d+$", "12\n", False),
        (r"^\d$", "٣", False),
        (r"^\w$", "é", False),
        (r"^[\w.-]+@[^\s]+\.[a-z]{2,}$", "a.b-c@d.ee", True),
        (r"\s", "\u00a0", True),
        (r"[\s]", "\ufeff", True),
        (r"\bfoo\b", "a foo b", True),
        (r"\bé", "é", False),
        (r"^.$", "\u2028", False),
        (r"^.$", "😀", True),
        (r"^\u{1F600}\p{L}+$", "😀é", True),
        (r"^\uD83D\uDE00$", "😀", True),
        (r"^\x41\u0042\cJ\0$", "AB\n\0", True),
        (r"^(?<year>\d{4})-\k<year>$", "2024-2024", True),
        (r"^(a)(b)\2\1$", "abba", True),
        (r"^a\/b$", "a/b", True),
        (r"[^]", "\n", True),
        (r"[]", "a", False),
        (r"^{}$", "{}", True),
        (r"^a{,2}$", "a{,2}", True),
        (r"^[[&~|]+$", "[&~|", True),
        (r"^[(?{}.$^]+$", "(?{}.$^", True),
        (r"^a{2,3}?$", "aaa", True),
        (r"^\p{Script=Greek}+$", "αβγ", True),
        (r"^[\p{Lu}\d]+$", "ÄB1", True),
        (r"(?<!a)b", "ab", False),
        (r"(?<=a)b", "ab", True),
        (r"^(?i:a)$", "A", True),
        (r"\$", "$", True),
        (r"a+?b", "aab", True),
        ("é$", "é", True),
    ],
)
def test_a_pattern_finds_what_javascript_finds(pattern: str, text: str, found: bool) -> None:
    assert search(pattern, text) is found


@pytest.mark.parametrize(
    "pattern", ["(", "[", "a**", "a++", r"\A", r"\Z", r"\y", "(?P<a>b)", "(?#x)", "(?>a)", "\\", r"\u{110000}", r"\k<no>", "a{3,1}"]
)
def test_what_javascript_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)
