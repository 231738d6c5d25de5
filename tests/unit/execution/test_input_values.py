"""Input becomes JSON text, or an error that says why not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ratchet_mcp.errors import InputInvalid, InputTooLarge
from ratchet_mcp.execution.limits import run_limits
from ratchet_mcp.execution.values import FEW, decode_output, encodable, encode_input, is_small
from ratchet_mcp.settings import Limits

LIMITS = run_limits(Limits(input_bytes=10_000, json_depth=8))


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_values_become_compact_json() -> None:
    assert encode_input({"a": [1, 2.5, None, True, "ü"]}, LIMITS) == '{"a":[1,2.5,null,true,"ü"]}'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_cannot_say_are_refused_with_their_path(number: float) -> None:
    with pytest.raises(InputInvalid) as caught:
        encode_input({"rows": [{"x": 1}, {"x": number}]}, LIMITS)
    assert caught.value.details["violations"][0]["path"] == "$.rows[1].x"


def test_nesting_up_to_the_limit_passes_and_one_level_more_is_refused() -> None:
    assert encode_input(nested(8), LIMITS) == "[" * 8 + "1" + "]" * 8
    with pytest.raises(InputTooLarge, match="json_depth"):
        encode_input(nested(9), LIMITS)


def test_ten_thousand_levels_are_refused() -> None:
    with pytest.raises(InputTooLarge):
        encode_input(nested(10_000), LIMITS)


def test_a_cycle_is_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(InputTooLarge):
        encode_input(cycle, LIMITS)


def test_a_branching_cycle_is_refused_before_it_fills_the_memory() -> None:
    cycle: list[Any] = []
    cycle += [cycle, cycle]
    with pytest.raises(InputTooLarge):
        encode_input(cycle, run_limits(Limits(input_bytes=10_000)))


@pytest.mark.parametrize("value", ["x" * 10_000, ["x"] * 5000, "ü" * 5_000])
def test_more_bytes_than_allowed_are_refused_with_the_limit(value: Any) -> None:
    with pytest.raises(InputTooLarge, match="10000") as caught:
        encode_input(value, LIMITS)
    assert caught.value.details["limits"]["input_bytes"] == 10_000


def test_integers_beyond_64_bits_pass_as_they_are_written() -> None:
    assert encode_input([2**70], LIMITS) == f"[{2**70}]"


@pytest.mark.parametrize("value", ["\ud800", {"a": object()}, {"a": {1, 2}}])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(InputInvalid):
        encode_input(value, LIMITS)


def test_a_value_with_many_nodes_counts_as_large_and_a_long_text_does_not() -> None:
    assert is_small({"text": "x" * 1_000_000, "rows": [1] * 100})
    assert not is_small([1] * (FEW + 1))
    assert not is_small(nested(FEW + 1))


def test_half_of_a_surrogate_pair_in_an_output_becomes_the_replacement_character_with_a_warning() -> None:
    value, warning = decode_output('{"a\\ud800":["\\udc00b","\\ud83d\\ude00"]}')
    assert value == {"a\ufffd": ["\ufffdb", "😀"]}
    assert warning is not None
    assert "surrogate" in warning


def test_an_error_can_always_be_recorded() -> None:
    assert encodable({"message": "half \ud800", "data": {"at": ValueError("x")}}) == {"message": "half \ufffd", "data": {"at": "x"}}
