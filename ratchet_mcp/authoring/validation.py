"""Checks tasks, saved or not: everything that is wrong or doubtful, at once, with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from ratchet_mcp.authoring.destinations import check_delivery
from ratchet_mcp.authoring.drafts import CODE, METADATA, SCHEMAS, Parts, Texts, changed, to_files, written
from ratchet_mcp.authoring.findings import Finding, finding, of_problem
from ratchet_mcp.authoring.lint.checks import MAX_FINDINGS, lint
from ratchet_mcp.errors import OutputInvalid, RatchetError, TaskInvalid, TaskSyntaxError
from ratchet_mcp.security.principal import LOCAL, Principal
from ratchet_mcp.tasks.files import CODE_FILES, METADATA_FILES, SCHEMA_FILES, TaskFiles, read_files
from ratchet_mcp.tasks.loading import load_files
from ratchet_mcp.tasks.problems import Problems

if TYPE_CHECKING:
    from ratchet_mcp.execution.service import Executions
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.settings import Limits, Settings
    from ratchet_mcp.store.store import Store
    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.testing.report import TestResult

UNSAVED = "unsaved"
TEST_SECONDS = 20.0
"""How long the tests of a validation may take together."""
_COMPLETENESS = frozenset({"missing-description", "short-description", "missing-tests", "missing-schema", "undescribed-properties"})
_PLACE = re.compile(r"database:(?P<name>[a-z0-9_-]+)@(?P<version>\S+)")


@dataclass(frozen=True)
class Report:
    """What was found. The task is None when it cannot run; `tests` tells how many passed of how many, when they ran."""

    findings: list[Finding]
    task: Task | None = None
    tests: tuple[int, int] | None = None
    form: str | None = None
    notes: list[str] = field(default_factory=list[str])

    @property
    def valid(self) -> bool:
        """Tell whether nothing of what was found is an error."""
        return not any(each.severity == "error" for each in self.findings)

    def count(self, severity: str) -> int:
        """Return how many findings there are of a severity."""
        return sum(1 for each in self.findings if each.severity == severity)


class Validation:
    """Checks tasks of the catalog, and code that is not saved anywhere."""

    def __init__(self, catalog: Catalog, store: Store, executions: Executions, settings: Settings) -> None:
        self._catalog, self._store, self._executions, self._settings = catalog, store, executions, settings

    async def saved(self, reference: str, *, run_tests: bool = False, principal: Principal = LOCAL) -> Report:
        """Check a task of the catalog. Raises `TaskNotFound` and the like; a broken task is a report, not an error."""
        try:
            task = await self._catalog.resolve(reference, disabled=True)
        except (TaskInvalid, TaskSyntaxError) as error:
            texts = await self._texts(str(error.details.get("location", "")))
            return await anyio.to_thread.run_sync(partial(_broken, error, texts, self._settings.limits))
        texts = await self._texts(str(task.location))
        found = await anyio.to_thread.run_sync(lint, task, texts)
        found += await anyio.to_thread.run_sync(check_delivery, task, texts, self._settings)
        return await self._tested(Report(found, task, form=task.code.form), run_tests, principal)

    async def unsaved(self, name: str | None, parts: Parts, *, run_tests: bool = False, principal: Principal = LOCAL) -> Report:
        """Check code, schemas and tests as create_task would get them; only the code is needed."""
        report = await anyio.to_thread.run_sync(_check_parts, name, parts, self._settings.limits)
        return await self._tested(report, run_tests, principal)

    async def _tested(self, report: Report, run_tests: bool, principal: Principal) -> Report:
        """Run the tests of a sound task, and add what they say."""
        if not run_tests or report.task is None or not report.task.tests:
            return report
        from ratchet_mcp.testing.runner import Testing

        testing = Testing(self._catalog, self._executions, self._settings)
        outcome = await testing.run(report.task, principal=principal, seconds=TEST_SECONDS)
        wrong = [_of_result(result) for result in outcome.results if result.state == "failed"]
        missed = outcome.count("not_run")
        notes = [f"{missed} tests did not run: {TEST_SECONDS:g} seconds were up."] if missed else []
        return Report([*wrong, *report.findings][:MAX_FINDINGS], report.task, (outcome.passed, len(outcome.results)), report.form, notes)

    async def _texts(self, location: str) -> Texts:
        """Return the files of a saved task as they were written, as far as they are at hand."""
        kept = _PLACE.fullmatch(location)
        if kept:
            record = await self._store.authored.get(kept["name"], kept["version"])
            return dict(record.files) if record is not None else {}
        return await anyio.to_thread.run_sync(_texts_on_disk, location, self._settings.limits)


def _texts_on_disk(location: str, limits: Limits) -> Texts:
    path = Path(location)
    if not location or not path.is_absolute() or not path.exists():
        return {}
    return texts_of_files(read_files(path, Problems(), limits))


def texts_of_files(files: TaskFiles) -> Texts:
    """Return files as texts, in so far as they are texts."""
    return {path: data.decode("utf-8", "replace") for path, data in files.contents.items()}


def _of_result(result: TestResult) -> Finding:
    file = result.case.file or "tests"
    error = result.error or {}
    advice = "test_task shows expected and actual output; debug_task shows the values on the way."
    if error.get("code") == OutputInvalid.code:
        message = f"test {result.name[:80]!r}: {error.get('message', '')}"
        return finding("test-output-invalid", file, message, suggestion="Change what is returned, or the output schema.")
    first = result.differences[0] if result.differences else None
    message = f"test {result.name[:80]!r} failed" + (f": {first.path}: {first.message}" if first else "")
    return finding("test-failed", file, message, suggestion=advice)


# ---------------------------------------------------------------- in a thread
def check_files(files: TaskFiles, limits: Limits, location: str) -> Report:
    """Check the files of a task that is not in the catalog."""
    texts = texts_of_files(files)
    try:
        task = load_files(files, origin=UNSAVED, location=location, limits=limits)
    except TaskInvalid as error:
        return _broken(error, texts, limits)
    return Report(lint(task, texts), task, form=task.code.form)


def _check_parts(name: str | None, parts: Parts, limits: Limits) -> Report:
    problems = Problems()
    base = {METADATA: "{}", CODE: "", **dict.fromkeys(SCHEMAS.values(), "{}\n")}
    if "code" not in parts.given:
        problems.add(CODE, "code is missing", path="$.code")
    texts = changed(base, parts, {"name": UNSAVED if name is None else name}, problems)
    files = to_files(name or UNSAVED, texts, problems)
    shown = _as_given(texts, parts)
    try:
        task = load_files(files, origin=UNSAVED, location=UNSAVED, limits=limits)
    except TaskInvalid as error:
        error.details["problems"] = [*problems.found, *error.details.get("problems", ())]
        return _without_unasked(_broken(error, shown, limits, texts), parts)
    if problems:
        return Report([of_problem(each, shown) for each in problems.found])
    return _without_unasked(Report(lint(task, shown), task, form=task.code.form), parts)


def _as_given(texts: Texts, parts: Parts) -> Texts:
    """Return the files whose text is the author's own: what we wrote has no lines that mean anything to them."""
    own = {CODE, *(file for part, file in SCHEMAS.items() if isinstance(getattr(parts, part), str))}
    return {path: text if path in own else "" for path, text in texts.items()}


def _without_unasked(report: Report, parts: Parts) -> Report:
    """Leave out what is missing only because it was not given."""
    unasked = {"missing-description", "short-description"} if parts.description is None else set[str]()
    unasked |= {"missing-tests"} if parts.tests is None else set()
    ungiven = {file for part, file in SCHEMAS.items() if part not in parts.given}
    kept = [each for each in report.findings if each.code not in unasked and not (each.code == "missing-schema" and each.file in ungiven)]
    return Report(kept, report.task, report.tests, report.form, report.notes)


def _broken(error: RatchetError, shown: Mapping[str, str], limits: Limits, texts: Mapping[str, str] | None = None) -> Report:
    """Report what is wrong, and lint what is sound all the same."""
    problems = Problems()
    problems.add_error(error, CODE)
    found = [of_problem(each, shown) for each in problems.found]
    bad = {each.file for each in found}
    doubtful = _lint_the_rest(dict(shown if texts is None else texts), bad, shown, limits)
    return Report([*found, *(each for each in doubtful if each.code not in _COMPLETENESS)][:MAX_FINDINGS])


def _lint_the_rest(texts: Texts, bad: set[str], shown: Mapping[str, str], limits: Limits) -> list[Finding]:
    """Lint a task whose broken files are replaced by empty ones; nothing when its code is broken."""
    code = [name for name in CODE_FILES if name in texts]
    if len(code) != 1 or code[0] in bad:
        return []
    sound = {path: text for path, text in texts.items() if path not in bad}
    if not any(name in sound for name in METADATA_FILES):
        sound[METADATA] = written({"name": UNSAVED})
        sound |= {name: "{}" for name in SCHEMA_FILES if name not in sound}
    try:
        files = to_files(UNSAVED, sound, Problems())
        return lint(load_files(files, origin=UNSAVED, location=UNSAVED, limits=limits), shown)
    except RatchetError:
        return []
