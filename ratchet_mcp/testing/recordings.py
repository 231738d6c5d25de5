"""Recordings of executions: made while they run, kept beside the database, found again by the id of the execution."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio.to_thread

from ratchet_mcp.egress.har import FACTS_FILE, Recorder, unusable
from ratchet_mcp.egress.recording import Recording
from ratchet_mcp.engine.course import Course
from ratchet_mcp.errors import InvalidArgument, RecordingInvalid
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.security.principal import LOCAL, Principal
from ratchet_mcp.tasks.loading import UNSAVED_NAME, make_unsaved

if TYPE_CHECKING:
    from ratchet_mcp.egress.mocks import Mocks
    from ratchet_mcp.egress.run import RunNetwork
    from ratchet_mcp.egress.service import Egress
    from ratchet_mcp.engine.run import ProgressUpdate
    from ratchet_mcp.execution.asking import Answers
    from ratchet_mcp.execution.ending import Ended
    from ratchet_mcp.execution.service import Executions, Handle
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.tasks.definition import Task

FOLDER = "recordings"
NO_PLACE = "There is no place for recordings: the database is in memory."


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a recording says of its run."""

    recording: Recording
    folder: Path

    @property
    def task(self) -> str:
        """Return `name@version` of the task."""
        return str(self._part("task").get("reference", ""))

    @property
    def digest(self) -> str:
        """Return the digest of the task as it was."""
        return str(self._part("task").get("digest", ""))

    def unsaved_task(self) -> Task | None:
        """Return the function that was recorded, when it is saved nowhere else. Raises `TaskInvalid` when it cannot be one."""
        source = self._part("task").get("source")
        if self._part("task").get("name") != UNSAVED_NAME or not isinstance(source, str):
            return None
        return make_unsaved(source)

    @property
    def course(self) -> Course:
        """Return the course of the run. Raises `RecordingInvalid`."""
        try:
            return Course.from_dict(self.recording.facts.get("course"))
        except RecordingInvalid as error:
            raise unusable(self.folder / FACTS_FILE, error.message) from None

    @property
    def nonce(self) -> str | None:
        """Return what ends the handles of secrets."""
        value = self.recording.facts.get("nonce")
        return value if isinstance(value, str) else None

    def _part(self, name: str) -> dict[str, Any]:
        part = self.recording.facts.get(name)
        return part if isinstance(part, dict) else {}  # pyright: ignore[reportUnknownVariableType]


class Recordings:
    """Records executions, and finds what was recorded."""

    def __init__(self, executions: Executions, egress: Callable[[], Awaitable[Egress]], settings: Settings) -> None:
        self._executions, self._egress, self._settings = executions, egress, settings

    async def start(
        self,
        task: Task,
        input: Any,
        *,
        folder: Path | None = None,
        origin: Origin,
        principal: Principal = LOCAL,
        timeout_seconds: float | None = None,
        on_progress: Callable[[ProgressUpdate], None] | None = None,
        mocks: Mocks | None = None,
        answers: Answers | None = None,
    ) -> Handle:
        """Start a run that is recorded: into `folder`, or to be found by the execution's id. A failure to write is a warning of the run.

        Raises what `Executions.start` raises, and `InvalidArgument` when there is no place for recordings.
        """
        place = None if folder is not None else await self.place()
        recorder = (await self._egress()).recorder()
        network = await self._executions.network_for(task, timeout_seconds, mocks=mocks, recorder=recorder)

        async def write(ended: Ended) -> None:
            where = folder or (place or Path()) / ended.execution.id
            await anyio.to_thread.run_sync(_write, recorder, where, _facts(task, ended, network))
            if place is not None:
                await anyio.to_thread.run_sync(_keep, place, self._settings.network.recordings_kept)

        return await self._executions.start(
            task,
            input,
            origin=origin,
            principal=principal,
            timeout_seconds=timeout_seconds,
            on_progress=on_progress,
            network=network,
            course=Course.fresh(),
            on_end=write,
            answers=answers,
        )

    async def place(self) -> Path:
        """Return the folder of recordings that are found by id. Raises `InvalidArgument` when there is none."""
        from ratchet_mcp.store.location import data_file

        network = self._settings.network
        folder = network.recordings_folder or data_file(self._settings.store.url, FOLDER)
        if folder is None:
            raise InvalidArgument(NO_PLACE, hint="Set network.recordings_folder, or keep the database in a file (store.url).")
        return folder

    async def of(self, id: str) -> Recorded:
        """Return the recording of an execution. Raises `RecordingInvalid`."""
        try:
            name = str(UUID(id))
        except ValueError:
            raise _not_recorded(id) from None
        folder = await self.place() / name
        if not await anyio.to_thread.run_sync((folder / FACTS_FILE).is_file):
            raise _not_recorded(name)
        return await self.read(folder)

    async def read(self, folder: Path) -> Recorded:
        """Return the recording in a folder. Raises `RecordingInvalid`."""
        return Recorded(await anyio.to_thread.run_sync(Recording.read, folder), folder)

    async def read_allowed(self, path: str) -> Recorded:
        """Return the recording in a folder that a client names. Raises `InvalidArgument` unless the settings allow to read it."""
        refused = InvalidArgument(
            "Reading a recording there is not allowed.",
            hint="Name its folder in the setting network.recordings_from, or give the id of an execution that was recorded.",
        )
        allowed = list(self._settings.network.recordings_from)
        with suppress(InvalidArgument):
            allowed.append(await self.place())
        folder = await anyio.to_thread.run_sync(_within, path, allowed)
        if folder is None:
            raise refused
        return await self.read(folder)


def _within(path: str, folders: list[Path]) -> Path | None:
    """Return the real place of an absolute path that lies in one of some folders, None for any other."""
    try:
        given = Path(path).expanduser()
        folder = given.resolve()
        if given.is_absolute() and any(folder.is_relative_to(each.expanduser().resolve()) for each in folders):
            return folder
    except (OSError, RuntimeError, ValueError):
        return None
    return None


def _not_recorded(id: str) -> RecordingInvalid:
    return RecordingInvalid(
        f"Execution {id[:100]!r} was not recorded, or its recording is gone.",
        hint="Run the task with execute_task(record=true); network.recordings_kept says how many are kept.",
        details={"path": None},
    )


def _facts(task: Task, ended: Ended, network: RunNetwork) -> dict[str, Any]:
    execution = ended.execution
    outcome = {"error": execution.error} if execution.error is not None else {"output": execution.output}
    about = {"name": task.name, "version": task.version, "reference": task.reference, "digest": task.digest, "uuid": str(task.uuid)}
    if task.name == UNSAVED_NAME:
        about["source"] = task.source
    return {
        "task": about,
        "execution_id": execution.id,
        "status": execution.status.value,
        "input": execution.input,
        **outcome,
        "logs": [{"at": line.at, "level": line.level, "message": line.message} for line in ended.lines],
        **({"questions": ended.questions} if ended.questions else {}),
        "course": ended.course.to_dict() if ended.course is not None else None,
        "nonce": network.secrets.nonce,
    }


def _write(recorder: Recorder, folder: Path, facts: dict[str, Any]) -> None:
    recorder.write(folder, facts)


def _keep(place: Path, most: int) -> None:
    """Remove the oldest recordings above `most`: the names of their folders are ids, which begin with the time."""
    kept = sorted(path for path in place.iterdir() if _is_id(path.name) and (path / FACTS_FILE).is_file())
    for folder in kept[: max(0, len(kept) - most)]:
        shutil.rmtree(folder, ignore_errors=True)


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
