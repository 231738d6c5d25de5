"""Answers that a test or a recording gives in the place of a user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ratchet_mcp.errors import AnswerMissing, from_dict
from ratchet_mcp.execution.asking import Answer, read_answer
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.mock_answers import read_answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratchet_mcp.tasks.mock_answers import MockAnswer
    from ratchet_mcp.tasks.question import Question


class MockedAnswers:
    """The answers of a test. Each is used once, for the first question that it fits."""

    def __init__(self, answers: Sequence[MockAnswer] = ()) -> None:
        self._left = list(answers)
        self._others: list[MockAnswer] = []

    @classmethod
    def read(cls, raw: object, file: str = "mock", path: str = "$", name: str = "mock") -> MockedAnswers:
        """Read the answers in `mock` of a test case, or in a mock file. Raises `TaskInvalid` that names each mistake."""
        return cls(read_answers(raw, file, path, name))

    def then(self, others: MockedAnswers | None) -> MockedAnswers:
        """Return these answers with others behind them, for questions that these do not fit; `unused` tells of these only."""
        made = MockedAnswers(self._left)
        made._others = [] if others is None else list(others._left)
        return made

    @property
    def unused(self) -> list[str]:
        """Return the places of answers that no question has had so far."""
        return [each.place for each in self._left]

    async def answer(self, question: Question, key: str) -> Answer:
        """Return the first answer that is left and fits the message. Raises `AnswerMissing`."""
        for answers in (self._left, self._others):
            for each in answers:
                if each.message_contains in question.message:
                    answers.remove(each)
                    return Answer(each.action, each.content)
        raise AnswerMissing(
            f"The task asked {question.message[:200]!r}, and no answer is left for it.",
            hint='Add it to mock.answers in the test file: {"content": {…}}, or {"action": "decline"}.',
            details={"question": question.message},
        )


@dataclass(slots=True)
class _Turn:
    message: str
    told: dict[str, Any]
    used: bool = False


class RecordedAnswers:
    """The answers of a recorded run. Each is used once, for the same message in the order of then."""

    def __init__(self, recorded: Any) -> None:
        turns: list[Any] = recorded if is_array(recorded) else []
        self._turns = [_Turn(str(turn.get("message")), turn) for turn in turns if is_object(turn)]

    async def answer(self, question: Question, key: str) -> Answer:
        """Return the recorded answer, or raise the recorded error. Raises `AnswerMissing`."""
        for turn in self._turns:
            if not turn.used and turn.message == question.message:
                turn.used = True
                if is_object(error := turn.told.get("error")):
                    raise from_dict(error)
                answer = read_answer(turn.told)
                if answer is not None:
                    return answer
        raise AnswerMissing(
            f"The task asked {question.message[:200]!r}, which was not asked when the run was recorded.",
            hint="Record the task again.",
            details={"question": question.message},
        )
