"""Reports of tests as JUnit XML, in the form that CI systems read.

The form is the one of the Jenkins xUnit plugin (`testsuites`, `testsuite`, `testcase` with `failure`, `error` or `skipped`), which GitLab,
GitHub actions and others read as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ratchet_mcp.errors import RatchetError, from_dict
from ratchet_mcp.testing.report import TestReport, TestResult

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot say (section 2.2)."""


@dataclass(frozen=True, slots=True)
class Unloadable:
    """A task that could not be tested, because it cannot be loaded."""

    task: str
    error: RatchetError


def to_xml(reports: Sequence[TestReport | Unloadable], at: datetime | None = None) -> str:
    """Return the XML document: one test suite for each task. A task that cannot be loaded is a suite with one error."""
    moment = (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S")
    root = Element("testsuites", name="ratchet")
    for report in reports:
        root.append(_broken(report, moment) if isinstance(report, Unloadable) else _suite(report, moment))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in root):.3f}")
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(report: TestReport, moment: str) -> Element:
    suite = Element("testsuite", name=_clean(report.task), timestamp=moment, time=_seconds(report.duration_ms))
    if report.coverage is not None:
        properties = SubElement(suite, "properties")
        SubElement(properties, "property", name="coverage.percent", value=f"{report.coverage.percent:g}")
    for result in report.results:
        suite.append(_case(report.task, result))
    suite.set("tests", str(len(report.results)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    return suite


def _case(task: str, result: TestResult) -> Element:
    case = Element("testcase", classname=_clean(task), name=_clean(result.name), time=_seconds(result.duration_ms))
    if result.state == "not_run":
        SubElement(case, "skipped", message=_clean(result.note or "not run"))
    elif result.state == "failed":
        ended_in_error = result.error is not None and result.case.expected_error is None and not result.case.should_fail
        kind = str(result.error["code"]) if ended_in_error and result.error else "mismatch"
        message = "; ".join(f"{each.path}: {each.message}" for each in result.differences) or str((result.error or {}).get("message", ""))
        trouble = SubElement(case, "error" if ended_in_error else "failure", type=kind, message=_clean(message))
        trouble.text = _clean(_detail(result))
    if result.lines:
        SubElement(case, "system-out").text = _clean("\n".join(f"[{line.level}] {line.message}" for line in result.lines))
    return case


def _broken(task: Unloadable, moment: str) -> Element:
    suite = Element("testsuite", name=_clean(task.task), timestamp=moment, time="0.000")
    suite.attrib |= {"tests": "1", "failures": "0", "errors": "1", "skipped": "0"}
    case = SubElement(suite, "testcase", classname=_clean(task.task), name="the task can be loaded", time="0.000")
    trouble = SubElement(case, "error", type=task.error.code, message=_clean(task.error.message))
    listed = task.error.details.get("problems", ())
    trouble.text = _clean("\n".join(f"{each.get('file', '')} {each.get('path', '')}: {each.get('message', '')}" for each in listed))
    return suite


def _detail(result: TestResult) -> str:
    lines = [f"{each.path}: {each.message}" for each in result.differences]
    if result.diff:
        lines += ["", result.diff]
    if result.error:
        error = from_dict(result.error)
        lines += ["", f"{error.code}: {error.message}", str(error.details.get("frame") or "")]
    return "\n".join([*lines, result.note or ""]).strip()


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f}"


def _clean(text: str) -> str:
    """Write what XML cannot hold as the number of the character."""
    return _NOT_XML.sub(lambda found: f"\\x{ord(found.group()):02x}", text)
