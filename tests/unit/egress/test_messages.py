"""What crosses between worker and coordinator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ratchet_mcp.egress.messages import FetchRequest, FetchResponse
from ratchet_mcp.errors import InvalidFetch


def test_a_request_is_read_from_the_wire() -> None:
    wire = {
        "url": "https://a.example/",
        "method": "POST",
        "headers": [["A", "1"], ["a", "2"]],
        "body": "aGk=",
        "redirect": "manual",
        "timeout_seconds": 2,
        "retry": False,
        "cache": "reload",
    }
    request = FetchRequest.from_wire(wire)
    assert request == FetchRequest("https://a.example/", "POST", (("A", "1"), ("a", "2")), b"hi", "manual", 2.0, False, "reload")
    assert request.header("A") == "1, 2" and request.header("b") is None
    assert FetchRequest.from_wire({"url": "x"}) == FetchRequest("x")


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        (None, "request"), ([], "request"), ({}, "url"), ({"url": 1}, "url"), ({"url": "x", "method": 1}, "method"), ({"url": "x", "headers": {}}, "headers"),
        ({"url": "x", "headers": [["a"]]}, "headers"), ({"url": "x", "headers": [["a", 1]]}, "headers"), ({"url": "x", "headers": ["ab"]}, "headers"),
        ({"url": "x", "body": 1}, "body"), ({"url": "x", "body": "%"}, "body"), ({"url": "x", "redirect": "maybe"}, "redirect"),
        ({"url": "x", "timeout_seconds": 0}, "timeout_seconds"), ({"url": "x", "timeout_seconds": -1}, "timeout_seconds"),
        ({"url": "x", "timeout_seconds": True}, "timeout_seconds"), ({"url": "x", "timeout_seconds": "1"}, "timeout_seconds"),
        ({"url": "x", "timeout_seconds": float("nan")}, "timeout_seconds"), ({"url": "x", "timeout_seconds": float("inf")}, "timeout_seconds"),
        ({"url": "x", "cache": "always"}, "cache"), ({"url": "x", "verify": False}, "verify"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_with_its_field(wire: Any, field: str) -> None:
    with pytest.raises(InvalidFetch) as error:
        FetchRequest.from_wire(wire)
    assert error.value.details["field"] == field


def test_a_response_is_written_to_the_wire() -> None:
    wire = FetchResponse("https://a.example/", 200, "OK", (("A", "1"),), b"\0\xff", False, "HTTP/2").to_wire()
    assert json.loads(json.dumps(wire)) == {
        "url": "https://a.example/",
        "status": 200,
        "statusText": "OK",
        "headers": [["A", "1"]],
        "body": "AP8=",
        "redirected": False,
    }
