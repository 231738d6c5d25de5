"""The files of a task that is being made: written from what an author gives, from a task that exists, or from both."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ratchet_mcp.errors import InvalidArgument, TaskInvalid
from ratchet_mcp.tasks.files import CODE_FILES, METADATA_FILES, TaskFiles
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.loading import load_files
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.reading import ReadError, read_json

if TYPE_CHECKING:
    from ratchet_mcp.settings import Limits
    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.tasks.testcase import TestCase

Texts = dict[str, str]
"""The files of a task by their paths, as `store.authored` keeps them."""
METADATA, CODE = METADATA_FILES[0], CODE_FILES[0]
SCHEMAS = {"input_schema": "input.schema.json", "output_schema": "output.schema.json"}
NOT_EXPOSED = "none"
"""What an author gives as `expose` to take it out."""
_KEPT = ("title", "description", "tags", "timeout_seconds", "expose", "annotations", "network", "cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an author gives; what is None is not given. Schemas and tests may be JSON values or their text."""

    description: str | None = None
    code: str | None = None
    input_schema: Any = None
    output_schema: Any = None
    tests: Any = None
    tags: Sequence[str] | None = None
    title: str | None = None
    timeout_seconds: float | None = None
    expose: str | None = None
    annotations: Mapping[str, Any] | None = None
    network: Mapping[str, Any] | None = None
    cache: Mapping[str, Any] | None = None

    @property
    def given(self) -> frozenset[str]:
        """Return the names of the parts that are given."""
        return frozenset(each.name for each in fields(self) if getattr(self, each.name) is not None)


def written(value: Any) -> str:
    """Write JSON as the files of a task hold it. Raises `InvalidArgument` when it is nested too deeply to be written."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    except RecursionError:
        raise InvalidArgument("This is nested too deeply to be written as JSON.", hint="Flatten the schema or the test.") from None
    return text if is_unicode(text) else json.dumps(value, indent=2) + "\n"


def is_unicode(text: str) -> bool:
    """Tell whether a text can be written as UTF-8: it has no unpaired surrogate."""
    return text.isascii() or not re.search("[\ud800-\udfff]", text)


# ---------------------------------------------------------------- from a task
def texts_of(task: Task) -> Texts:
    """Return the files of a task in today's layout, always the same for the same task."""
    metadata = {"uuid": str(task.uuid), "name": task.name, "version": task.version}
    metadata |= {key: value for key, value in task.metadata.items() if key not in metadata}
    return {
        METADATA: written(metadata),
        CODE: task.source,
        SCHEMAS["input_schema"]: written(task.input_schema),
        SCHEMAS["output_schema"]: written(task.output_schema),
        **_kept_tests(task.tests),
    }


def _kept_tests(cases: Sequence[TestCase]) -> Texts:
    """Leave test cases in their files where each has one of its own."""
    own = len({case.file for case in cases}) == len(cases) and all(case.file.startswith("tests/") for case in cases)
    return {case.file: written(case.to_dict()) for case in cases} if own else _tests_of([case.to_dict() for case in cases])


def _tests_of(cases: Sequence[Any]) -> Texts:
    """Give each test case a file of its own, called after the test and numbered, so that their order stays."""
    texts: Texts = {}
    for number, case in enumerate(cases, 1):
        name = case.get("name") if is_object(case) else None
        stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] if isinstance(name, str) else ""
        place = f"{number:0{len(str(len(cases)))}}-" if len(cases) > 1 else ""
        texts[f"tests/{place}{stem or 'test'}.json"] = written(case)
    return texts


# ---------------------------------------------------------------- with what an author gives
def changed(base: Texts, parts: Parts, identity: Mapping[str, str], problems: Problems) -> Texts:
    """Put what is given into the files of a task; all else stays to the letter. `identity` is put into the metadata first."""
    texts = dict(base)
    metadata = json.loads(texts.get(METADATA, "{}"))
    given = {key: getattr(parts, key) for key in _KEPT if getattr(parts, key) is not None}
    if "title" in given:
        metadata.pop("label", None)
    if given.get("expose") == NOT_EXPOSED:
        metadata.pop("expose", None)
        del given["expose"]
    texts[METADATA] = written({**metadata, **identity, **given})
    if parts.code is not None:
        texts[CODE] = parts.code
    for part, file in SCHEMAS.items():
        value = getattr(parts, part)
        if value is not None:
            texts[file] = value if isinstance(value, str) else written(value)
    if parts.tests is not None:
        texts = {path: text for path, text in texts.items() if not path.startswith("tests/")}
        texts |= _given_tests(parts.tests, problems)
    return texts


def without(texts: Texts, key: str) -> Texts:
    """Take a key out of the metadata."""
    metadata = json.loads(texts[METADATA])
    metadata.pop(key, None)
    return {**texts, METADATA: written(metadata)}


def _given_tests(tests: Any, problems: Problems) -> Texts:
    if isinstance(tests, str):
        try:
            tests = read_json(tests)
        except ReadError as error:
            problems.add("tests", error.message, path="$", line=error.line, column=error.column)
            return {}
    if is_object(tests):
        tests = tests.get("tests", [tests])
    if not is_array(tests):
        problems.add("tests", "tests is a list of test cases", path="$")
        return {}
    return _tests_of(tests)


def is_plain(texts: Texts) -> bool:
    """Tell whether files have today's layout, with schemas in files of their own."""
    if not {METADATA, CODE, *SCHEMAS.values()} <= texts.keys() or any(name in texts for name in (*METADATA_FILES[1:], CODE_FILES[1])):
        return False
    try:
        metadata = read_json(texts[METADATA])
    except ReadError:
        return False
    return is_object(metadata) and not {"input_schema", "output_schema", "tests"} & metadata.keys()


def to_files(name: str, texts: Texts, problems: Problems) -> TaskFiles:
    """Encode texts; what is no Unicode, or holds what no database keeps, is noted."""
    files = TaskFiles(name)
    for path, text in texts.items():
        if not is_unicode(text):
            problems.add(path, "an unpaired surrogate: the text is not valid Unicode", line=_line_of(text, "[\ud800-\udfff]"))
        elif "\0" in text:
            problems.add(path, "the text holds the character U+0000", line=_line_of(text, "\0"))
        files.contents[path] = text.encode("utf-8", "replace").replace(b"\0", b" ")
    return files


def _line_of(text: str, expression: str) -> int:
    found = re.search(expression, text)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def checked(name: str, texts: Texts, problems: Problems, limits: Limits, location: str) -> Task:
    """Load the task that the files make. Raises `TaskInvalid` that lists what is in `problems` and all that loading finds."""
    files = to_files(name, texts, problems)
    try:
        task = load_files(files, origin="database", location=location, limits=limits)
    except TaskInvalid as error:
        problems.found += [each for each in error.details.get("problems", ()) if each not in problems.found]
        raise problems.error(f"The task {name[:80]!r}", location) from None
    if problems:
        raise problems.error(f"The task {name[:80]!r}", location)
    return task
