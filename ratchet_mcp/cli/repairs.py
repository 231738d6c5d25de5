"""What `ratchet validate --fix` can repair in the files of a task: only what has one right answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from ratchet_mcp.cli.inferring import infer
from ratchet_mcp.cli.jsonc import Document
from ratchet_mcp.cli.tolerant_json import strict_json
from ratchet_mcp.tasks.files import CODE_FILES, METADATA_FILES, SCHEMA_FILES, TaskFiles
from ratchet_mcp.tasks.json_values import is_object
from ratchet_mcp.tasks.metadata import DEFAULT_VERSION, INLINE_KEYS, KEYS, NAME, name_of_folder, uuid_of_name
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.reading import ReadError, read_json, read_yaml
from ratchet_mcp.tasks.testcase import KEYS as TEST_KEYS
from ratchet_mcp.tasks.testcase import read_tests
from ratchet_mcp.tasks.versions import is_version

METADATA = METADATA_FILES[0]


@dataclass(slots=True)
class Repairs:
    """The texts of a task's files, before and after, and what was done to each."""

    before: dict[str, str]
    after: dict[str, str] = field(default_factory=dict[str, str])
    done: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def changed(self) -> list[str]:
        """Return the files that differ, in order."""
        return sorted(file for file, text in self.after.items() if text != self.before.get(file))

    def put(self, file: str, text: str, *what: str) -> None:
        """Note the new text of a file and what was done to it."""
        self.after[file] = text
        self.done.setdefault(file, []).extend(what)


def repair(files: TaskFiles) -> Repairs:
    """Return what can be repaired. Files that are no UTF-8 are left alone."""
    texts: dict[str, str] = {}
    for path, data in files.contents.items():
        try:
            texts[path] = data.decode("utf-8")
        except UnicodeDecodeError:
            continue
    repairs = Repairs(texts, dict(texts))
    for path in sorted(texts):
        if path.endswith(".json"):
            text, done = strict_json(texts[path])
            repairs.put(path, text, *done)
        elif texts[path].startswith("\ufeff"):
            repairs.put(path, texts[path].removeprefix("\ufeff"), "took the byte order mark away")
    _metadata(files, repairs)
    for path in sorted(texts):
        if path.startswith("tests/"):
            _rename_keys(repairs, path, TEST_KEYS)
    _schemas(repairs)
    return repairs


# ---------------------------------------------------------------- metadata
def _metadata(files: TaskFiles, repairs: Repairs) -> None:
    file = next((name for name in METADATA_FILES if name in files.contents), None)
    if file is None and any(name in files.contents for name in CODE_FILES):
        repairs.put(METADATA, "{}\n", "made the file")
        file = METADATA
    if file is None or file not in repairs.after:
        return
    if file != METADATA:
        _yaml(files, repairs, file)
        return
    _rename_keys(repairs, file, (*KEYS, *INLINE_KEYS))
    try:
        document = Document(repairs.after[file])
        raw = document.value
    except ReadError:
        return
    if not is_object(raw):
        return
    for key, value in _right_values(raw, files.name).items():
        document = document.put((key,), value)
        repairs.put(file, document.text, f"set {key}" if key not in raw else f"corrected {key}")


def _right_values(raw: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return the keys whose values are missing or can be written rightly."""
    right: dict[str, Any] = {}
    name = raw.get("name")
    wanted = name if isinstance(name, str) and NAME.fullmatch(name) else name_of_folder(name if isinstance(name, str) and name else folder)
    if name != wanted and NAME.fullmatch(wanted):
        right["name"] = wanted
    if (version := _version(raw.get("version"))) != raw.get("version") and version is not None:
        right["version"] = version
    if not _is_uuid(raw.get("uuid")) and NAME.fullmatch(wanted):
        right["uuid"] = str(uuid_of_name(wanted))
    tags = raw.get("tags")
    if isinstance(tags, str):
        right["tags"] = [tag for part in tags.split(",") if (tag := part.strip())]
    seconds = raw.get("timeout_seconds")
    if isinstance(seconds, str) and re.fullmatch(r"\s*\d{1,6}(\.\d{1,6})?\s*s?\s*", seconds):
        number = float(seconds.strip().rstrip("s"))
        right["timeout_seconds"] = int(number) if number.is_integer() else number
    return right


def _version(given: Any) -> str | None:
    """Return a version that is written rightly, or None when it cannot be known."""
    if given is None:
        return DEFAULT_VERSION
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    text = str(given).strip().removeprefix("v").removeprefix("V")
    if re.fullmatch(r"\d+(\.\d+)?", text):
        text += ".0" * (2 - text.count("."))
    return text if is_version(text) else None


def _is_uuid(value: Any) -> bool:
    from uuid import UUID

    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


def _yaml(files: TaskFiles, repairs: Repairs, file: str) -> None:
    """Add what is missing at the end; YAML that is wrong in another way is the author's to correct."""
    text = repairs.after[file]
    try:
        raw = read_yaml(text)
    except ReadError:
        return
    if not is_object(raw) or text.lstrip().startswith("{") or text.rstrip().endswith("..."):
        return
    missing = {key: value for key, value in _right_values(raw, files.name).items() if raw.get(key) is None and key not in raw}
    if missing:
        lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in missing.items())
        repairs.put(file, text.rstrip("\r\n") + "\n" + lines, *(f"set {key}" for key in missing))


# ---------------------------------------------------------------- keys
def _rename_keys(repairs: Repairs, file: str, known: tuple[str, ...]) -> None:
    """Correct keys that are one of the known ones in another spelling."""
    text = repairs.after[file]
    try:
        raw = read_json(text)
    except ReadError:
        return
    if not is_object(raw):
        return
    plain = {re.sub(r"[^a-z]", "", key): key for key in known}
    for key in list(raw):
        right = plain.get(re.sub(r"[^a-z]", "", key.lower())) if key not in known else None
        right = right or (_nearest(key, known) if key not in known else None)
        place = _key_place(text, key) if right is not None and right not in raw else None
        if right is not None and place is not None:
            text = text[: place[0]] + json.dumps(right) + text[place[1] :]
            raw[right] = raw.pop(key)
            repairs.put(file, text, f"wrote {right} for {key}")


def _nearest(key: str, known: tuple[str, ...]) -> str | None:
    """Return the known key that a misspelt one can only mean."""
    import difflib

    near = difflib.get_close_matches(key.lower(), known, 2, 0.8)
    return near[0] if len(near) == 1 else None


def _key_place(text: str, key: str) -> tuple[int, int] | None:
    """Return where a key of the outermost object stands."""
    decoder = json.JSONDecoder()
    space = re.compile(r"[\s,]*")
    position = text.index("{") + 1
    while True:
        position = _end(space, text, position)
        if text[position] == "}":
            return None
        found, after = decoder.raw_decode(text, position)
        if found == key:
            return position, after
        value = _end(re.compile(r"\s*:\s*"), text, after)
        _, position = decoder.raw_decode(text, value)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position


# ---------------------------------------------------------------- schemas
def _schemas(repairs: Repairs) -> None:
    """Write the schemas that are missing, as the tests show them."""
    inline: dict[str, Any] = {}
    for file in METADATA_FILES:
        if file in repairs.after:
            try:
                raw = read_json(repairs.after[file]) if file.endswith(".json") else read_yaml(repairs.after[file])
            except ReadError:
                return
            inline |= raw if is_object(raw) else {}
    inputs, outputs = _examples(repairs, inline)
    for file, key, values in zip(SCHEMA_FILES, ("input_schema", "output_schema"), (inputs, outputs), strict=True):
        if file not in repairs.after and key not in inline and values:
            text = json.dumps(infer(values), indent=2, ensure_ascii=False) + "\n"
            repairs.put(file, text, f"made the schema from {len(values)} tests")


def _examples(repairs: Repairs, inline: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Return the inputs and outputs that tests show; those of tests that fail say nothing."""
    problems = Problems()
    cases = read_tests(inline["tests"], METADATA, "test", problems) if "tests" in inline else []
    for path in sorted(repairs.after):
        if path.startswith("tests/"):
            try:
                cases += read_tests(read_json(repairs.after[path]), path, "test", problems)
            except ReadError:
                continue
    if problems:
        return [], []
    good = [case for case in cases if not case.should_fail and case.expected_error is None]
    return [case.input for case in good], [case.expected_output for case in good if case.has_output and case.match != "schema"]
