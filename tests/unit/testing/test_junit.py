"""JUnit XML in the form that CI systems read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from ratchet_mcp.engine.run import LogLine
from ratchet_mcp.errors import TaskFailed, TaskInvalid
from ratchet_mcp.tasks.testcase import ExpectedError, TestCase
from ratchet_mcp.testing.compare import Difference
from ratchet_mcp.testing.coverage import Coverage
from ratchet_mcp.testing.junit import Unloadable, to_xml
from ratchet_mcp.testing.report import TestReport, TestResult

PASSED = TestResult(TestCase("good"), "passed", duration_ms=1.5)
WRONG = TestResult(
    TestCase("wrong", expected_output=1, has_output=True),
    "failed",
    [Difference("$", "expected 1, got 2")],
    2,
    diff="-1\n+2",
    lines=[LogLine(0, 0.0, "info", "said <this> & ]]>")],
)
ENDED = TestResult(
    TestCase("ended", expected_output=1, has_output=True), "failed", [Difference("$", "the run failed")], error=TaskFailed("boom").to_dict()
)
OTHER = TestResult(
    TestCase("other", expected_error=ExpectedError("timeout")),
    "failed",
    [Difference("$.error.code", "no")],
    error=TaskFailed("boom").to_dict(),
)
SKIPPED = TestResult(TestCase("late"), "not_run", note="The time was up.")
REPORT = TestReport("sample@1.0.0", [PASSED, WRONG, ENDED, OTHER, SKIPPED], 1234.5, Coverage({1: 1, 2: 0}))
BROKEN = Unloadable("broken", TaskInvalid("no", details={"problems": [{"file": "main.js", "message": "bad"}]}))

NUMBER, SECONDS, TEXT = r"\d+", r"\d+\.\d{3}", r".*"
FORM: dict[str, tuple[dict[str, str], tuple[str, ...], set[str]]] = {
    "testsuites": ({"name": TEXT, "tests": NUMBER, "failures": NUMBER, "errors": NUMBER, "time": SECONDS}, ("testsuite",), set()),
    "testsuite": (
        {
            "name": TEXT,
            "tests": NUMBER,
            "failures": NUMBER,
            "errors": NUMBER,
            "skipped": NUMBER,
            "time": SECONDS,
            "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
        },
        ("properties", "testcase"),
        set(),
    ),
    "properties": ({}, ("property",), set()),
    "property": ({"name": TEXT, "value": TEXT}, (), set()),
    "testcase": ({"name": TEXT, "classname": TEXT, "time": SECONDS}, ("skipped", "error", "failure", "system-out", "system-err"), set()),
    "failure": ({"type": TEXT, "message": TEXT}, (), set()),
    "error": ({"type": TEXT, "message": TEXT}, (), set()),
    "skipped": ({"message": TEXT}, (), set()),
    "system-out": ({}, (), set()),
}
"""For each element its attributes, and its children in their order: the form of the Jenkins xUnit schema (junit-10), without what we never write."""


def check_form(element: ElementTree.Element) -> None:
    attributes, children, _ = FORM[element.tag]
    assert set(element.attrib) == set(attributes), f"{element.tag} has {sorted(element.attrib)}"
    for name, form in attributes.items():
        assert re.fullmatch(form, element.attrib[name], re.DOTALL), f"{element.tag}.{name} is {element.attrib[name]!r}"
    order = [children.index(child.tag) for child in element]
    assert order == sorted(order), f"the children of {element.tag} are out of order"
    for child in element:
        check_form(child)


def test_the_document_has_the_form_that_ci_systems_read() -> None:
    text = to_xml([REPORT, BROKEN], datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC))
    root = ElementTree.fromstring(text)
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    check_form(root)
    assert root.attrib == {"name": "ratchet", "tests": "6", "failures": "2", "errors": "2", "time": "1.234"}
    suite = root[0].attrib
    assert {name: suite[name] for name in ("tests", "failures", "errors", "skipped", "timestamp")} == {
        "tests": "5",
        "failures": "2",
        "errors": "1",
        "skipped": "1",
        "timestamp": "2026-01-31T12:00:05",
    }


def test_a_wrong_result_is_a_failure_and_a_run_that_ended_early_is_an_error() -> None:
    cases = {case.attrib["name"]: case for case in ElementTree.fromstring(to_xml([REPORT])).iter("testcase")}
    assert [child.tag for child in cases["good"]] == []
    assert [child.tag for child in cases["wrong"]] == ["failure", "system-out"]
    assert cases["wrong"][0].attrib == {"type": "mismatch", "message": "$: expected 1, got 2"}
    assert "-1\n+2" in (cases["wrong"][0].text or "") and cases["wrong"][1].text == "[info] said <this> & ]]>"
    assert (cases["ended"][0].tag, cases["ended"][0].attrib["type"]) == ("error", "task_error")
    assert cases["other"][0].tag == "failure"
    assert cases["late"][0].tag == "skipped"


def test_a_task_that_cannot_be_loaded_is_an_error() -> None:
    [case] = ElementTree.fromstring(to_xml([BROKEN])).iter("testcase")
    assert case[0].attrib == {"type": "task_invalid", "message": "no"}
    assert "main.js" in (case[0].text or "")


@pytest.mark.parametrize("text", ["\x1b[31m", "\x00", "\ud800", "\ufffe", "a\x0bb"])
def test_what_xml_cannot_say_is_written_as_a_number(text: str) -> None:
    result = TestResult(TestCase(text), "failed", [Difference("$", text)], diff=text, lines=[LogLine(0, 0.0, "info", text)])
    document = to_xml([TestReport(text, [result], 0)])
    assert "\\x" in next(ElementTree.fromstring(document.encode()).iter("testcase")).attrib["name"]
