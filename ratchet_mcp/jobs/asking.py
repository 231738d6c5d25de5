"""Questions of jobs.

The row of a job has those that are open and the answers that were given, so that any process may show and answer them. A job that is
run again after a crash finds the answers that it was given: the user is not asked twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger

from ratchet_mcp.errors import AnswerInvalid, JobFinished, RatchetError
from ratchet_mcp.execution.asking import Answer, checked, read_answer
from ratchet_mcp.execution.questions import OpenQuestions
from ratchet_mcp.jobs.rows import storable_error
from ratchet_mcp.observability.seldom import seldom
from ratchet_mcp.tasks.question import Question

if TYPE_CHECKING:
    from ratchet_mcp.jobs.models import Job
    from ratchet_mcp.store.job_questions import JobQuestionRepository

POLL_SECONDS = 0.5
"""How often answers that other processes took are looked for, while a question is open here."""


class JobAsking:
    """The questions of the jobs that this process runs, and the way to answer those of all."""

    def __init__(self, repository: JobQuestionRepository) -> None:
        self._repository = repository
        self._here: dict[str, OpenQuestions] = {}
        self._changed: set[str] = set()
        self._news = anyio.Event()
        self._listeners: list[Callable[[str], None]] = []

    # ------------------------------------------------------------ jobs that run here
    def questions_for(self, job: Job) -> OpenQuestions | None:
        """Return who answers the run of a job: its client, who had some answers before; None for a job that nobody watches."""
        if job.call is None:
            return None
        kept: dict[str, Any] = job.answers or {}
        earlier = {key: read_answer(given) for key, given in kept.items()}
        return OpenQuestions({key: answer for key, answer in earlier.items() if answer is not None})

    def attach(self, id: str, questions: OpenQuestions) -> None:
        """Keep the row of a job that runs here in step with its questions."""
        self._here[id] = questions
        questions.listen(lambda: self._note(id))
        self._note(id)

    def detach(self, id: str) -> None:
        """Forget a job that does not run here any more."""
        questions = self._here.pop(id, None)
        if questions is not None:
            questions.listen(None)
        self._changed.discard(id)

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the id of each job here whose questions change."""
        self._listeners.append(listener)

    def _note(self, id: str) -> None:
        self._changed.add(id)
        self._news.set()
        for listener in self._listeners:
            listener(id)

    async def run(self) -> None:
        """Write questions and look for answers until cancelled; asleep while there are none."""
        while True:
            asking = [id for id, questions in self._here.items() if questions.open]
            with anyio.move_on_after(POLL_SECONDS if asking else None):
                await self._news.wait()
            self._news = anyio.Event()
            try:
                await self._write()
                await self._collect()
            except RatchetError as error:
                seldom.warning("Questions of jobs cannot be looked after now: {}", error.message)
                self._news.set()
                await anyio.sleep(POLL_SECONDS)

    async def _write(self) -> None:
        for id in list(self._changed):
            self._changed.discard(id)
            questions = self._here.get(id)
            if questions is not None:
                try:
                    await self._repository.put(id, _rows(questions) or None)
                except RatchetError:
                    self._changed.add(id)
                    raise

    async def _collect(self) -> None:
        asking = [id for id, questions in self._here.items() if questions.open]
        if not asking:
            return
        for id, answers in (await self._repository.answers(asking)).items():
            if id in self._here:
                _give(self._here[id], answers)

    # ------------------------------------------------------------ any job
    def open_questions(self, job: Job) -> list[dict[str, Any]]:
        """Return the open questions of a job as `{key, message, schema}`; `message` says also what was wrong with the last answer."""
        here = self._here.get(job.id)
        if here is not None:
            return _rows(here)
        if job.status.value != "running":
            return []
        questions: list[dict[str, Any]] = job.questions or []
        return [each for each in questions if each["key"] not in (job.answers or {})]

    async def answer(self, job: Job, given: Mapping[str, Answer]) -> None:
        """Answer open questions of a job; what answers no open question is ignored.

        Raises `AnswerInvalid`, and nothing is taken, and `JobFinished`.
        """
        here = self._here.get(job.id)
        open = {each["key"]: Question(each["question"], each["schema"]) for each in self.open_questions(job)}
        fitting: dict[str, Answer] = {}
        for key, answer in given.items():
            if key in open:
                try:
                    fitting[key] = checked(open[key], answer)
                except AnswerInvalid:
                    if here is not None:
                        here.give(key, answer)  # counts it, and raises
                    raise
        if not fitting:
            return
        rows = storable_error({key: answer.to_dict() for key, answer in fitting.items()})
        if not await self._repository.add_answers(job.id, rows):
            raise JobFinished(f"Job {job.id} has already ended.", details={"status": job.status.value})
        if here is not None:
            _give(here, rows)


def _rows(questions: OpenQuestions) -> list[dict[str, Any]]:
    return [
        storable_error({"key": one.key, "message": one.message, "question": one.question.message, "schema": one.question.schema})
        for one in questions.open
    ]


def _give(questions: OpenQuestions, answers: Mapping[str, Any]) -> None:
    for key, given in answers.items():
        answer = read_answer(given)
        if answer is not None:
            try:
                questions.give(key, answer)
            except AnswerInvalid as error:
                logger.warning("An answer that was kept does not fit its question any more: {}", error.message)
