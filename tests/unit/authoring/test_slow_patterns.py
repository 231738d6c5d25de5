"""Regular expressions that explode, and those that only look like it."""

from __future__ import annotations

import pytest

from ratchet_mcp.authoring.lint.ambiguity import is_explosive

EXPLOSIVE = [
    r"^(a+)+$",
    r"(a|a)*b",
    r"(a|aa)+$",
    r"^(\w+\s?)*$",
    r"(.*)*x",
    r"(\d+)*$",
    r"^(\d+|\w+)*$",
    r"(x+x+)+y",
    r"^(?:a?b?)*c",
    r"(a{1,3})*$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(?:\s*\w+\s*,?)*;",
    r"^(\w+\d)+$",
    r"^\s*(\S+\s*)*$",
    r"([a-z]{1,50}-?){1,50}$",
    r"^([a-zA-Z0-9])(([\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$",
    r"^(?:\u0061+)*\x62",
    r"(?<word>[A-Za-z]+)*!",
]
HARMLESS = [
    r"^\d{4}-\d{2}-\d{2}$",
    r"(?:\w+\.)+\w+",
    r"^(\w+\s)*$",
    r"a+b+c+",
    r"[^,]+(,[^,]+)*$",
    r"^[a-z0-9][a-z0-9_-]{0,63}$",
    r"(a+b)+$",
    r"\s+$",
    r"(a+)+",
    r"^[\w.+-]+@[\w-]+(\.[\w-]+)+$",
    r"^(?:[0-9a-f]{32},?)+$",
    r'"(?:[^"\\]|\\.)*"',
    r"^#([0-9a-f]{3}|[0-9a-f]{6})$",
    r"(?:(?!-->).)*-->",
    r"^(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}$",
    r"\B(?=(\d{3})+(?!\d))",
    r"/\*[\s\S]*?\*/",
    r'((?:[^;"]|"[^"]*")*);',
    r"^(a|b)*$",
    r"\p{L}+(?:\s\p{L}+)*$",
    r"\P{M}[\p{M}]*(?:\u200d\P{M}[\p{M}]*)*",
    r"(a)\1*(b\k<x>)*",
]
UNREADABLE = ["(", "[", ")", "*", "a**", "(?P<x>a)", "\\", "(" * 5000, "[a-", "(?<", "{1}"]


@pytest.mark.parametrize("pattern", EXPLOSIVE)
def test_a_pattern_with_two_readings_of_the_same_text_in_a_loop_explodes(pattern: str) -> None:
    assert is_explosive(pattern)


@pytest.mark.parametrize("pattern", HARMLESS)
def test_an_ordinary_pattern_is_left_alone(pattern: str) -> None:
    assert not is_explosive(pattern)


@pytest.mark.parametrize("pattern", UNREADABLE)
def test_what_cannot_be_read_is_left_to_the_engine(pattern: str) -> None:
    assert not is_explosive(pattern)


def test_case_matters_unless_the_flag_says_otherwise() -> None:
    assert not is_explosive("^(?:a|A)*$")
    assert is_explosive("^(?:a|A)*$", ignore_case=True)


def test_a_huge_pattern_is_given_up_soon() -> None:
    assert not is_explosive("((((a{1,16}){1,16}){1,16}){1,16})*x")
    assert not is_explosive("(" + "|".join("[a-z]" for _ in range(200)) + ")*x" * 200)
