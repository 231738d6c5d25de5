"""`ask`: a running task puts a question to its user, and waits for the answer without a slot and without its time passing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import anyio

from ratchet_mcp.errors import AnswerInvalid, AnswerTimedOut, AskDeclined, CannotAsk, RatchetError, TooManyQuestions
from ratchet_mcp.tasks.question import Question

if TYPE_CHECKING:
    from ratchet_mcp.execution.live import Live

Action = Literal["accept", "decline", "cancel"]
ACTIONS: tuple[Action, ...] = ("accept", "decline", "cancel")

MOST_QUESTIONS = 100
"""Questions of one run, with those of the tasks that it calls."""

MOST_OPEN = 10
"""Of them, how many may wait for their answers at the same time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the user did: accept with `content`, decline, or cancel (close the question)."""

    action: Action
    content: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as JSON."""
        return {"action": self.action} if self.content is None else {"action": self.action, "content": self.content}


class Answers(Protocol):
    """Who answers the questions of a run, and of the tasks that it calls."""

    async def answer(self, question: Question, key: str) -> Answer:
        """Return the answer to a question. `key` names it within its run. Raises `CannotAsk`, `AnswerMissing` and `AnswerInvalid`."""
        ...


class Nobody:
    """Answers nothing; `reason` is told to the task."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    async def answer(self, question: Question, key: str) -> Answer:
        """Raise `CannotAsk`."""
        raise CannotAsk(
            f"The task asked its user a question, but nobody can be asked: {self.reason}",
            details={"reason": self.reason, "question": question.message},
        )


NOBODY = Nobody("nobody watches this run.")


class Asking:
    """The questions of one run and of the tasks that it calls. `told` lists each with its answer, in the order of the answers."""

    def __init__(self, answers: Answers | None) -> None:
        self.answers = answers or NOBODY
        self.told: list[dict[str, Any]] = []
        self._made: Counter[str] = Counter()
        self._open = 0

    async def ask(self, question: Question, seconds: float) -> Answer:
        """Return the answer to a question, which comes within `seconds`. Raises the subclasses of `errors.AskError`."""
        try:
            answer = await self._counted(question, seconds)
        except RatchetError as error:
            self._tell(question, {"error": error.to_dict()})
            raise
        self._tell(question, answer.to_dict())
        return answer

    async def _counted(self, question: Question, seconds: float) -> Answer:
        if self._made.total() >= MOST_QUESTIONS:
            raise TooManyQuestions(
                f"A run may ask {MOST_QUESTIONS} questions; this would be one more.", details={"maximum": MOST_QUESTIONS}
            )
        if self._open >= MOST_OPEN:
            raise TooManyQuestions(
                f"{MOST_OPEN} questions of the run wait for answers already.",
                hint="Await some of them first, or ask for several values in one question.",
                details={"maximum": MOST_OPEN},
            )
        key = f"{question.digest}-{self._made[question.digest]}"
        self._made[question.digest] += 1
        self._open += 1
        try:
            return await self._in_time(question, key, seconds)
        finally:
            self._open -= 1

    async def _in_time(self, question: Question, key: str, seconds: float) -> Answer:
        with anyio.move_on_after(seconds):
            answer = await self.answers.answer(question, key)
            return checked(question, answer)
        raise AnswerTimedOut(
            f"Nobody answered within {seconds:g} seconds (mcp.answer_seconds): {question.message[:200]}",
            details={"seconds": seconds, "question": question.message},
        )

    def _tell(self, question: Question, outcome: dict[str, Any]) -> None:
        self.told.append({"message": question.message, "schema": question.schema, **outcome})


class Asks:
    """Answers the host call `ask`. `seconds` is how long one question waits for its answer."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __call__(self, live: Live, arguments: Any) -> Any:
        """Return `{action: "accept", content}`. Raises the subclasses of `errors.AskError`."""
        question = Question.read(arguments)
        with live.clock.stopped():
            answer = await live.asking.ask(question, self._seconds)
        if answer.action != "accept":
            did = "declined to answer" if answer.action == "decline" else "closed the question"
            raise AskDeclined(f"The user {did}: {question.message[:200]}", details={"action": answer.action, "question": question.message})
        return {"action": "accept", "content": answer.content or {}}


def checked(question: Question, answer: Answer) -> Answer:
    """Return an answer with what was asked for, and nothing else. Raises `AnswerInvalid` when it does not match the question."""
    if answer.action != "accept":
        return Answer(answer.action)
    content = {} if answer.content is None else answer.content
    violations = question.violations(content)
    if violations:
        raise AnswerInvalid(
            f"The answer does not fit the question: {violations[0]['path']}: {violations[0]['message']}",
            details={"violations": violations, "question": question.message},
        )
    return Answer("accept", question.wanted(content))


def read_answer(given: Any) -> Answer | None:
    """Return the answer that a client or a file gives as `{action, content?}`, None when it is none."""
    if not isinstance(given, Mapping):
        return None
    action, content = given.get("action"), given.get("content")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if action not in ACTIONS or not (content is None or isinstance(content, dict)):
        return None
    return Answer(action, content)  # pyright: ignore[reportUnknownArgumentType]
