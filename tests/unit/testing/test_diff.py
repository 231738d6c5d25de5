"""The unified diff of expected and actual."""

from __future__ import annotations

from typing import Any

from ratchet_mcp.testing.diff import MAX_LINES, MAX_WIDTH, unified


def lines(expected: Any, actual: Any, *, exact: bool = False) -> list[str]:
    return unified(expected, actual, exact=exact).splitlines()


def test_what_is_expected_stands_against_what_came() -> None:
    assert lines({"a": 1, "b": [1, 2]}, {"b": [1, 3], "a": 1}) == [
        "--- expected",
        "+++ actual",
        "@@",
        '   "a": 1,',
        '   "b": [',
        "     1,",
        "-    2",
        "+    3",
        "   ]",
        " }",
    ]


def test_members_that_nobody_expects_show_only_in_an_exact_comparison() -> None:
    expected, actual = {"a": [{"b": 1}]}, {"a": [{"b": 2, "more": 3}], "other": 4}
    assert "more" not in unified(expected, actual, exact=False) and "other" not in unified(expected, actual, exact=False)
    assert '+      "more": 3' in lines(expected, actual, exact=True) and '+  "other": 4' in lines(expected, actual, exact=True)


def test_the_order_of_members_and_the_kind_of_a_number_are_no_differences() -> None:
    assert unified({"a": 1, "b": 2.0}, {"b": 2, "a": 1.0}, exact=True) == ""


def test_items_beyond_the_expected_ones_are_shown() -> None:
    assert "+  2" in lines([1], [1, 2])


def test_long_diffs_and_long_lines_are_cut() -> None:
    found = lines({f"k{number}": 1 for number in range(1000)}, {f"k{number}": 2 for number in range(1000)})
    assert len(found) == MAX_LINES + 1 and found[-1] == "… (the rest is left out)"
    assert max(map(len, lines("x", "y" * 10_000))) == MAX_WIDTH + 1


def test_a_difference_far_down_is_found() -> None:
    assert "-  99999" in lines(list(range(100_000)), [*range(99_999), -1])


def test_of_long_lists_the_part_around_the_first_difference_is_shown() -> None:
    found = lines({"a": list(range(1000))}, {"a": [*range(500), -1, *range(501, 900)]}, exact=True)
    assert found[2:8] == ["@@", "     497,", "     498,", "     499,", "-    500,", "+    -1,"]
    assert '-    "… 463 more items"' in found and '+    "… 363 more items"' in found


def test_values_too_deep_for_text_have_no_diff() -> None:
    deep: Any = 1
    for _ in range(50_000):
        deep = [deep]
    assert unified(deep, 1, exact=False) == ""
