"""Tasks leave as a ZIP or JSON and come back to the letter; what is wrong with an import changes nothing."""

from __future__ import annotations

import base64
import io
import json
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.authoring.bundles import ImportReport
from ratchet_mcp.authoring.drafts import Parts, texts_of
from ratchet_mcp.authoring.service import Authoring
from ratchet_mcp.errors import InvalidArgument, RatchetError, SourceFailed, TaskInvalid, TaskNotFound

from .conftest import GREET, Opening, greet

Members = dict[str, str | bytes]
META = {"uuid": "11111111-2222-4333-8444-555555555555", "name": "greet", "version": "1.0.0", "description": GREET["description"]}


def members(folder: str = "greet", code: str = GREET["code"], **metadata: Any) -> Members:
    return {
        f"{folder}/metadata.json": json.dumps({**META, **metadata}),
        f"{folder}/main.js": code,
        f"{folder}/input.schema.json": json.dumps(GREET["input_schema"]),
        f"{folder}/output.schema.json": json.dumps(GREET["output_schema"]),
        f"{folder}/tests/ada.json": json.dumps(GREET["tests"][0]),
    }


def zipped(*entries: Members | zipfile.ZipInfo, data: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in entries:
            if isinstance(each, zipfile.ZipInfo):
                archive.writestr(each, data)
            else:
                for name, content in each.items():
                    archive.writestr(name, content)
    return stream.getvalue()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def statuses(report: ImportReport) -> list[tuple[str | None, str]]:
    return [(each.task, each.status) for each in report.verdicts]


async def some_tasks(authoring: Authoring) -> None:
    await authoring.create("greet", greet(input_schema=json.dumps(GREET["input_schema"], indent=5)))
    await authoring.edit("greet", Parts(code="(input) => ({ text: `Hi ${input.name} \u2028 Ünï` })\r\n"), bump="minor")
    await authoring.create("mine", Parts(), template="csv")


# ---------------------------------------------------------------- out and in again
@pytest.mark.parametrize("format", ["zip", "json"])
async def test_what_was_exported_is_imported_to_the_letter(opening: Opening, format: Any) -> None:
    async with opening("one.db") as one, opening("two.db") as two:
        await some_tasks(one)
        export = await one.bundles.export(["greet@*", "mine"], format)
        assert export.tasks == ["greet@1.0.0", "greet@1.1.0", "mine@1.0.0"]
        report = await two.bundles.take(data=export.text())
        assert statuses(report) == [("greet@1.0.0", "imported"), ("greet@1.1.0", "imported"), ("mine@1.0.0", "imported")]
        there = {task.name + task.version: task.files for task in await two.store.authored.all()}
        assert there == {task.name + task.version: task.files for task in await one.store.authored.all()}
        assert (await two.bundles.export(["mine", "greet@*"], format)).data == export.data
        assert {status for _, status in statuses(await two.bundles.take(data=export.text()))} == {"unchanged"}


async def test_an_export_is_a_source_of_tasks_as_well(opening: Opening, tmp_path: Path) -> None:
    async with opening() as authoring:
        await some_tasks(authoring)
        (tmp_path / "col.zip").write_bytes((await authoring.bundles.export(["greet@*", "mine"])).data)
        (tmp_path / "single.zip").write_bytes((await authoring.bundles.export(["mine"])).data)
        digests = [(await authoring.catalog.resolve(name)).digest for name in ("greet@1.0.0", "greet@1.1.0", "mine")]
    for file, names in (("col.zip", ["greet@1.0.0", "greet@1.1.0", "mine"]), ("single.zip", ["mine"])):
        async with opening("other.db", sources=[{"name": "shared", "uri": str(tmp_path / file)}]) as other:
            assert other.catalog.problems == []
            assert [(await other.catalog.resolve(name)).digest for name in names] == digests[-len(names) :]


async def test_a_task_of_a_folder_is_exported_in_todays_layout_and_stays_the_same(opening: Opening, tmp_path: Path) -> None:
    folder = tmp_path / "tasks" / "old-one"
    folder.mkdir(parents=True)
    folder.joinpath("task.js").write_text("module.exports = { main: (input) => input }\n")
    folder.joinpath("meta.yaml").write_text(
        "label: Old\ndescription: A task in the one-file form.\nversion: 2.0.0\nauthor: {name: Ada}\n"
        "input_schema: {type: object}\ntests:\n  - {name: one, input: {}, expected: {}}\n  - {name: one, input: {a: 1}, mock: {http: []}}\n"
    )
    async with opening("a.db", sources=[{"name": "mine", "uri": str(tmp_path / "tasks")}]) as one, opening("b.db") as two:
        export = await one.bundles.export(["old-one"])
        await two.bundles.take(data=b64(export.data))
        old, new = await one.catalog.resolve("old-one"), await two.catalog.resolve("old-one")
        assert (new.uuid, new.digest, new.version, new.title, new.metadata["author"]) == (
            old.uuid,
            old.digest,
            "2.0.0",
            "Old",
            {"name": "Ada"},
        )
        assert [(case.name, case.input, case.mock) for case in new.tests] == [(case.name, case.input, case.mock) for case in old.tests]
        assert (await two.bundles.export(["old-one"])).data == export.data
        assert texts_of(new) == texts_of(await two.catalog.resolve("old-one"))


async def test_what_is_exported_must_be_there(authoring: Authoring) -> None:
    await some_tasks(authoring)
    with pytest.raises(TaskNotFound):
        await authoring.bundles.export(["mine", "your"])
    with pytest.raises(TaskNotFound):
        await authoring.bundles.export(["your@*"])


async def test_a_zip_of_one_task_and_a_plain_json_are_imported(authoring: Authoring) -> None:
    root = {name.removeprefix("greet/"): content for name, content in members().items()}
    assert statuses(await authoring.bundles.take(data="data:application/zip;base64," + b64(zipped(root)))) == [("greet@1.0.0", "imported")]
    files = {name.removeprefix("greet/"): content for name, content in members(name="other", uuid=None).items()}
    assert statuses(await authoring.bundles.take(data={"files": files})) == [("other@1.0.0", "imported")]
    files["metadata.json"] = json.dumps({"name": "third"})
    assert statuses(await authoring.bundles.take(data=[{"files": files}])) == [("third@0.1.0", "imported")]


# ---------------------------------------------------------------- conflicts
async def conflicted(authoring: Authoring, on_conflict: Any, **metadata: Any) -> ImportReport:
    """Have greet@1.0.0 and import another one."""
    await authoring.bundles.take(data=b64(zipped(members())))
    return await authoring.bundles.take(data=b64(zipped(members(code="(input) => ({ text: 'new' })", **metadata))), on_conflict=on_conflict)


async def test_a_version_that_is_taken_is_an_error_unless_one_says_otherwise(authoring: Authoring) -> None:
    report = await conflicted(authoring, "error")
    assert report.failed and report.verdicts[0].error is not None
    assert report.verdicts[0].error["code"] == "task_exists"
    assert (await authoring.catalog.resolve("greet")).source == GREET["code"]


@pytest.mark.parametrize(
    ("on_conflict", "imported", "was"),
    [
        ("skip", None, None),
        ("overwrite", "greet@1.0.0", None),
        ("new_version", "greet@1.0.1", "greet@1.0.0"),
        ("rename", "greet-2@1.0.0", "greet@1.0.0"),
    ],
)
async def test_a_version_that_is_taken_is_handled_as_asked(
    authoring: Authoring, on_conflict: Any, imported: str | None, was: str | None
) -> None:
    [verdict] = (await conflicted(authoring, on_conflict)).verdicts
    if imported is None:
        assert verdict.status == "skipped"
    else:
        assert (verdict.status, verdict.task, verdict.was) == ("imported", imported, was)
        assert (await authoring.catalog.resolve(imported)).source == "(input) => ({ text: 'new' })"
    same = await authoring.catalog.resolve("greet@1.0.0")
    assert (same.source == GREET["code"]) == (on_conflict != "overwrite")
    uuids = {str(authoring.catalog.summary(name).uuid) for name in ("greet", imported or "greet")}
    assert len(uuids) == (2 if on_conflict == "rename" else 1)
    assert authoring.catalog.problems == [each for each in authoring.catalog.problems if each.warning]


@pytest.mark.parametrize("on_conflict", ["error", "skip", "overwrite", "new_version", "rename"])
async def test_a_name_of_another_task_never_means_two_tasks(authoring: Authoring, on_conflict: Any) -> None:
    report = await conflicted(authoring, on_conflict, version="2.0.0", uuid="99999999-2222-4333-8444-555555555555")
    expected = {"error": ("greet@2.0.0", "failed"), "skip": ("greet@2.0.0", "skipped"), "rename": ("greet-2@2.0.0", "imported")}
    assert statuses(report) == [expected.get(on_conflict, ("greet@2.0.0", "imported"))]
    await authoring.catalog.resolve("greet")


@pytest.mark.parametrize("on_conflict", ["error", "skip", "overwrite", "new_version", "rename"])
async def test_a_uuid_of_another_task_is_never_taken(authoring: Authoring, on_conflict: Any) -> None:
    report = await conflicted(authoring, on_conflict, name="salute")
    expected = {"error": ("salute@1.0.0", "failed"), "skip": ("salute@1.0.0", "skipped")}
    assert statuses(report) == [expected.get(on_conflict, ("salute@1.0.0", "imported"))]
    assert authoring.catalog.problems == []


async def test_all_versions_of_a_task_are_renamed_together(authoring: Authoring) -> None:
    await authoring.bundles.take(data=b64(zipped(members())))
    both = {**members("a", code="() => ({ text: 'a' })"), **members("b", code="() => ({ text: 'b' })", version="2.0.0")}
    report = await authoring.bundles.take(data=b64(zipped(both)), on_conflict="rename")
    assert statuses(report) == [("greet-2@1.0.0", "imported"), ("greet-2@2.0.0", "imported")]
    assert authoring.catalog.versions("greet-2") == ["2.0.0", "1.0.0"]


async def test_a_task_of_a_folder_is_not_overwritten(opening: Opening, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(zipped(members()))).extractall(tmp_path / "mine")
    async with opening(sources=[{"name": "mine", "uri": str(tmp_path / "mine")}]) as authoring:
        assert statuses(await authoring.bundles.take(data=b64(zipped(members())))) == [("greet@1.0.0", "unchanged")]
        report = await authoring.bundles.take(data=b64(zipped(members(code="() => ({ text: '' })"))), on_conflict="overwrite")
        assert report.verdicts[0].error is not None and report.verdicts[0].error["code"] == "task_read_only"


# ---------------------------------------------------------------- all or nothing
async def test_one_task_that_is_wrong_keeps_the_others_out(authoring: Authoring) -> None:
    mixed = {
        **members("good", name="good"),
        **members("bad", code="(", name="bad", uuid=None),
        **members("odd", name="Odd Name", uuid=None),
    }
    report = await authoring.bundles.take(data=b64(zipped(mixed, {"stray/main.js": "x"})))
    assert [(each.place, each.status) for each in report.verdicts] == [
        ("bad", "failed"),
        ("good", "withheld"),
        ("odd", "failed"),
        ("stray", "failed"),
    ]
    assert all(each.error for each in report.verdicts if each.status == "failed")
    assert await authoring.store.authored.all() == []


async def test_a_dry_run_tells_and_writes_nothing(authoring: Authoring) -> None:
    report = await authoring.bundles.take(data=b64(zipped(members())), dry_run=True)
    assert statuses(report) == [("greet@1.0.0", "withheld")]
    assert await authoring.store.authored.all() == []


async def test_two_tasks_of_one_import_must_not_be_the_same(authoring: Authoring) -> None:
    for both in (
        {**members("a"), **members("b")},
        {**members("a"), **members("b", version="2.0.0", uuid="99999999-2222-4333-8444-555555555555")},
        {**members("a"), **members("b", name="other")},
    ):
        report = await authoring.bundles.take(data=b64(zipped(both)))
        assert [status for _, status in statuses(report)] == ["withheld", "failed"]
    assert await authoring.store.authored.all() == []


# ---------------------------------------------------------------- hostile data
def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("greet/evil.json")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    "data",
    [
        "",
        "not base64!",
        b64(b"plain text"),
        b64(b"PK\3\4 broken"),
        b64(zipped({"readme.txt": "no task"})),
        b64(zipped({**members(), "../../evil.js": "x"})),
        b64(zipped({**members(), "/etc/evil": "x"})),
        b64(zipped({**members(), "greet\\evil": "x"})),
        b64(zipped({**members(), "greet/a\u202eb": "x"})),
        b64(zipped(members(), link(), data=b"/etc/passwd")),
        b64(zipped({**members(), "greet/tests/bomb.json": b" " * (40 << 20)})),
        "{",
        "[]",
        '{"tasks": []}',
        '{"tasks": {}}',
        '{"format": "other", "tasks": [{"files": {}}]}',
        "[" * 100_000,
        5,
        None,
        {"name": "x"},
        [{}] * 501,
    ],
)
async def test_what_is_no_bundle_is_one_clear_error(authoring: Authoring, data: Any) -> None:
    with pytest.raises((InvalidArgument, TaskInvalid)) as caught:
        await authoring.bundles.take(data=data)
    assert caught.value.message and caught.value.hint
    assert await authoring.store.authored.all() == []


@pytest.mark.parametrize(
    "files",
    [
        {"metadata.json": 5},
        {"main.js": "() => 1"},
        {"metadata.json": '{"name": "x"}', "main.js": "\ud800"},
        {"metadata.json": '{"name": "x"}', "main.js": "() => '\0'"},
        {"metadata.json": '{"name": "a\u202eb"}', "main.js": "() => 1"},
        {"metadata.json": '{"name": "x"}', "main.js": "() => 1", "tests/\u202e.json": "{}"},
        {"metadata.json": '{"name": "x"}', "main.js": "() => 1", "input.schema.json": '{"$ref": "https://example.com/x"}'},
        {"metadata.json": '{"name": "x"}', "main.js": "() => 1", "meta.yaml": "name: x"},
    ],
)
async def test_a_task_of_a_bundle_that_is_wrong_is_a_verdict(authoring: Authoring, files: Any) -> None:
    report = await authoring.bundles.take(data={"tasks": [{"files": files}]})
    assert [status for _, status in statuses(report)] == ["failed"]
    assert await authoring.store.authored.all() == []


async def test_paths_of_a_bundle_that_lead_elsewhere_are_ignored(authoring: Authoring) -> None:
    files = {"metadata.json": '{"name": "x"}', "main.js": "() => 1", "../../evil.js": "x", "/etc/evil": "x", "tests/../../e.json": "{}"}
    await authoring.bundles.take(data={"folder": "../..", "files": files})
    [task] = await authoring.store.authored.all()
    assert set(task.files) <= {"metadata.json", "main.js", "input.schema.json", "output.schema.json"}


async def test_a_zip_that_claims_to_be_huge_is_refused_before_it_is_unpacked(authoring: Authoring) -> None:
    data = bytearray(zipped({**members(), "greet/tests/big.json": b" " * 100_000}))
    at = data.find(b"PK\1\2", data.find(b"PK\1\2") + 1)
    while data[at + 46 : at + 46 + 20] != b"greet/tests/big.json":
        at = data.find(b"PK\1\2", at + 1)
    data[at + 24 : at + 28] = (2 << 30).to_bytes(4, "little")
    with pytest.raises(RatchetError):
        await authoring.bundles.take(data=b64(bytes(data)))


# ---------------------------------------------------------------- from a file or an address
async def test_a_file_is_read_only_where_the_settings_allow_it(opening: Opening, tmp_path: Path) -> None:
    shared, secret = tmp_path / "shared", tmp_path / "secret"
    shared.mkdir(), secret.mkdir()
    (shared / "greet.zip").write_bytes(zipped(members()))
    (secret / "greet.zip").write_bytes(zipped(members()))
    (shared / "link.zip").symlink_to(secret / "greet.zip")
    async with opening(import_from=[str(shared)]) as authoring:
        answers: set[str] = set()
        for uri in (secret / "greet.zip", secret / "none.zip", shared / "link.zip", shared / "../secret/greet.zip", Path("/etc/passwd")):
            with pytest.raises(InvalidArgument) as caught:
                await authoring.bundles.take(uri=str(uri))
            answers.add(caught.value.message)
        assert answers == {"Importing this file is not allowed."}
        with pytest.raises(InvalidArgument, match=r"no file none\.zip"):
            await authoring.bundles.take(uri=str(shared / "none.zip"))
        with pytest.raises(InvalidArgument, match="no file"):
            await authoring.bundles.take(uri=str(shared))
        report = await authoring.bundles.take(uri=(shared / "greet.zip").as_uri())
        assert statuses(report) == [("greet@1.0.0", "imported")]


async def test_no_file_is_read_by_default_and_no_private_address(authoring: Authoring, tmp_path: Path) -> None:
    (tmp_path / "greet.zip").write_bytes(zipped(members()))
    for uri in (str(tmp_path / "greet.zip"), "ftp://example.com/x", "http://example.com/x.zip", "git+https://example.com/x"):
        with pytest.raises(InvalidArgument):
            await authoring.bundles.take(uri=uri)
    for uri in ("https://127.0.0.1:9/x.zip", "https://localhost:9/x.zip", "https://[::1]:9/x.zip", "https://user:secret@127.0.0.1:9/x"):
        with pytest.raises(SourceFailed) as caught:
            await authoring.bundles.take(uri=uri)
        assert "secret" not in str(caught.value.to_dict())


async def test_a_zip_of_two_gigabytes_is_refused(opening: Opening, tmp_path: Path) -> None:
    with (tmp_path / "huge.zip").open("wb") as stream:
        stream.write(b"PK\3\4")
        stream.truncate(2 << 30)
    async with opening(import_from=[str(tmp_path)]) as authoring:
        with pytest.raises(InvalidArgument, match="larger than 48 MiB"):
            await authoring.bundles.take(uri=str(tmp_path / "huge.zip"))


class Files(BaseHTTPRequestHandler):
    """Serves one ZIP under /shared/."""

    def do_GET(self) -> None:
        found = self.path == "/shared/greet.zip"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(WEB_ZIP) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(WEB_ZIP)

    def log_message(self, format: str, *args: Any) -> None:
        pass


WEB_ZIP = zipped(members(expose="tool"))


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_an_address_that_the_settings_name_is_imported_and_its_task_is_no_tool(opening: Opening, web: str) -> None:
    async with opening(import_from=[f"{web}/shared"]) as authoring:
        [verdict] = (await authoring.bundles.take(uri=f"{web}/shared/greet.zip")).verdicts
        assert (verdict.status, authoring.catalog.summary("greet").expose) == ("imported", None)
        assert "expose" in (verdict.message or "")
        with pytest.raises(SourceFailed, match="404"):
            await authoring.bundles.take(uri=f"{web}/shared/none.zip")
        for uri in (f"{web}/other/greet.zip", f"{web}/shared/../other.zip", f"{web}/shared/%2e%2e/other.zip", f"{web}/sharedother.zip"):
            with pytest.raises(InvalidArgument, match="not allowed"):
                await authoring.bundles.take(uri=uri)


async def test_exactly_one_of_data_and_uri_is_taken(authoring: Authoring) -> None:
    for both in ({}, {"data": "x", "uri": "y"}):
        with pytest.raises(InvalidArgument):
            await authoring.bundles.take(**both)
