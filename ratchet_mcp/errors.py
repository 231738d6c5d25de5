"""Every error a user can meet: a stable code, what happened, what to do next.

Faces (MCP, HTTP, CLI) translate a `RatchetError` in one place each; they never invent codes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class RatchetError(Exception):
    """Base of all errors that are meant for the user.

    `message` says what happened and where, `hint` what to do next, `details` carries machine-readable facts (JSON only).
    `http_status` is what an HTTP face answers; `retryable` tells whether the same call may succeed later.
    """

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str | None] = None

    def __init__(self, message: str, *, hint: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint if hint is not None else self.default_hint
        self.details: dict[str, Any] = dict(details or {})

    def to_dict(self) -> dict[str, Any]:
        """Return the one JSON shape of an error: `{code, message, retryable, hint?, details?}`."""
        body: dict[str, Any] = {"code": self.code, "message": self.message, "retryable": self.retryable}
        if self.hint:
            body["hint"] = self.hint
        if self.details:
            body["details"] = self.details
        return body


# ---------------------------------------------------------------- asking for something that is not there
class TaskNotFound(RatchetError):
    """No task answers to this name, version or UUID. `details`: `suggestions` (near names), `unfetched` (sources not fetched yet)."""

    code, http_status = "task_not_found", 404
    default_hint = "Call list_tasks to see the names."


class AmbiguousTask(RatchetError):
    """Several tasks answer to this name. `details.candidates` lists `name@version` and UUID of each."""

    code, http_status = "ambiguous_task", 409


class ExecutionNotFound(RatchetError):
    """No execution has this id."""

    code, http_status = "execution_not_found", 404
    default_hint = "Call list_executions to see recent ids."


class ExecutionFinished(RatchetError):
    """The execution has already ended, so it cannot be cancelled."""

    code, http_status = "execution_finished", 409


class JobNotFound(RatchetError):
    """No job has this id."""

    code, http_status = "job_not_found", 404
    default_hint = "Call list_jobs to see recent ids."


class JobFinished(RatchetError):
    """The job has already ended. `details.status` says how."""

    code, http_status = "job_finished", 409


class ScheduleNotFound(RatchetError):
    """No schedule has this id or name. `details.suggestions` holds near names."""

    code, http_status = "schedule_not_found", 404
    default_hint = "Call list_schedules, or `ratchet schedule list`, to see ids and names."


class ScheduleExists(RatchetError):
    """Another schedule has this name; nothing was changed. `details.schedule_id` is its id."""

    code, http_status = "schedule_exists", 409
    default_hint = "Choose another name, or change that schedule with update_schedule or `ratchet schedule update`."


class ScheduleChanged(RatchetError):
    """Somebody else changed the schedule at the same time; nothing was changed."""

    code, http_status, retryable = "schedule_changed", 409, True
    default_hint = "Look at it again, and repeat the change."


class TimesMissed(RatchetError):
    """More times of a schedule were missed than are made up for (`schedules.most_missed`). It is told as `last_error` of the schedule."""

    code, http_status = "times_missed", 409


class TooManySchedules(RatchetError):
    """There are as many schedules as `schedules.limit` allows. `details.limit`."""

    code, http_status = "too_many_schedules", 409
    default_hint = "Delete schedules that are not needed, or raise schedules.limit in the settings."


class InvalidCursor(RatchetError):
    """The cursor was not issued by this listing (MCP: protocol error -32602)."""

    code, http_status = "invalid_cursor", 400
    default_hint = "Start again without a cursor."


class InvalidArgument(RatchetError):
    """An argument of the call is missing, of the wrong type or out of range. `details.violations` lists each JSON path."""

    code, http_status = "invalid_argument", 400


# ---------------------------------------------------------------- the task itself
class TaskInvalid(RatchetError):
    """The task cannot be loaded. `details.problems` lists everything wrong with it: `{file, path?, line?, column?, message}`."""

    code, http_status = "task_invalid", 422


class TaskSyntaxError(RatchetError):
    """The JavaScript cannot be parsed or has a form that is not accepted. `details`: `line`, `column`, `frame`."""

    code, http_status = "syntax_error", 422


class TaskExists(RatchetError):
    """A task of the same name and version exists already; nothing was changed. `details.task` names it."""

    code, http_status = "task_exists", 409


class TaskReadOnly(RatchetError):
    """The task comes from a source that Ratchet does not write to. `details.source` names it."""

    code, http_status = "task_read_only", 409
    default_hint = "Make a copy of your own under another name with create_task, or change the files of the source."


class TaskDisabled(RatchetError):
    """The task has been disabled, so it does not run, except to be tested or debugged. Its history stays."""

    code, http_status = "task_disabled", 409
    default_hint = (
        "Use another task, or let it run again: edit_task with enabled: true, or `ratchet repo enable NAME`. "
        "test_task and debug_task work all the same."
    )


class ConfirmationRequired(RatchetError):
    """The request removes something and was not confirmed; nothing was changed. `details.would_remove` lists what it means."""

    code, http_status = "confirmation_required", 409
    default_hint = "Repeat the call with confirm: true."


class SourceFailed(RatchetError):
    """A source of tasks cannot be read, now or at all. `details`: `source`, `uri` (without credentials)."""

    code, http_status, retryable = "source_failed", 502, True


class ContentChanged(RatchetError):
    """A source offers other content under a version that is known. `details`: `task`, `source`, `known_digest`, `new_digest`."""

    code, http_status = "content_changed", 409
    default_hint = (
        "Give the changed task a new version; or the user accepts it with `ratchet repo refresh --accept-changed`, "
        "and running servers take it too."
    )


# ---------------------------------------------------------------- data that crosses
class InputInvalid(RatchetError):
    """The input does not match the input schema; nothing ran. `details.violations`: `{path, message, keyword}`."""

    code, http_status = "input_invalid", 422


class InputTooLarge(RatchetError):
    """The input is over `limits.input_bytes`, or nested deeper than `limits.json_depth`."""

    code, http_status = "input_too_large", 413


class OutputInvalid(RatchetError):
    """The task's output does not match its output schema. `details.violations` as for the input."""

    code, http_status = "output_invalid", 422


class OutputTooLarge(RatchetError):
    """The output is over `limits.output_bytes`, or nested deeper than `limits.json_depth`."""

    code, http_status = "output_too_large", 422


class OutputNotSerializable(RatchetError):
    """The output holds what JSON cannot say: NaN, Infinity, BigInt, a cycle, a Map or a Set. `details.path` says where."""

    code, http_status = "output_not_serializable", 422


# ---------------------------------------------------------------- the run
class TaskFailed(RatchetError):
    """The task threw. `details`: `name`, `line`, `column`, `frame`, `stack`, and `data` of a typed error."""

    code, http_status = "task_error", 422


class UnhandledRejection(RatchetError):
    """The task ended while a rejected promise had no handler. `details` as for `TaskFailed`."""

    code, http_status = "unhandled_rejection", 422
    default_hint = "Await the promise, or add a .catch() to it."


class NeverSettles(RatchetError):
    """The task's promise is pending while nothing is left that could settle it."""

    code, http_status = "never_settles", 422
    default_hint = "Check that each `new Promise` calls resolve or reject, and that awaited work has been started."


class TimedOut(RatchetError):
    """The run took longer than `limits.timeout_seconds` and was killed."""

    code, http_status = "timeout", 504
    default_hint = "Make the task do less, or ask for a larger timeout_seconds."


class CpuLimit(RatchetError):
    """The run used more processor time than `limits.cpu_seconds` and was killed."""

    code, http_status = "cpu_limit", 422


class MemoryLimit(RatchetError):
    """The run needed more memory than `limits.memory_mb` and was ended."""

    code, http_status = "memory_limit", 422


class LogLimit(RatchetError):
    """The run logged more than `limits.log_bytes` and was ended."""

    code, http_status = "log_limit", 422


class StackOverflow(RatchetError):
    """The task called functions deeper than the engine's stack. `details` as for `TaskFailed`."""

    code, http_status = "stack_overflow", 422
    default_hint = "Look for a recursion without an end, or use a loop."


class WorkerCrashed(RatchetError):
    """The worker process died during the run. Other runs are not affected."""

    code, http_status, retryable = "worker_crashed", 500, True


class ProtocolViolation(WorkerCrashed):
    """The worker sent a frame that breaks the protocol; it was replaced."""

    code = "protocol_violation"


class WorkerStartFailed(RatchetError):
    """No worker could be started. `details.stderr` holds the end of what it printed."""

    code, http_status, retryable = "worker_start_failed", 503, True
    default_hint = "Run `ratchet doctor` on this machine."


class Cancelled(RatchetError):
    """The run was cancelled. `details.reason` says why, when a reason was given."""

    code, http_status = "cancelled", 409


class Interrupted(RatchetError):
    """The server stopped or died while the run was under way."""

    code, http_status, retryable = "interrupted", 503, True


class JobCrashed(RatchetError):
    """The processes that ran the job died again and again (`jobs.max_crashes`), so it is not tried any more. `details.crashes` counts."""

    code, http_status = "job_crashed", 500
    default_hint = "See what the job does to the machine (memory, disk) before you retry it."


class QueueTimeout(RatchetError):
    """No worker became free within `engine.queue_wait_seconds`."""

    code, http_status, retryable = "queue_timeout", 503, True
    default_hint = "Try again later, or raise engine.max_workers."


class QueueFull(RatchetError):
    """More runs are waiting than `engine.queue_limit` allows."""

    code, http_status, retryable = "queue_full", 503, True


class CircuitOpen(RatchetError):
    """The task killed workers again and again; it is paused until `details.retry_at`."""

    code, http_status, retryable = "circuit_open", 503, True


class CallDepthExceeded(RatchetError):
    """tasks.call was nested deeper than `engine.call_depth`."""

    code, http_status = "call_depth_exceeded", 422


# ---------------------------------------------------------------- the network of a task
class NetworkError(RatchetError):
    """A `fetch` of a task did not give a response. `details`: `host`, and what the kind of failure adds."""

    code, http_status = "network_error", 502


class NetworkDenied(NetworkError):
    """The policy does not let the task reach this address. `details`: `host`, `reason`."""

    code, http_status = "network_denied", 403
    default_hint = "The lists are network.allow and network.deny in the settings, and network.allow in the task's metadata."


class NetworkFailed(NetworkError):
    """The server could not be reached, or did not speak HTTP as it should. `details`: `host`, `reason` (dns, tls, refused, reset, …)."""

    code, http_status, retryable = "network_failed", 502, True


class FetchTimedOut(NetworkError):
    """The response did not come in time. `details`: `host`, `seconds`, `phase`."""

    code, http_status, retryable = "fetch_timeout", 504, True
    default_hint = "Ask for less, or give fetch a longer timeout."


class FetchLimit(NetworkError):
    """A limit of the section `network` was met: count, bytes, headers, redirects, decompression. `details`: `host`, `limit`, `maximum`."""

    code, http_status = "fetch_limit", 422
    default_hint = "Ask for less, or raise the limit in the section network of the settings."


class InvalidFetch(NetworkError):
    """The task asked for what is no valid request: URL, method, header, body or option. `details`: `host`, `field`."""

    code, http_status = "invalid_fetch", 400
    default_hint = "Correct the URL, the method, a header, the body or an option of the fetch."


class MockMissing(NetworkError):
    """A test made a request that no mock answers. `details`: `host`, `request`, `closest`, `differs`."""

    code, http_status = "mock_missing", 422
    default_hint = 'Add it to mock.http in the test file, or let this test reach the network with "network": "live".'


class ReplayMissing(NetworkError):
    """A replayed task made a request that was not recorded. `details`: `host`, `request`, `closest`, `differs`."""

    code, http_status = "replay_missing", 422
    default_hint = "Record the task again, or replay with the mode replay-or-live."


class SecretMissing(NetworkError):
    """A secret that the task uses has no value, or is not bound to this host. `details`: `host`, `secret`."""

    code, http_status = "secret_missing", 422
    default_hint = "Whoever runs the server adds it to network.secrets, bound to the hosts that it may be sent to."


class RecordingInvalid(RatchetError):
    """A recording cannot be read or written. `details.path` says which file."""

    code, http_status = "recording_invalid", 422


# ---------------------------------------------------------------- deliveries
class DeliveryInvalid(RatchetError):
    """A destination cannot be used. `details.problems` lists everything wrong: `{path, message}`; nothing was started or written."""

    code, http_status = "delivery_invalid", 422


class DeliveryNotFound(RatchetError):
    """No delivery has this id."""

    code, http_status = "delivery_not_found", 404
    default_hint = "Call list_deliveries, or `ratchet deliveries list`, to see recent ids."


class DeliveryUnfinished(RatchetError):
    """The delivery is under way or waits for its next try, so it cannot be sent again. `details`: `status`, `next_at`."""

    code, http_status = "delivery_unfinished", 409


class DeliveryFailed(RatchetError):
    """The destination did not take a delivery this time; it is tried again while attempts are left. `details` has `reason` and `status`."""

    code, http_status, retryable = "delivery_failed", 502, True


class DeliveryRefused(RatchetError):
    """The destination cannot take this delivery, so it is not tried again. `details` has `reason` and `status`."""

    code, http_status = "delivery_refused", 422
    default_hint = "Correct what the message says, and send it again with redeliver or `ratchet deliveries retry`."


# ---------------------------------------------------------------- questions to the user
class AskError(RatchetError):
    """A question that a task put to its user was not answered. `details.question` is its message."""

    code, http_status = "ask_error", 422


class CannotAsk(AskError):
    """The task asked its user a question, and nobody can be asked. `details.reason` says why."""

    code, http_status = "cannot_ask", 422
    default_hint = (
        "Run the task from a client that can ask its user (MCP elicitation) or on a terminal with `ratchet run-once`; in a test give the "
        "answers in mock.answers. Or pass as input what the task would ask for."
    )


class AskDeclined(AskError):
    """The user declined a question of the task, or closed it. `details`: `action` (decline, cancel), `question`."""

    code, http_status = "ask_declined", 422


class AnswerTimedOut(AskError):
    """Nobody answered a question of the task within `mcp.answer_seconds`. `details`: `seconds`, `question`."""

    code, http_status = "answer_timeout", 504


class AnswerInvalid(AskError):
    """The answer to a question of the task did not match its schema. `details`: `violations`, `question`."""

    code, http_status = "answer_invalid", 422


class AnswerMissing(AskError):
    """A test or a replay has no answer to a question of the task. `details.question`."""

    code, http_status = "answer_missing", 422


class InvalidQuestion(AskError):
    """The task asked what cannot be asked: message or schema is wrong. `details.violations` lists each place of the schema."""

    code, http_status = "invalid_question", 422
    default_hint = (
        'Ask for an object of plain values: {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}; '
        "string, number, integer, boolean, enum, or an array of choices."
    )


class TooManyQuestions(InvalidQuestion):
    """The task asked more than a run may ask. `details.maximum`."""

    code = "too_many_questions"
    default_hint = "Ask for several values in one question, or pass them as input."


# ---------------------------------------------------------------- batches
class BatchInvalid(RatchetError):
    """A batch cannot run as it was asked for, and nothing ran. `details.violations` lists everything wrong: `{path, message}`."""

    code, http_status = "batch_invalid", 400
    default_hint = "Nothing ran. Correct the requests and send the batch again."


class BatchNotFound(RatchetError):
    """No batch has this id."""

    code, http_status = "batch_not_found", 404


class BatchFinished(RatchetError):
    """The batch has already ended, so it cannot be cancelled."""

    code, http_status = "batch_finished", 409


class BatchFailed(RatchetError):
    """Some requests of a batch that ran as a job failed. `details`: `batch_id`, `failed` (their ids)."""

    code, http_status = "batch_failed", 422
    default_hint = "get_status with the batch's id shows each request. Retrying the job runs those again that did not complete."


class RequestNotRun(RatchetError):
    """A request of a batch could not be made: an output that it refers to has nothing there, or its run is no longer known."""

    code, http_status = "request_not_run", 422


# ---------------------------------------------------------------- the system
class Busy(RatchetError):
    """The store's queue is full: more is written than the disk takes."""

    code, http_status, retryable = "busy", 503, True
    default_hint = "Try again in a moment."


class StoreFailed(RatchetError):
    """The database refused or could not be opened. `details.url` names it without credentials."""

    code, http_status, retryable = "store_failed", 500, True


class SettingsInvalid(RatchetError):
    """A setting has an unknown key or a wrong value. `details.problems`: `{key, source, message, did_you_mean?}`."""

    code, http_status = "settings_invalid", 400


class IsolationInsufficient(RatchetError):
    """The machine cannot confine workers as strongly as `engine.isolation` demands. `details.missing` names the pieces."""

    code, http_status = "isolation_insufficient", 503


class InternalError(RatchetError):
    """A defect in Ratchet. The log of the server has the traceback."""

    code, http_status = "internal_error", 500


CODES: dict[str, type[RatchetError]] = {}


def _collect(base: type[RatchetError]) -> None:
    CODES[base.code] = base
    for child in base.__subclasses__():
        _collect(child)


_collect(RatchetError)
CODES[RatchetError.code] = InternalError


def from_dict(body: Mapping[str, Any]) -> RatchetError:
    """Rebuild an error from `to_dict()`; unknown codes become `InternalError` with the code in `details`."""
    kind = CODES.get(str(body.get("code")), InternalError)
    return kind(str(body.get("message", "")), hint=body.get("hint"), details=body.get("details"))
