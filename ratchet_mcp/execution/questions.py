"""Questions of a run that wait until somebody who watches the run brings their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import anyio

from ratchet_mcp.errors import AnswerInvalid, AskError
from ratchet_mcp.execution.asking import Answer, checked
from ratchet_mcp.tasks.question import Question

MOST_TRIES = 3
"""Answers that do not fit which are taken for slips; after as many, the task is told."""


@dataclass(slots=True, eq=False)
class OpenQuestion:
    """A question that waits. `attended` tells that somebody asks the user now; `problem` is what was wrong with the last answer."""

    key: str
    question: Question
    future: asyncio.Future[Answer]
    closed: anyio.Event = field(default_factory=anyio.Event)
    attended: bool = False
    problem: str | None = None
    tries: int = 0

    @property
    def message(self) -> str:
        """Return what the user is to read."""
        if self.problem is None:
            return self.question.message
        return f"{self.question.message}\n\nThe last answer did not fit: {self.problem}"


class OpenQuestions:
    """The open questions of one run. `earlier` are answers that are there already."""

    def __init__(self, earlier: Mapping[str, Answer] | None = None) -> None:
        self._earlier = dict(earlier or {})
        self._on_change: Callable[[], None] | None = None
        self._open: dict[str, OpenQuestion] = {}
        self._changed = anyio.Event()

    @property
    def open(self) -> list[OpenQuestion]:
        """Return the questions without an answer, oldest first."""
        return [each for each in self._open.values() if not each.future.done()]

    async def answer(self, question: Question, key: str) -> Answer:
        """Wait for the answer to a question."""
        if key in self._earlier:
            return self._earlier[key]
        one = OpenQuestion(key, question, asyncio.get_running_loop().create_future())
        self._open[key] = one
        self._tell()
        try:
            return await one.future
        finally:
            del self._open[key]
            one.closed.set()
            self._tell()

    def give(self, key: str, answer: Answer) -> bool:
        """Take an answer; tells whether there was such an open question. Raises `AnswerInvalid`, and the question stays open.

        After `MOST_TRIES` answers that do not fit it does not: the task gets the error.
        """
        one = self._open.get(key)
        if one is None or one.future.done():
            return False
        try:
            fitting = checked(one.question, answer)
        except AnswerInvalid as error:
            one.tries += 1
            first = error.details["violations"][0]
            one.problem = f"{first['path']}: {first['message']}"
            if one.tries >= MOST_TRIES:
                one.future.set_exception(error)
            self._tell()
            raise
        one.future.set_result(fitting)
        self._tell()
        return True

    def refuse(self, key: str, error: AskError) -> None:
        """Let the task have an error instead of an answer."""
        one = self._open.get(key)
        if one is not None and not one.future.done():
            one.future.set_exception(error)
            self._tell()

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Tell another listener from now on when a question comes or goes."""
        self._on_change = listener

    async def news(self) -> None:
        """Wait until a question comes or goes."""
        await self._changed.wait()

    def poke(self) -> None:
        """Wake who waits for news, also when nothing has changed."""
        self._changed.set()
        self._changed = anyio.Event()

    def _tell(self) -> None:
        self.poke()
        if self._on_change is not None:
            self._on_change()
