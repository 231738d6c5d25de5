"""Loads a task from a folder, a ZIP or files in memory, and makes one of code that is not saved anywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid5

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.files import CODE_FILES, METADATA_FILES, TaskFiles, read_files, take_files
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.metadata import Metadata, read_metadata, uuid_of_name
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.reading import ReadError, decode, read_json, read_yaml
from ratchet_mcp.tasks.testcase import TestCase, read_tests
from ratchet_mcp.tasks.violations import shown

UNSAVED_NAME = "<javascript>"


def load_task(path: Path, *, origin: str = "folder", limits: Limits | None = None, validate: bool = True) -> Task:
    """Load a task from a folder or a ZIP of either layout.

    With `validate` the code is parsed and both schemas are compiled; otherwise that happens on first use. Raises `TaskInvalid`, whose
    `details.problems` lists everything that is wrong.
    """
    problems = Problems()
    files = read_files(path, problems, limits or Limits())
    return _load(files, problems, origin, str(path), limits or Limits(), validate=validate)


def load_files(files: TaskFiles, *, origin: str, location: str, limits: Limits | None = None, validate: bool = True) -> Task:
    """Make a task of files that are in memory, with the same checks as `load_task`. `location` says where they came from.

    Files that do not belong to a task are ignored. Raises `TaskInvalid`.
    """
    problems = Problems()
    taken = take_files(files.name, files.contents, problems, limits or Limits())
    return _load(taken, problems, origin, location, limits or Limits(), validate=validate)


def _load(files: TaskFiles, problems: Problems, origin: str, location: str, limits: Limits, *, validate: bool) -> Task:
    blocked = bool(problems)
    metadata = _metadata(files, problems, limits, blocked=blocked)
    code_file, source = _source(files, problems, blocked=blocked)
    schemas = {kind: _schema(kind, files, metadata, problems) for kind in ("input", "output")}
    task = Task(
        uuid=metadata.uuid,
        name=metadata.name,
        version=metadata.version,
        title=metadata.title,
        description=metadata.description,
        source=source,
        input_schema=schemas["input"],
        output_schema=schemas["output"],
        tags=metadata.tags,
        tests=_tests(files, metadata, problems),
        code_file=code_file,
        origin=origin,
        location=location,
        digest=digest_of(source, schemas["input"], schemas["output"]),
        timeout_seconds=metadata.timeout_seconds,
        expose=metadata.expose,
        annotations=metadata.annotations,
        cache=metadata.cache,
        metadata=metadata.everything,
    )
    if validate:
        _validate(task, files, problems)
    if problems:
        raise problems.error(f"The task {files.name!r}", location)
    return task


def load_metadata(path: Path, limits: Limits) -> Metadata:
    """Read only the metadata of a task: enough to list it. Raises `TaskInvalid`."""
    problems = Problems()
    return _load_metadata(read_files(path, problems, limits, only=METADATA_FILES), problems, str(path), limits)


def load_metadata_of(files: TaskFiles, location: str, limits: Limits) -> Metadata:
    """Read only the metadata of a task whose files are in memory. Raises `TaskInvalid`."""
    problems = Problems()
    taken = take_files(files.name, files.contents, problems, limits, only=METADATA_FILES)
    return _load_metadata(taken, problems, location, limits)


def _load_metadata(files: TaskFiles, problems: Problems, location: str, limits: Limits) -> Metadata:
    metadata = _metadata(files, problems, limits, blocked=bool(problems))
    if problems:
        raise problems.error(f"The task {files.name!r}", location)
    return metadata


def make_unsaved(code: str, *, timeout_seconds: float | None = None, title: str = "JavaScript", limits: Limits | None = None) -> Task:
    """Make a task of code that was sent with a call; its schemas accept anything. Raises `TaskInvalid` when the code is too large."""
    problems = Problems()
    allowed = (limits or Limits()).source_bytes
    if len(code) > allowed or len(code.encode("utf-8", "surrogatepass")) > allowed:
        problems.add("main.js", f"the code is larger than {allowed} bytes")
        raise problems.error("The code", UNSAVED_NAME)
    digest = digest_of(code, {}, {})
    return Task(
        uuid=uuid5(uuid_of_name(UNSAVED_NAME), digest),
        name=UNSAVED_NAME,
        version="0.0.0",
        title=title,
        description="",
        source=code,
        input_schema={},
        output_schema={},
        digest=digest,
        timeout_seconds=timeout_seconds,
    )


def digest_of(source: str, input_schema: Mapping[str, Any], output_schema: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what influences a run: the code and both schemas."""
    parts = json.dumps([source, input_schema, output_schema], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(parts.encode()).hexdigest()


# ---------------------------------------------------------------- the parts
def _read(files: TaskFiles, file: str, problems: Problems) -> Any:
    """Return the parsed content of a JSON or YAML file, or None after noting what is wrong."""
    try:
        text = decode(files.contents[file])
        return read_json(text) if file.endswith(".json") else read_yaml(text)
    except ReadError as error:
        problems.add(file, error.message, line=error.line, column=error.column)
        return None


def _only_one(files: TaskFiles, names: tuple[str, ...], problems: Problems, *, blocked: bool) -> str | None:
    present = [name for name in names if name in files.contents]
    if len(present) > 1:
        problems.add(present[1], f"{present[0]} is there as well; keep one of them")
    if not present and not blocked:
        problems.add(names[0], f"the file is missing (or {' or '.join(names[1:])})")
    return present[0] if present else None


def _metadata(files: TaskFiles, problems: Problems, limits: Limits, *, blocked: bool) -> Metadata:
    file = _only_one(files, METADATA_FILES, problems, blocked=blocked)
    before = len(problems.found)
    raw = _read(files, file, problems) if file else None
    if raw is None:
        if file and len(problems.found) == before:
            problems.add(file, "the file is empty", path="$")
        return Metadata(uuid_of_name("unnamed"), "unnamed")
    return read_metadata(raw, file or METADATA_FILES[0], files.name, problems, limits)


def _source(files: TaskFiles, problems: Problems, *, blocked: bool) -> tuple[str, str]:
    file = _only_one(files, CODE_FILES, problems, blocked=blocked)
    if file is None:
        return CODE_FILES[0], ""
    try:
        return file, decode(files.contents[file])
    except ReadError as error:
        problems.add(file, error.message, line=error.line)
        return file, ""


def _schema(kind: str, files: TaskFiles, metadata: Metadata, problems: Problems) -> dict[str, Any]:
    """Return a schema from its file or from the metadata; a task without one accepts anything."""
    file, key = f"{kind}.schema.json", f"{kind}_schema"
    if file in files.contents and key in metadata.inline:
        problems.add(file, f"the metadata holds {key} as well; keep one of them")
    if file in files.contents:
        before = len(problems.found)
        schema = _read(files, file, problems)
        if len(problems.found) > before:
            return {}
    else:
        file, schema = _metadata_file(files), metadata.inline.get(key, {})
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    if not is_object(schema):
        problems.add(file, f"a schema is an object, got {shown(schema)}", path="$" if file.endswith("schema.json") else f"$.{key}")
        return {}
    return schema


def _metadata_file(files: TaskFiles) -> str:
    return next((name for name in METADATA_FILES if name in files.contents), METADATA_FILES[0])


def _tests(files: TaskFiles, metadata: Metadata, problems: Problems) -> tuple[TestCase, ...]:
    cases: list[TestCase] = []
    inline = metadata.inline.get("tests")
    if inline is not None:
        file = _metadata_file(files)
        if is_array(inline):
            cases += read_tests(inline, file, "test", problems, "$.tests")
        else:
            problems.add(file, f"tests is a list of test cases, got {shown(inline)}", path="$.tests")
    for file in files.tests():
        before = len(problems.found)
        raw = _read(files, file, problems)
        if len(problems.found) == before:
            cases += read_tests(raw, file, file.removeprefix("tests/").removesuffix(".json"), problems)
    return tuple(cases)


def _validate(task: Task, files: TaskFiles, problems: Problems) -> None:
    """Do now what otherwise happens on first use, and note what it says."""
    if any(file in files.contents for file in CODE_FILES) and not any(each["file"] == task.code_file for each in problems.found):
        try:
            _ = task.code
        except RatchetError as error:
            problems.add_error(error, task.code_file)
    from ratchet_mcp.tasks.schema_checks import check_schema

    for kind, schema in (("input", task.input_schema), ("output", task.output_schema)):
        file = f"{kind}.schema.json"
        if file in files.contents:
            problems.found += check_schema(schema, file)
        elif schema:
            for problem in check_schema(schema, _metadata_file(files)):
                problems.found.append({**problem, "path": f"$.{kind}_schema" + str(problem["path"])[1:]})
