"""What is wrong with a batch is told before anything runs, all of it at once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ratchet_mcp.batches.models import Mode
from ratchet_mcp.batches.plan import Plan, PlanProblems, read_mode, read_requests
from ratchet_mcp.errors import BatchInvalid


def problems_of(requests: Any, mode: Mode = "dependency") -> dict[str, str]:
    problems = PlanProblems()
    read_requests(requests, mode, problems)
    return {each["path"]: each["message"] for each in problems.violations}


def request(id: str, input: Any = None, **more: Any) -> dict[str, Any]:
    return {"id": id, "task": "add", "input": {} if input is None else input, **more}


def test_needs_come_from_depends_on_references_and_when() -> None:
    problems = PlanProblems()
    given = [
        request("a"),
        request("b"),
        request("c"),
        request("d", {"x": [{"$from": "b"}]}, depends_on=["a"], when={"from": "c", "op": "exists"}),
    ]
    read = read_requests(given, "dependency", problems)
    assert not problems.violations
    assert read[3].needs == ("a", "c", "b")
    assert read[3].refers
    assert not read[0].refers


def test_a_circle_is_named() -> None:
    given = [request("a", {"$from": "c"}), request("b", depends_on=["a"]), request("c", when={"from": "b", "op": "exists"})]
    (message,) = problems_of(given).values()
    assert "circle" in message
    named = message.rpartition(": ")[2].split(" needs ")
    assert len(named) == 4
    assert named[0] == named[-1]
    assert set(itertools.pairwise(named)) == {('"a"', '"c"'), ('"b"', '"a"'), ('"c"', '"b"')}


def test_a_request_that_needs_itself_is_a_circle() -> None:
    assert "circle" in problems_of([request("a", {"n": {"$from": "a"}})])["$.requests"]


def test_all_problems_are_told_at_once() -> None:
    told = problems_of(
        [
            request("a"),
            request("a"),
            request("b", depends_on=["aa"]),
            {"id": "", "task": "add"},
            {"id": "d"},
            5,
            request("e", {"deep": [{"$from": "a", "pth": "/x"}]}),
            request("f", when={"from": "a", "op": "~", "value": 1}),
            request("g", inputs={}),
        ]
    )
    assert told["$.requests[1].id"] == 'the id "a" is that of request 1 already'
    assert told["$.requests[2]"] == '"b" needs "aa" (did you mean "a"?), which is no request\'s id'
    assert "1 to 64 characters" in told["$.requests[3].id"]
    assert "name@version" in told["$.requests[4].task"]
    assert "a request is an object" in told["$.requests[5]"]
    assert "not pth" in told["$.requests[6].input.deep[0]"]
    assert "$literal" in told["$.requests[6].input.deep[0]"]
    assert "==" in told["$.requests[7].when"]
    assert 'did you mean "input"' in told["$.requests[8]"]


@pytest.mark.parametrize("given", [None, {}, [], "a", 3])
def test_requests_are_a_list_with_something_in_it(given: Any) -> None:
    assert "a list of requests is expected" in problems_of(given)["$.requests"]


def test_in_mode_sequential_a_request_may_only_need_earlier_ones() -> None:
    assert problems_of([request("a"), request("b", {"$from": "a"})], "sequential") == {}
    told = problems_of([request("a", {"$from": "b"}), request("b")], "sequential")
    assert "comes later" in told["$.requests[0]"]


def test_in_mode_parallel_a_request_needs_nothing() -> None:
    assert "use mode dependency" in problems_of([request("a"), request("b", {"$from": "a"})], "parallel")["$.requests[1]"]


def test_the_mode_is_one_of_three() -> None:
    problems = PlanProblems()
    assert read_mode(None, problems) == "dependency"
    assert read_mode("sequential", problems) == "sequential"
    assert not problems.violations
    read_mode("serial", problems)
    read_mode([], problems)
    assert len(problems.violations) == 2


def test_a_refusal_lists_the_problems_and_says_the_first() -> None:
    problems = PlanProblems()
    read_requests([request("a", depends_on=["x"]), request("b", depends_on=["y"])], "dependency", problems)
    with pytest.raises(BatchInvalid) as refused:
        problems.refuse()
    assert refused.value.message.startswith("The batch cannot run: $.requests[0]: ")
    assert refused.value.message.endswith("(and 1 more)")
    assert len(refused.value.details["violations"]) == 2


def test_a_plan_survives_as_json() -> None:
    problems = PlanProblems()
    given = [
        request("a"),
        request("b", {"x": {"$from": "a"}}, depends_on=["a"], when={"from": "a", "path": "/n", "op": "in", "value": [1]}),
    ]
    plan = Plan(tuple(read_requests(given, "dependency", problems)), "dependency", 3, stop_on_error=True)
    assert Plan.from_dict(plan.to_dict()) == plan
